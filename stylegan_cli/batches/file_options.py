"""How files are read and written in a batch."""

from dataclasses import dataclass, replace
from enum import StrEnum

from stylegan_cli.pictures import JPEG_QUALITY, MAX_PIXELS, NOTHING_KEPT, AiLabel, Kept
from stylegan_cli.pictures.credentials import Credentials


class IfThere(StrEnum):
    """What to do when a result is there already."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How files are read and written in a batch; as in `read_picture` and `write_picture`.

    credentials: sign each result, as made from its source, with what the label says; needs one.
    keep_time: a result gets the time of its source.
    with_hash: outcomes carry the SHA-256 of their source.
    """

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    format: str | None = None
    quality: int = JPEG_QUALITY
    kept: Kept = NOTHING_KEPT
    keep_time: bool = False
    ai_label: AiLabel | None = None
    credentials: Credentials | None = None
    if_there: IfThere = IfThere.REFUSE
    with_hash: bool = False

    def labelled(self, label: AiLabel) -> "FileOptions":
        """The same, with results that say what a trained network did."""
        return replace(self, ai_label=label)
