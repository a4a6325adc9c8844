# Two commands, each with all of its own set-up: `make demo` and `make test`. `make web` builds the page of `influ ui`
# into web/dist, and `make test-web` tests all of it in Chromium; both need Node.js.
#
# PYTHON        the interpreter that makes .venv
# TORCH_INDEX   where to look for torch first; https://download.pytorch.org/whl/cpu has small CPU builds
# CONSTRAINTS   a file of exact versions, or empty for the newest that pyproject.toml allows
# LOCKS         the folder of locked versions and hashes, or empty to do without

PYTHON ?= python3
TORCH_INDEX ?=
CONSTRAINTS ?= constraints.txt
LOCKS ?= requirements

BIN := .venv/bin
PIP := $(BIN)/python -m pip
PIP_INSTALL := $(PIP) install --disable-pip-version-check --progress-bar off \
	$(if $(CONSTRAINTS),--constraint $(CONSTRAINTS)) \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

HASHED = $(PIP) install --disable-pip-version-check --progress-bar off --quiet \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) --require-hashes --no-deps --requirement $(LOCKS)

# Tests run in as many processes as there are cores; more threads than cores make all of them slow.
ONE_THREAD_EACH := OMP_NUM_THREADS=1 OPENCV_FOR_THREADS_NUM=1

# Seconds of fuzzing for each kind of file.
FUZZ_SECONDS ?= 900

.PHONY: demo test test-web web install clean fuzz lock sbom dist

demo: .venv/installed
	$(BIN)/python examples/demo.py

test: .venv/installed-dev
	@if $(MAKE) --no-print-directory web/node_modules/.package-lock.json; then $(MAKE) --no-print-directory web; \
		else echo "The page is not built here, and its tests in Chromium are skipped"; fi
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(ONE_THREAD_EACH) $(BIN)/python -m pytest --numprocesses auto --dist worksteal

web: web/node_modules/.package-lock.json
	@cd web && npm run --silent check && npm run --silent build

test-web: .venv/installed-dev web
	PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix web test

install: .venv/installed

fuzz: .venv/installed-dev
	@if $(BIN)/python -c 'import atheris' 2> /dev/null; then \
		for name in $$($(BIN)/python -m fuzz --list); do \
			mkdir -p build/fuzz/$$name && $(BIN)/python -m fuzz --seeds build/fuzz/$$name $$name && \
			$(BIN)/python -m fuzz.engine $$name -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
				-dict=fuzz/words.dict -artifact_prefix=build/fuzz/ build/fuzz/$$name || exit 1; \
		done; \
	else $(BIN)/python -m fuzz --tries 100000; fi

lock: .venv/installed-dev
	$(PIP_INSTALL) --quiet uv
	$(BIN)/python requirements/lock.py

sbom: .venv/installed
	$(PIP_INSTALL) --quiet cyclonedx-bom
	mkdir -p build && $(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml \
		--output-file build/sbom.cdx.json $(BIN)/python

dist: .venv/installed
	$(PIP_INSTALL) --quiet build
	$(BIN)/python -m build --outdir dist .

clean:
	rm -rf .venv demo dist build web/dist web/node_modules

web/node_modules/.package-lock.json: web/package.json web/package-lock.json
	@$(CHECK_NODE)
	cd web && npm ci --no-fund --no-audit --ignore-scripts --fetch-timeout 60000 --fetch-retries 1

.venv/installed: pyproject.toml constraints.txt $(wildcard requirements/*.txt) | .venv/bin/python
	@$(call LOCKED,run)
	$(PIP_INSTALL) --editable .
	@$(OPENCV_WITHOUT_LIBGL)
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt $(wildcard requirements/*.txt) | .venv/bin/python
	@$(call LOCKED,dev)
	$(PIP_INSTALL) --editable '.[dev]'
	@$(OPENCV_WITHOUT_LIBGL)
	@touch .venv/installed $@

.venv/bin/python:
	@$(CHECK_PYTHON)
	$(PYTHON) -m venv .venv

# Every file is checked against its hash before it is installed. What the lock lacks, pip adds afterwards. The CPU build of
# PyTorch needs nothing of what the lock has for NVIDIA.
define LOCKED
$(if $(LOCKS),$(HASHED)/torch-cpu.txt 2> /dev/null || true; \
$(HASHED)/torch.txt && $(HASHED)/$(1).txt || exit 1; \
if $(BIN)/python -c 'import importlib.metadata as m; exit(not any("nvidia" in r for r in m.requires("torch")))'; then \
	$(HASHED)/cuda.txt; fi)
endef

define CHECK_NODE
command -v node > /dev/null && command -v npm > /dev/null || { \
	echo "The page is built with Node.js 18 or newer: apt install nodejs npm"; exit 1; }; \
node -e 'process.exit(Number(process.versions.node.split(".")[0] < 18))' || { \
	echo "Node.js here is older than 18: install a newer one"; exit 1; }
endef

define CHECK_PYTHON
command -v $(PYTHON) > /dev/null || { \
	echo "There is no $(PYTHON) here: apt install python3 python3-venv, or name one: make PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "$(PYTHON) is older than Python 3.11: name a newer one: make PYTHON=python3.12"; exit 1; }; \
$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || { \
	echo "$(PYTHON) comes without its venv module: apt install python3-venv"; exit 1; }
endef

# Both distributions own the same files, so the one has to go before the other can come.
define OPENCV_WITHOUT_LIBGL
$(BIN)/python -c 'import cv2' 2> /dev/null || { \
	echo "OpenCV finds no libGL on this machine: taking its headless build"; \
	$(PIP) uninstall --quiet --yes opencv-python opencv-python-headless && \
	$(PIP_INSTALL) --quiet --force-reinstall --no-deps opencv-python-headless && \
	$(BIN)/python -c 'import cv2'; }
endef
