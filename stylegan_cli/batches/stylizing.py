"""Pictures and clips in one style: opened, planned, and run to the end."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.batches.config import PictureBatchConfig
from stylegan_cli.batches.file_options import FileOptions
from stylegan_cli.batches.folders import as_url, is_url
from stylegan_cli.batches.outcomes import (
    Outcome,
    Status,
    count_outcomes,
    open_log,
    raise_for,
)
from stylegan_cli.batches.planning import (
    STREAM,
    Job,
    Naming,
    Planner,
    plan_batch,
)
from stylegan_cli.batches.running import default_workers, run_batch
from stylegan_cli.batches.watching import watch_folders
from stylegan_cli.errors import InterruptedByUserError, UsageError
from stylegan_cli.pictures import Kept
from stylegan_cli.pictures.credentials import read_credentials
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.interruption import StopRequest, stop_between_steps
from stylegan_cli.styles.naming import ending_of, endings_of_results
from stylegan_cli.stylizer import Stylizer, StylizerConfig, open_configured_stylizer


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureBatch:
    """Pictures to stylize, checked and planned.

    jobs: what is there now; with `watching`, of folders that are looked at again and again, what
    they hold is found while it runs.
    """

    stylizer: Stylizer
    config: PictureBatchConfig
    files: FileOptions
    jobs: Sequence[Job]
    watching: Planner | None
    workers: int

    def run(
        self,
        *,
        on_outcome: Callable[[Outcome], None],
        on_progress: Callable[[int, int], None],
    ) -> "PictureBatchResult":
        """Stylize them all, or until Ctrl-C; a picture that fails is reported, the rest goes on."""
        with contextlib.ExitStack() as opened:
            report = on_outcome
            if self.config.log is not None:
                sources = [job.source for job in self.jobs]
                about = {"style": self.stylizer.name, "model": self.stylizer.base.hash}
                record = opened.enter_context(open_log(self.config.log, about, sources))

                def report(outcome: Outcome) -> None:
                    record.add(outcome)
                    on_outcome(outcome)

            stop = opened.enter_context(stop_between_steps())

            def run(jobs: Sequence[Job]) -> list[Outcome]:
                return run_batch(
                    jobs,
                    self.stylizer.stylize_picture,
                    self.files,
                    workers=self.workers,
                    stop=stop,
                    on_outcome=report,
                    on_progress=on_progress,
                )

            if self.watching is None:
                outcomes = run(self.jobs)
            else:
                outcomes = watch_folders(self.watching, run, stop)
        return PictureBatchResult(outcomes, self._stopped(stop, outcomes))

    def _stopped(self, stop: StopRequest, outcomes: Sequence[Outcome]) -> str | None:
        is_whole = self.watching is None and len(outcomes) == len(self.jobs)
        if not stop.requested or is_whole:
            return None
        counts = count_outcomes(outcomes)
        ends = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        hint = "" if self.watching else "; run it again with --skip-existing for the rest"
        return f"stopped: {ends or 'none done'}{hint}"


@dataclass(frozen=True, slots=True)
class PictureBatchResult:
    """What became of the pictures; stopped: what to say of a run that Ctrl-C ended."""

    outcomes: Sequence[Outcome]
    stopped: str | None

    @property
    def left_out(self) -> int:
        """How many have a result already, or are in another run's hands."""
        counts = count_outcomes(self.outcomes)
        return counts[Status.SKIPPED] + counts[Status.TAKEN]

    def raise_for_failures(self) -> None:
        """Raises InterruptedByUserError for a run that was stopped, and as `raise_for` does."""
        if self.stopped is not None:
            raise InterruptedByUserError(self.stopped)
        raise_for(self.outcomes)


def open_picture_batch(
    inputs: Sequence[Path], style_config: StylizerConfig, config: PictureBatchConfig
) -> PictureBatch:
    """Check everything, open the style, and give each picture its result's name.

    inputs: pictures, folders of them, and `STREAM`. Raises UsageError for a call that makes no
    sense, DataError where there is nothing to stylize, and what `open_configured_stylizer` raises.
    """
    for place in (*inputs, *([config.out] if config.out else [])):
        if is_url(place):
            raise UsageError(f"{as_url(place)} is a URL: add --manifest FILE.db to work on a store")
    if config.watch and not all(path.is_dir() for path in inputs):
        raise UsageError("--watch keeps an eye on folders: name folders only")
    files = file_options(style_config, config)
    many = len(inputs) > 1 or inputs[0].is_dir()
    workers = (config.jobs or default_workers()) if many else 1
    stylizer = open_configured_stylizer(style_config, threads=max(1, resolve_threads() // workers))
    if config.ai_label and style_config.strength > 0:
        files = files.labelled(stylizer.ai_label)
    ending = result_ending(stylizer, style_config) if config.suffix is None else config.suffix
    naming = Naming(
        out=config.out,
        ending="" if config.suffix is None and config.out is not None else ending,
        format=config.kind,
        endings_of_results=endings_of_results(ending, style_config.model),
    )
    planner = Planner(inputs, naming, recursive=config.recursive) if config.watch else None
    return PictureBatch(
        stylizer=stylizer,
        config=config,
        files=files,
        jobs=() if planner else plan_batch(inputs, naming, recursive=config.recursive),
        watching=planner,
        workers=workers,
    )


def result_ending(stylizer: Stylizer, style_config: StylizerConfig) -> str:
    """What follows the name of the source in that of its result."""
    return ending_of(
        stylizer.name,
        strength=style_config.strength,
        grain=style_config.grain,
        halation=style_config.halation,
        strokes=style_config.strokes_share,
        seed=style_config.seed,
        keep_colours=style_config.preserve_colour,
        even=style_config.even,
    )


def file_options(style_config: StylizerConfig, config: PictureBatchConfig) -> FileOptions:
    """How files are read and written, without the label. Raises UsageError."""
    credentials = None
    if config.c2pa_cert is not None and config.c2pa_key is not None:
        if style_config.strength == 0:
            raise UsageError("C2PA credentials report of the network: leave out --strength 0")
        credentials = read_credentials(config.c2pa_cert, config.c2pa_key)
    return FileOptions(
        max_pixels=round(config.max_megapixels * 1e6),
        allow_truncated=config.allow_truncated,
        format=config.kind,
        quality=config.quality,
        kept=Kept(gps=config.keep_gps, place=config.keep_place),
        keep_time=config.keep_time,
        credentials=credentials,
        if_there=config.if_there,
        with_hash=config.log is not None,
    )


def writes_to_stdout(inputs: Sequence[Path], config: PictureBatchConfig) -> bool:
    """Whether the one result goes to standard output."""
    return config.out == STREAM or (config.out is None and list(inputs) == [STREAM])
