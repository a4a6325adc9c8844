"""`influ pretrain`: where its settings come from."""

import json
from pathlib import Path

from conftest import Influ


def test_what_is_typed_goes_before_the_file_and_the_file_before_defaults(
    influ: Influ, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text("size = 96\nlooks = 2\ntime-limit-s = 7\n")
    arguments = ("--content", ".", "--config", "run.toml", "--batch", "3", "--dry-run", "--json")

    result = influ("pretrain", *arguments)

    assert result.returncode == 0, result.stderr
    settings = json.loads(result.stdout)["settings"]
    assert (settings["size"], settings["time_limit_s"]) == (96, 7.0)
    assert settings["looks"] == 3
    assert settings["precision"] == "auto"
    assert not (tmp_path / "runs").exists()


def test_a_size_that_the_network_cannot_take_is_refused(
    influ: Influ, photo: Path, tmp_path: Path
) -> None:
    result = influ("pretrain", "--content", ".", "--size", "97", "--dry-run")
    assert result.returncode == 2
    assert "size must be a multiple of 8" in result.stderr
