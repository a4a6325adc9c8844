"""How far a command is, told through a file."""

from pathlib import Path

import pytest

from stylegan_cli.runtime.progress_file import PROGRESS_VARIABLE, read_progress, tell_progress


def test_progress_is_told_only_where_somebody_wants_to_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "progress"
    monkeypatch.delenv(PROGRESS_VARIABLE, raising=False)
    tell_progress("reading", 1, 3)
    assert read_progress(file) is None
    monkeypatch.setenv(PROGRESS_VARIABLE, str(file))
    tell_progress("reading", 2, 3)
    assert read_progress(file) == {"label": "reading", "done": 2, "total": 3}


@pytest.mark.parametrize("text", ["", '{"label": "rea', "[]"])
def test_half_a_message_is_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "progress"
    file.write_text(text)
    assert read_progress(file) is None
