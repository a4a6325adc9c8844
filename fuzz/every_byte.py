"""Every byte: files cut at each length and with each bit of each byte flipped are never believed.

    python -m fuzz.every_byte [--out FILE] [--every N] [KIND ...]

A damaged file is refused, or means exactly what the whole file means. Counts both, and what is
neither: another meaning, or an exception that is none of ours.
"""

import argparse
import hashlib
import json
import logging
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fuzz import targets
from stylegan_cli.errors import InfluError
from stylegan_cli.learning import checkpoints
from stylegan_cli.learning.checkpoints import CONFIG_NAME, load_config, save_config
from stylegan_cli.runtime.files import sealed
from stylegan_cli.runtime.mappings import from_mapping, load_settings
from stylegan_cli.styles import Model, read_model, write_model
from stylegan_cli.training.config import TrainingConfig

Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Kind:
    """A file that influ wrote, and what reads it; None says that it is passed over."""

    whole: bytes
    read: Read


def kinds() -> dict[str, Callable[[], Kind]]:
    """Every kind of file whose bytes must not change."""
    return {
        "style": lambda: _of(targets.targets()["style_file"]),
        "model": _model,
        "code": _code,
        "data set manifest": lambda: Kind(
            targets.manifest_seeds()["two"], targets.read_manifest_bytes
        ),
        "work folder manifest": lambda: Kind(targets.work_seeds()["one"], _done_before),
        "run config": _run_config,
        "config given": _given_config,
        "registered styles": _registered,
        "checkpoint": _checkpoint,
        "kept graph": lambda: _of(targets.targets()["kept_graph"]),
    }


def damaged(whole: bytes, every: int) -> Iterator[tuple[str, bytes]]:
    """Each cut, then each flip, of which every `every`-th place is taken."""
    for length in range(0, len(whole), every):
        yield "cuts", whole[:length]
    for place in range(0, len(whole), every):
        for bit in range(8) if every == 1 else (place % 8,):
            flipped = bytes([whole[place] ^ 1 << bit])
            yield "flips", whole[:place] + flipped + whole[place + 1 :]


def try_all(name: str, every: int = 1) -> dict[str, Any]:
    """Read every damaged file of a kind; what became of them."""
    kind, began_s = kinds()[name](), time.process_time()
    meaning = pickle.dumps(kind.read(kind.whole))
    found: Counter[str] = Counter()
    problems: list[str] = []
    for number, (damage, data) in enumerate(damaged(kind.whole, every)):
        found[damage] += 1
        try:
            result = kind.read(data)
            outcome = "same" if pickle.dumps(result) == meaning else "wrong"
            outcome = "refused" if result is None else outcome
        except InfluError:
            outcome = "refused"
        except Exception as error:
            outcome = "crashed"
            problems.append(f"{damage}, input {number}: {error!r}"[:200])
        found[outcome] += 1
        if outcome == "wrong":
            problems.append(f"{damage}, input {number}: taken for right")
    counts = {what: found[what] for what in _COUNTS}
    seconds = round(time.process_time() - began_s, 1)
    length = len(kind.whole)
    return {"kind": name, "bytes": length, **counts, "cpu_s": seconds, "problems": problems[:5]}


_COUNTS = ("cuts", "flips", "refused", "same", "wrong", "crashed")


def _of(target: targets.Target) -> Kind:
    (whole,) = target.seeds().values()
    return Kind(whole, target.read)


def _done_before(data: bytes) -> object:
    """None where nothing is believed, so that all is done again."""
    frames, *rest = targets.read_work_folder(data)
    return (frames, *rest) if frames else None


@cache
def _path(name: str) -> Path:
    return targets.put(name, b"")


def _model() -> Kind:
    path = _path("model.safetensors")
    styles = (targets.small_style(),)
    write_model(Model(base=targets.small_base(), styles=styles), path, overwrite=True)
    return Kind(path.read_bytes(), lambda data: read_model(targets.put(path.name, data)))


def _code() -> Kind:
    from stylegan_cli.sharing.style_code import _text_of, read_line

    (data,) = targets.code_seeds().values()

    def read(text: bytes) -> object:
        return read_line(text.decode("latin-1"), "x", targets.small_base())

    return Kind(_text_of(data).encode(), read)


def _run_config() -> Kind:
    folder = _path(CONFIG_NAME).parent
    save_config(folder, {"size": 64, "lr_g": 1e-4, "gan": "hinge", "steps": None})

    def read(data: bytes) -> object:
        targets.put(CONFIG_NAME, data)
        return load_config(folder)

    return Kind((folder / CONFIG_NAME).read_bytes(), read)


def _given_config() -> Kind:
    def read(data: bytes) -> object:
        return from_mapping(TrainingConfig, load_settings(targets.put(CONFIG_NAME, data)))

    return Kind(_run_config().whole, read)


def _checkpoint() -> Kind:
    target = targets.targets()["checkpoint"]

    def read(data: bytes) -> object:
        state: Any = target.read(data)
        return None if state is None else checkpoints._sum_of(state)

    return Kind(target.seeds()["small"], read)


def _registered() -> Kind:
    from stylegan_cli.training import refining

    style = targets.put("anna.safetensors", b"a style")
    refining.user_style_path = lambda name: style.with_stem(name)
    entry = {"name": "anna", "sha256": hashlib.sha256(b"a style").hexdigest()}

    def read(data: bytes) -> object:
        path = targets.put(refining.REGISTERED_NAME, data)
        return refining._registered_before(path.parent) or None

    return Kind(sealed({"anna": entry}, indent=1).encode(), read)


def main() -> int:
    """Try kinds; the exit code says whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.every_byte", description=__doc__)
    parser.add_argument("--out", type=Path, help="file that gets a line of JSON for each kind")
    parser.add_argument("--every", type=int, default=1, help="distance of the places tried")
    parser.add_argument("names", nargs="*", metavar="KIND")
    told = parser.parse_args()
    logging.getLogger("stylegan_cli").setLevel(logging.CRITICAL)
    failed = False
    for name in told.names or list(kinds()):
        found = try_all(name, told.every)
        line = json.dumps(found)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if told.out:
            with told.out.open("a") as file:
                file.write(f"{line}\n")
        failed = failed or bool(found["problems"])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
