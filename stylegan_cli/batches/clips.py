"""Many clips in one call: one after the other, whatever becomes of the one before."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

from stylegan_cli.batches.config import RECURSIVE, SKIP_EXISTING
from stylegan_cli.batches.file_kinds import FileKind
from stylegan_cli.batches.outcomes import Outcome, Status, raise_for
from stylegan_cli.batches.planning import Job, Naming, plan_batch
from stylegan_cli.batches.stylizing import result_ending
from stylegan_cli.clips import CLIP_SUFFIXES, WRITABLE_SUFFIXES
from stylegan_cli.errors import (
    ClipError,
    InfluError,
    InterruptedByUserError,
    PartialFailureError,
    messages,
)
from stylegan_cli.pictures import find_files
from stylegan_cli.runtime.config import Option, config_class, exclusive
from stylegan_cli.styles.naming import endings_of_results
from stylegan_cli.stylizer import Stylizer, StylizerConfig, open_configured_stylizer
from stylegan_cli.video import StylizeFunction, VideoConfig, VideoResult, stylize_clip

OnProgress = Callable[[int, int], None]


def _clips_in(folder: Path, recursive: bool) -> list[Path]:
    return find_files(folder, CLIP_SUFFIXES, recursive)


def _format_of_clip(path: Path) -> str | None:
    suffix = path.suffix.lower()
    return suffix if suffix in CLIP_SUFFIXES else None


def _suffix_of_result(source: Path) -> str:
    """The clip's own, or that of an .mp4 for one of a kind that can only be read."""
    return source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".mp4"


CLIPS = FileKind("clip", _clips_in, _format_of_clip, _suffix_of_result, ".mp4, .mov, .mkv or .webm")


@config_class
class ClipBatchConfig:
    """Which clips go in, where results go, and what becomes of each."""

    out: Annotated[
        Path | None,
        Option(
            "File for one clip (.mp4, .mov, .mkv, .webm), folder for many.",
            names=("--out", "-o"),
            shown="STEM_STYLE.EXT beside the clip",
        ),
    ] = None
    recursive: Annotated[bool, RECURSIVE] = False
    skip_existing: Annotated[bool, SKIP_EXISTING] = False
    clip: VideoConfig = field(default_factory=VideoConfig)

    def __post_init__(self) -> None:
        """Raises ConfigError for two that exclude each other."""
        exclusive(("--skip-existing", self.skip_existing), ("--overwrite", self.clip.overwrite))


def open_clip_batch(
    inputs: Sequence[Path], style_config: StylizerConfig, config: ClipBatchConfig
) -> tuple[Stylizer, list[Job]]:
    """Open the style, and give each clip its result's name; for `run_clips`.

    Raises UsageError for a call that makes no sense, DataError where nothing can be stylized, and
    what `open_configured_stylizer` raises.
    """
    stylizer = open_configured_stylizer(style_config)
    ending = result_ending(stylizer, style_config) + (
        "_preview" if config.clip.end_s is not None else ""
    )
    naming = Naming(
        kind=CLIPS,
        out=config.out,
        ending="" if config.out is not None else ending,
        endings_of_results=endings_of_results(ending, style_config.model),
    )
    return stylizer, plan_batch(inputs, naming, recursive=config.recursive)


@dataclass(frozen=True, slots=True)
class ClipOutcome(Outcome):
    """What became of one clip; `result` is set when it was written."""

    result: VideoResult | None = None

    def record(self) -> dict[str, object]:
        """The outcome as a JSON object."""
        result = self.result
        if result is None:
            return Outcome.record(self)
        stylized = result.frames - result.resumed_frames
        return Outcome.record(self) | {
            "codec": result.codec,
            "frames": result.frames,
            "resumed_frames": result.resumed_frames,
            "width": result.width,
            "height": result.height,
            "duration_s": round(result.duration_s, 3),
            "complete": result.shortfall is None,
            "shortfall": result.shortfall,
            "frames_per_second": round(stylized / max(self.seconds, 1e-3), 2),
            "notes": list(result.notes),
        }


def run_clips(
    jobs: Sequence[Job],
    stylizer: StylizeFunction | Stylizer,
    config: VideoConfig,
    *,
    skip_existing: bool = False,
    on_outcome: Callable[[ClipOutcome], None],
    progress_of: Callable[[Job], AbstractContextManager[OnProgress]],
) -> list[ClipOutcome]:
    """Stylize every clip in turn; one that fails is reported and the rest goes on.

    progress_of: a context for the time that one clip takes, with its `on_progress`.
    """
    outcomes = []
    for job in jobs:
        if skip_existing and job.target.is_file():
            outcome = ClipOutcome(job, Status.SKIPPED)
        else:
            with progress_of(job) as on_progress:
                outcome = _run(job, stylizer, config, on_progress)
        outcomes.append(outcome)
        on_outcome(outcome)
    return outcomes


def _run(
    job: Job, stylizer: StylizeFunction | Stylizer, config: VideoConfig, on_progress: OnProgress
) -> ClipOutcome:
    started_s = time.monotonic()
    try:
        result = stylize_clip(job.source, job.target, stylizer, config, on_progress)
    except InterruptedByUserError:
        raise
    except InfluError as error:
        failure: InfluError = error
    except OSError as error:
        failure = ClipError(messages.cannot_write(job.target, messages.why(error)))
    except MemoryError:
        failure = ClipError(
            messages.cannot_read(job.source, "it does not fit into memory", "use a smaller clip")
        )
    # One clip must not stop the rest, whatever a library makes of it.
    except Exception as error:
        name = type(error).__name__
        failure = ClipError(f"{job.source} can't be done ({name}: {error}): run again with --debug")
        failure.__cause__ = error
    else:
        result = replace(result, notes=(*_words_on_suffix(job), *result.notes))
        return ClipOutcome(job, Status.DONE, time.monotonic() - started_s, result=result)
    return ClipOutcome(job, Status.FAILED, time.monotonic() - started_s, failure)


def _words_on_suffix(job: Job) -> Iterator[str]:
    suffix = job.source.suffix.lower()
    if suffix not in WRITABLE_SUFFIXES and suffix in CLIP_SUFFIXES:
        yield f"A clip can't be written as {suffix}; the result is {job.target.name}."


def raise_for_clips(outcomes: Sequence[ClipOutcome]) -> None:
    """The error a batch of clips ends with, if any: as for pictures, or that some are damaged."""
    raise_for(outcomes, CLIPS.noun)
    damaged = [(o.job, o.result) for o in outcomes if o.result and o.result.shortfall is not None]
    if len(outcomes) == 1 and damaged:
        ((job, result),) = damaged
        raise PartialFailureError(
            f"{job.source} is damaged: {job.target} contains the readable part, {result.shortfall}"
        )
    if damaged:
        raise PartialFailureError(
            f"{len(damaged)} of {len(outcomes)} clips are damaged: what could be read is kept, "
            "the lines above say how much"
        )
