"""Promises of the shipped weights and their card."""

import hashlib
import runpy
import sys
from pathlib import Path

import pytest

from stylegan_cli.styles import read_model, shipped_model

CARD = Path(__file__).parents[1] / "weights" / "README.md"


def test_the_card_names_the_hash_of_the_file_and_of_the_base() -> None:
    card = CARD.read_text()
    assert hashlib.sha256(shipped_model().read_bytes()).hexdigest() in card
    assert read_model(shipped_model()).base.hash in card


def test_a_model_file_can_be_rewritten_and_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again = tmp_path / "again.safetensors"
    monkeypatch.setattr(sys, "argv", ["convert_model.py", str(shipped_model()), str(again)])
    runpy.run_path(str(CARD.parents[1] / "examples" / "convert_model.py"), run_name="__main__")
    assert capsys.readouterr().out.strip() == read_model(shipped_model()).base.hash
    assert again.read_bytes() == shipped_model().read_bytes()
