"""A large batch: pictures and shards of them, from folder to folder, each done once.

    list of sources ── shard, manifest ──► jobs ──► workers: read, stylize, put ──► rows
                                                                                      │
                                             manifest ◄── the driver, alone ◄─────────┘

A result gets its place in one step, and its row after that. Whoever is killed in between leaves a
result without a row: the next run makes the same bytes, finds them there, and adds the row.
"""

import contextlib
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stylegan_cli.batches.config import PictureBatchConfig
from stylegan_cli.batches.file_options import FileOptions
from stylegan_cli.batches.folders import Folder, as_url, has_suffix, is_url, open_folder
from stylegan_cli.batches.large_config import ManifestConfig, Shard
from stylegan_cli.batches.manifest import Manifest, Recipe, open_manifest
from stylegan_cli.batches.outcomes import Status
from stylegan_cli.batches.planning import STREAM
from stylegan_cli.batches.stored import StoredJob, stored_job
from stylegan_cli.batches.stylizing import file_options
from stylegan_cli.batches.tar_shards import SHARD_SUFFIXES
from stylegan_cli.batches.workers import Told, WorkerConfig
from stylegan_cli.errors import (
    DataError,
    InterruptedByUserError,
    PartialFailureError,
    UsageError,
    messages,
)
from stylegan_cli.pictures import PICTURE_SUFFIXES, RAW_SUFFIXES
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.files import claimed
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizer

_HANDS: Final = 2  # pictures of a worker: one is read or written while the other is stylized
_SUFFIXES: Final = PICTURE_SUFFIXES | RAW_SUFFIXES | SHARD_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeBatch:
    """Folders, recipe and engine of a large batch, checked."""

    sources: Sequence[tuple[Folder, str | None]]  # a folder, and the one file of it that is meant
    out: Folder
    recipe: Recipe
    worker: WorkerConfig
    config: ManifestConfig
    recursive: bool

    def run(
        self,
        *,
        on_failure: Callable[[str], None],
        on_progress: Callable[[int, int], None],
    ) -> "LargeBatchResult":
        """Do what is not done yet, or until Ctrl-C; what fails is told, and the rest goes on."""
        counts: Counter[Status] = Counter()
        with contextlib.ExitStack() as opened:
            opened.enter_context(self._alone())
            manifest = self._open_manifest()
            opened.callback(manifest.close)
            stop = opened.enter_context(stop_between_steps())

            def tell(told: Sequence[Told]) -> None:
                manifest.add([row for one in told for row in one.rows])
                for one in told:
                    counts.update(one.statuses)
                    for row in one.rows:
                        if row.error is not None:
                            on_failure(row.error)
                on_progress(counts.total(), 0)

            jobs = self._jobs(manifest, counts)
            workers = self.config.workers
            if self.config.engine == "ray":
                from stylegan_cli.batches.ray_engine import run_ray

                run_ray(self.worker, jobs, workers, tell, stop, self.config.address)
            else:
                from stylegan_cli.batches.processes import run_processes

                count = resolve_threads() if workers is None else workers
                run_processes(self.worker, jobs, count, tell, stop)
        is_part = self.config.shard is not None
        return LargeBatchResult(counts, self.config.manifest or "", stop.requested, is_part)

    def _jobs(self, manifest: Manifest, counts: "Counter[Status]") -> Iterator[StoredJob]:
        """What is to be done, one after the other; what is done already is counted."""
        shard = self.config.shard or Shard()
        for folder, name in self.sources:
            if name is None:
                files = folder.files(_SUFFIXES, recursive=self.recursive)
            else:
                files = (file for file in (folder.entry(name),) if file is not None)
            for file in files:
                if not shard.holds(file.name):
                    continue
                source = folder.url_of(file.name)
                if source.startswith(f"{self.out.url}/"):
                    continue  # an earlier result
                result = self._name_of_result(file.name)
                earlier = manifest.earlier(self.out.url_of(result), source)
                if file.stamp in earlier.stamps:
                    counts[Status.SKIPPED] += 1
                else:
                    yield stored_job(folder.url, file.name, result, file.stamp, earlier)

    def _name_of_result(self, name: str) -> str:
        return name if has_suffix(name, SHARD_SUFFIXES) else self.worker.name_of_result(name)

    def _open_manifest(self) -> Manifest:
        shard = self.config.shard or Shard()
        writer = f"{shard.index:05d}-of-{shard.count:05d}-{secrets.token_hex(6)}"
        return open_manifest(self.config.manifest or "", self.recipe, writer)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """No other run does this part with this manifest at the same time, on this machine."""
        place = self.config.manifest or ""
        if is_url(place):
            return contextlib.nullcontext()
        path, shard = Path(place).absolute(), self.config.shard or Shard()
        path.parent.mkdir(parents=True, exist_ok=True)
        return claimed(path.with_name(f"{path.name} {shard.index}-of-{shard.count}"))


@dataclass(frozen=True, slots=True)
class LargeBatchResult:
    """How many pictures came to each end; a tar that was done before counts as one.

    is_part: other parts may have pictures where this one has none.
    """

    counts: "Counter[Status]"
    manifest: str
    stopped: bool
    is_part: bool

    def record(self) -> dict[str, object]:
        """The counts as a JSON object."""
        return {"manifest": self.manifest} | {one.value: self.counts[one] for one in Status}

    def raise_for_failures(self) -> None:
        """Raise the error that the run ends with, if any."""
        failed, total = self.counts[Status.FAILED], self.counts.total()
        if self.stopped:
            done = self.counts[Status.DONE]
            raise InterruptedByUserError(f"stopped: {done} done; run it again for the rest")
        if total == 0 and not self.is_part:
            raise DataError(
                "there is no picture and no .tar to do; --recursive looks further inside"
            )
        if failed and failed == total:
            raise DataError(f"none of the {total} pictures could be styled: the manifest says why")
        if failed:
            raise PartialFailureError(
                f"{failed} of {total} pictures failed: the lines above and the manifest say why"
            )


def open_large_batch(
    inputs: Sequence[Path],
    style_config: StylizerConfig,
    config: PictureBatchConfig,
    manifest: ManifestConfig,
) -> LargeBatch:
    """Check everything and open the style; for folders, shards and pictures, by path or URL.

    Raises UsageError for options that a large batch does not have, DataError for a place that
    can't be opened, and what `open_configured_stylizer` raises.
    """
    _refuse_others(inputs, config)
    out = open_folder(config.out or "")
    sources = [_source(as_url(given)) for given in inputs]
    if any(folder.url == out.url for folder, _ in sources):
        raise UsageError(messages.cannot_write(out.url, "it is an input", "choose another -o"))
    files = file_options(style_config, config)
    stylizer = open_configured_stylizer(style_config, threads=1)
    if config.ai_label and style_config.strength > 0:
        files = files.labelled(stylizer.ai_label)
    count = resolve_threads() if manifest.workers is None else manifest.workers
    ending = config.suffix or ""
    return LargeBatch(
        sources=sources,
        out=out,
        recipe=Recipe(stylizer.fingerprint, _options_hash(files, ending)),
        worker=WorkerConfig(
            style=style_config,
            files=files,
            out=as_url(config.out or ""),
            ending=ending,
            overwrite=config.overwrite,
            hands=config.jobs or _HANDS,
            threads=max(1, resolve_threads() // max(1, count)),
        ),
        config=manifest,
        recursive=config.recursive,
    )


def _refuse_others(inputs: Sequence[Path], config: PictureBatchConfig) -> None:
    if config.out is None or config.out == STREAM:
        raise UsageError("--manifest needs a folder for the results: name it with -o")
    others = {
        "--watch": config.watch,
        "--log": config.log is not None,
        "--skip-existing": config.skip_existing,
        "--keep-time": config.keep_time,
        "--c2pa-cert": config.c2pa_cert is not None,
        "standard input": STREAM in inputs,
    }
    for name, given in others.items():
        if given:
            raise UsageError(f"--manifest and {name} exclude each other: leave one of them out")


def _source(place: str) -> tuple[Folder, str | None]:
    """A folder; or that of a file, and the file's name."""
    above, _, name = place.rstrip("/").rpartition("/")
    if has_suffix(name, _SUFFIXES) and not Path(place).is_dir():
        return open_folder(above or ("/" if place.startswith("/") else ".")), name
    return open_folder(place), None


def _options_hash(files: FileOptions, ending: str) -> str:
    """Over what decides the bytes of a result besides the style, whatever the version of influ."""
    decisive = (
        files.max_pixels,
        files.allow_truncated,
        files.format,
        files.quality,
        (files.kept.gps, files.kept.place),
        files.ai_label is not None,
        ending,
    )
    return hashlib.sha256(repr(decisive).encode()).hexdigest()[:16]
