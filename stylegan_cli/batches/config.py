"""What a user may choose about a batch of pictures."""

from pathlib import Path
from typing import Annotated

from stylegan_cli.batches.file_options import IfThere
from stylegan_cli.errors import ConfigError
from stylegan_cli.pictures import JPEG_QUALITY, MAX_PIXELS, require_format
from stylegan_cli.runtime.config import OVERWRITE, SEED, Option, config_class, exclusive

RECURSIVE = Option(
    "Include subfolders, with the same structure in -o.", names=("--recursive", "-r")
)
SKIP_EXISTING = Option("Skip inputs that have a result.")
_AI_LABEL = Option("Leave out the AI label in the metadata.", names=("--no-ai-label",), off=True)


@config_class
class PictureBatchConfig:
    """Which pictures go in, where results go, and how files are read and written."""

    out: Annotated[
        Path | None,
        Option(
            "File for one result, folder for many, or - for standard output.",
            names=("--out", "-o"),
            shown="STEM_STYLE.EXT beside the input",
        ),
    ] = None
    recursive: Annotated[bool, RECURSIVE] = False
    skip_existing: Annotated[bool, SKIP_EXISTING] = False
    overwrite: Annotated[bool, OVERWRITE] = False
    jobs: Annotated[
        int | None,
        Option(
            "Number of pictures to work on at a time.",
            names=("--jobs", "-j"),
            at_least=1,
            at_most=256,
            shown="cores and one more",
        ),
    ] = None
    watch: Annotated[bool, Option("Keep running, and stylize new pictures in the folders.")] = False
    log: Annotated[Path | None, Option("Append a line of JSON per picture.", metavar="FILE")] = None
    suffix: Annotated[
        str | None,
        Option(
            "Text after the name of a result, before its suffix.",
            metavar="TEXT",
            shown="_STYLE beside the input, nothing in -o",
        ),
    ] = None
    format: Annotated[
        str | None,
        Option("Format of the results: jpg, png, webp, heic, avif...", shown="the input's"),
    ] = None
    quality: Annotated[
        int, Option("Quality of JPEG, WebP, AVIF and HEIC.", at_least=1, at_most=100)
    ] = JPEG_QUALITY
    max_megapixels: Annotated[
        float,
        Option(
            "Refuse pictures with more million pixels.",
            names=("--max-pixels",),
            metavar="MP",
            at_least=0,
        ),
    ] = MAX_PIXELS / 1e6
    allow_truncated: Annotated[bool, Option("Use the remaining part of truncated files.")] = False
    keep_gps: Annotated[bool, Option("Keep GPS coordinates in the metadata.")] = False
    keep_place: Annotated[bool, Option("Keep names of places in the metadata.")] = False
    keep_time: Annotated[bool, Option("Give each result the file time of its source.")] = False
    ai_label: Annotated[bool, _AI_LABEL] = True
    c2pa_cert: Annotated[
        Path | None, Option("Sign results with this certificate chain (C2PA).", metavar="PEM")
    ] = None
    c2pa_key: Annotated[Path | None, Option("The private key of --c2pa-cert.", metavar="PEM")] = (
        None
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for options that contradict each other."""
        exclusive(("--skip-existing", self.skip_existing), ("--overwrite", self.overwrite))
        if self.format is not None:
            require_format(self.format)
        if self.suffix is not None and set(self.suffix) & set("/\\"):
            raise ConfigError("--suffix is a part of a name: put folders into -o")
        if (self.c2pa_cert is None) != (self.c2pa_key is None):
            raise ConfigError("--c2pa-cert and --c2pa-key go together: name both")
        if self.c2pa_cert is not None and not self.ai_label:
            raise ConfigError("C2PA credentials tell of the network: leave out --no-ai-label")

    @property
    def kind(self) -> str | None:
        """The format of every result, where one was asked for."""
        return None if self.format is None else require_format(self.format)

    @property
    def if_there(self) -> IfThere:
        """What to do when a result is there already."""
        if self.overwrite:
            return IfThere.OVERWRITE
        return IfThere.SKIP if self.skip_existing or self.watch else IfThere.REFUSE


@config_class
class VariationsConfig:
    """Which variations of a photo, and where they go."""

    count: Annotated[int, Option("Number of variations.", at_least=1, at_most=999)] = 9
    seed: Annotated[int, SEED] = 0
    out: Annotated[
        Path | None,
        Option(
            "Folder for the pictures and their grid.",
            names=("--out", "-o"),
            shown="STEM_STYLE_variations beside the photo",
        ),
    ] = None
    overwrite: Annotated[bool, OVERWRITE] = False
    ai_label: Annotated[bool, _AI_LABEL] = True

    @property
    def seeds(self) -> range:
        """One for each variation."""
        return range(self.seed, self.seed + self.count)


@config_class
class SheetConfig:
    """Which styles are on a sheet, and where it goes."""

    out: Annotated[
        Path | None,
        Option(
            "Picture file to write.",
            names=("--out", "-o"),
            shown="STEM_sheet.jpg beside the first",
        ),
    ] = None
    styles: Annotated[
        tuple[str, ...],
        Option(
            "Name of a style, or a mix like toon:0.7,vangogh:0.3; repeatable.",
            names=("--style", "-s"),
            shown="all there are",
        ),
    ] = ()
    overwrite: Annotated[bool, OVERWRITE] = False
    ai_label: Annotated[bool, _AI_LABEL] = True
