"""All files of a run: start, checkpoints, config, metrics, sample sheets, report, best model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from stylegan_cli.errors import WriteError
from stylegan_cli.learning.checkpoints import (
    BEST_NAME,
    load_latest_checkpoint,
    save_checkpoint,
    save_config,
)
from stylegan_cli.learning.logging import METRICS_NAME, Metrics, read_metrics
from stylegan_cli.pictures import contact_sheet
from stylegan_cli.runtime.files import make_folder, path_inside, write_atomically
from stylegan_cli.runtime.mappings import to_mapping
from stylegan_cli.styles import Model, read_model, write_model
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import to_pixels
from stylegan_cli.training.report import RunReport, write_report

START_NAME = "start.safetensors"
SAMPLES_NAME = "samples"


class RunFolder:
    """Reads and writes what a run keeps; each file appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def has_start(self) -> bool:
        """Whether the instant styles are made already."""
        return (self.path / START_NAME).exists()

    def write_start(self, model: Model) -> None:
        """Keep the model that the run begins with."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_model(model, self.path / START_NAME)

    def read_start(self) -> Model:
        """The model that the run began with, in the file's half precision."""
        return read_model(self.path / START_NAME)

    def write_config(self, config: TrainingConfig) -> None:
        """Keep the config, for people and for a resumed run."""
        save_config(self.path, to_mapping(config))

    def save_checkpoint(self, step: int, state: Mapping[str, Any], best: Model) -> None:
        """Keep the state of `step`, and the best model so far."""
        save_checkpoint(self.path, step, state)
        write_model(best, self.path / BEST_NAME, overwrite=True)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, or None."""
        return load_latest_checkpoint(self.path)

    def open_metrics(self, columns: Sequence[str], step: int) -> Metrics:
        """A writer of metrics.csv and TensorBoard events that goes on after `step`."""
        return Metrics(self.path, columns, step)

    def read_metrics(self) -> list[dict[str, str]]:
        """The rows of metrics.csv, as text."""
        return read_metrics(self.path / METRICS_NAME)

    def write_samples(self, name: str, step: int, rows: Mapping[str, Sequence[Tensor]]) -> None:
        """One creator's sample sheet. rows: pictures (1, 3, H, W) in [-1, 1] by label."""
        folder = path_inside(self.path, SAMPLES_NAME, WriteError)
        make_folder(folder)
        pixels = [[to_pixels(picture)[0] for picture in row] for row in rows.values()]
        sheet = contact_sheet(pixels, row_labels=tuple(rows))
        write_atomically(
            folder / f"{name}-{step:06d}.jpg",
            lambda file: Image.fromarray(sheet).save(file, format="JPEG"),
        )

    def write_report(self, report: RunReport) -> None:
        """Replace report.html."""
        write_report(self.path, report)
