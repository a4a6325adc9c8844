"""Files that this version of influ wrote can be read for ever: codes, data sets, runs.

Styles and models are in test_style_file.py.
"""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
from model_files import small_model

from stylegan_cli.learning.checkpoints import load_config, load_latest_checkpoint
from stylegan_cli.preparing import read_manifest
from stylegan_cli.sharing.style_code import read_line
from stylegan_cli.styles import Base

DATA = Path(__file__).with_name("data")
CODE = [-0.4, -0.8, 0.0]


class CodesBase(Base):
    """The small model's, whatever its weights are by now."""

    @property
    def hash(self) -> str:
        return "051182002ffc4d0a"


def test_a_code_of_format_1() -> None:
    base = small_model().base
    parts = {field.name: getattr(base, field.name) for field in dataclasses.fields(Base)}
    style = read_line((DATA / "code-format-1.txt").read_text(), "anna", CodesBase(**parts))
    assert style.name == "anna"
    np.testing.assert_allclose(style.code[:3], CODE, atol=1e-6)
    assert style.calibration is not None


def test_a_data_set_of_format_1() -> None:
    taken, rejected = read_manifest(DATA / "data-set-format-1")
    assert (taken.source, taken.box, taken.side) == ("/photos/caf\udce9.jpg", (1, 2, 3, 4), "train")
    assert (rejected.time_s, rejected.reason) == (2.5, "unreadable")


def test_a_run_of_format_1(tmp_path: Path) -> None:
    run = shutil.copytree(DATA / "run-format-1", tmp_path / "run")
    assert load_config(run) == {"size": 64, "steps": 7, "gan": "hinge", "lr_g": 1e-4}
    state = load_latest_checkpoint(run)
    assert state is not None
    assert state["weight"].tolist() == [0, 1, 2, 3]
    assert (state["best"], state["name"], state["step"]) == ([{"score": 0.5}], "anna", 7)
