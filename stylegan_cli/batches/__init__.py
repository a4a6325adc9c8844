"""Many pictures in one call: which go in, what each result is called, what became of it.

Clips are in `batches.clips` and large batches in `batches.large`, so that pictures load nothing
that only these need.
"""

from stylegan_cli.batches.config import (
    PictureBatchConfig,
    SheetConfig,
    VariationsConfig,
)
from stylegan_cli.batches.file_options import FileOptions, IfThere
from stylegan_cli.batches.large_config import ManifestConfig
from stylegan_cli.batches.outcomes import (
    BatchLog,
    Outcome,
    Status,
    count_outcomes,
    open_log,
    raise_for,
    summary,
)
from stylegan_cli.batches.planning import STREAM, Job, Naming, Planner, holds_clips, plan_batch
from stylegan_cli.batches.running import default_workers, run_batch
from stylegan_cli.batches.sheets import write_style_sheet
from stylegan_cli.batches.stylizing import (
    PictureBatch,
    open_picture_batch,
    writes_to_stdout,
)
from stylegan_cli.batches.variations import write_variations
from stylegan_cli.batches.watching import watch_folders

__all__ = [
    "STREAM",
    "BatchLog",
    "FileOptions",
    "IfThere",
    "Job",
    "ManifestConfig",
    "Naming",
    "Outcome",
    "PictureBatch",
    "PictureBatchConfig",
    "Planner",
    "SheetConfig",
    "Status",
    "VariationsConfig",
    "count_outcomes",
    "default_workers",
    "holds_clips",
    "open_log",
    "open_picture_batch",
    "plan_batch",
    "raise_for",
    "run_batch",
    "summary",
    "watch_folders",
    "write_style_sheet",
    "write_variations",
    "writes_to_stdout",
]
