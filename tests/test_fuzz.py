"""Whatever a stranger's file holds is accepted or refused in one sentence; a share of fuzz/."""

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.__main__ import fuzz, inputs
from fuzz.every_byte import kinds, try_all
from fuzz.targets import targets
from stylegan_cli.training import refining

ROOT = Path(__file__).parents[1]
TRIES = {"checkpoint": 40}  # each takes long
EVERY = {"style": 31, "model": 401, "checkpoint": 31}  # distance of the bytes tried; others: 5


@pytest.mark.parametrize("name", sorted(targets()))
def test_a_stranger_s_file_is_accepted_or_refused(name: str) -> None:
    result = fuzz(name, TRIES.get(name, 150), seed=0)
    assert result["faults"] == {}
    assert result["accepted"] + result["refused"] == result["tries"]


@pytest.mark.parametrize("name", sorted(targets()))
def test_seeds_are_accepted(name: str) -> None:
    for data in targets()[name].seeds().values():
        assert targets()[name].read(data) is not None


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_no_file_that_is_cut_short_or_has_a_bit_flipped_is_taken_for_right(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refining, "user_style_path", refining.user_style_path)
    found = try_all(kind, EVERY.get(kind, 5))
    assert found["problems"] == []
    assert found["refused"] + found["same"] == found["cuts"] + found["flips"] >= 20


def test_a_fuzzer_is_built_from_files_that_are_there() -> None:
    words = (ROOT / "fuzz" / "oss-fuzz" / "build.sh").read_text().split()
    named = [word for word in words if word.startswith(("requirements/", "fuzz/"))]
    assert len(named) == 3
    assert all((ROOT / name).is_file() for name in named)


def test_an_input_can_be_made_again() -> None:
    ((_, data),) = inputs("config", 0, 17, 1)
    call = [sys.executable, "-m", "fuzz", "--write", "17", "config"]
    done = subprocess.run(call, capture_output=True, cwd=ROOT, check=True)
    assert done.stdout == data
