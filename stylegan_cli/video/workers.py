"""A clip stylized by several processes, each of which takes a share of it.

Each reads the clip from its beginning, finds the parts, and stylizes every so many-th of them into
a work folder of its own; the command joins the segments of all, nothing encoded again. The result
is that of one process, frame by frame.
"""

import multiprocessing
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from stylegan_cli.errors import ClipError, OutputExistsError, UsageError
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.stylizer import Stylizer, StylizerConfig, open_configured_stylizer
from stylegan_cli.video.clip_parts import Share
from stylegan_cli.video.clip_styles import StylizeFunction
from stylegan_cli.video.config import VideoConfig
from stylegan_cli.video.frame_stylizer import OnProgress
from stylegan_cli.video.segments import Ingredients, Segment, WorkFolder, work_path
from stylegan_cli.video.shares import Words, opened_clip, stylize_share

_PRELOADED: Final = ["av", "cv2", "onnx", "onnxruntime", __name__]


class ShareFolders:
    """The work folders of all shares of a clip; one alone for one process.

    Raises OutputExistsError and UsageError as WorkFolder does, also where the clip was begun with
    another number of processes.
    """

    def __init__(self, target: Path, made_of: Ingredients, config: VideoConfig) -> None:
        self.targets = _share_targets(target, config.workers)
        _refuse_others(target, self.targets, config)
        self.made_of = made_of
        self.folders = [
            WorkFolder(one, made_of, resume=config.resume, overwrite=config.overwrite)
            for one in self.targets
        ]
        self.path = self.folders[0].path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for folder in self.folders:
            folder.__exit__(kind, error, traceback)

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(folder.frames for folder in self.folders)

    @property
    def files(self) -> list[Path]:
        """The segments of all, in the order of their frames."""
        return [path for _, path in self._ordered()]

    @property
    def end(self) -> int:
        """When the last frame ends, ticks."""
        return self._ordered()[-1][0].end

    def look_again(self) -> None:
        """Find what other processes have finished since."""
        for folder in self.folders:
            folder.look_again()

    def remove(self) -> None:
        """Remove the folders and what is ours in them."""
        for folder in self.folders:
            folder.remove()

    def _ordered(self) -> list[tuple[Segment, Path]]:
        pairs = [
            (segment, file)
            for folder in self.folders
            for segment, file in zip(folder.segments, folder.files, strict=True)
        ]
        return sorted(pairs, key=lambda pair: pair[0].end)


def check_shareable(stylizer: StylizeFunction | Stylizer, config: VideoConfig) -> None:
    """Raise UsageError where a style can't be opened in another process."""
    if config.workers > 1 and _opened_by(stylizer) is None:
        raise UsageError("several workers need a style that has a name: leave out --workers")


def run_shares(
    source: Path,
    target: Path,
    stylizer: StylizeFunction | Stylizer,
    work: ShareFolders,
    config: VideoConfig,
    on_progress: OnProgress | None,
) -> Words:
    """Stylize all shares, each in a process of its own; `work` then has the segments of all.

    Raises what a process raises, and ClipError for one that dies.
    """
    done = [folder.frames for folder in work.folders]
    words: dict[int, Words] = {}
    with _processes(source, target.suffix, stylizer, work, config) as waiting:
        while waiting:
            for connection in wait(list(waiting)):
                assert isinstance(connection, Connection)
                index = waiting[connection]
                message = _heard(connection)
                if isinstance(message, Words):
                    words[index] = message
                    del waiting[connection]
                    continue
                done[index], expected = message
                if on_progress is not None:
                    on_progress(sum(done), max(expected, sum(done)))
    is_faceless = all(one.faces for one in words.values())
    return Words(words[0].shortfall, words[0].mended, words[0].faces if is_faceless else ())


def _heard(connection: Connection) -> Words | tuple[int, int]:
    """What a process says: how many frames are done of how many, or at the end its words."""
    try:
        message = connection.recv()
    except (EOFError, OSError):
        raise ClipError("a worker process died: use fewer with --workers") from None
    if isinstance(message, Exception):
        raise message
    heard: Words | tuple[int, int] = message
    return heard


@contextmanager
def _processes(
    source: Path,
    suffix: str,
    stylizer: StylizeFunction | Stylizer,
    work: ShareFolders,
    config: VideoConfig,
) -> Iterator[dict[Connection, int]]:
    """A process for each share, and by what it is heard; they end with the block."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    threads = max(1, resolve_threads() // config.workers)
    style = _opened_by(stylizer)
    processes = []
    waiting: dict[Connection, int] = {}
    try:
        for index, target in enumerate(work.targets):
            ours, theirs = context.Pipe(duplex=False)
            share = Share(index, config.workers)
            arguments = (source, suffix, target, work.made_of, style, threads, config, share)
            process = context.Process(
                target=_work, args=(dict(os.environ), theirs, *arguments), daemon=True
            )
            process.start()
            theirs.close()
            processes.append(process)
            waiting[ours] = index
        yield waiting
    finally:
        for process in processes:
            process.kill()
            process.join()
        work.look_again()


def _work(
    environment: dict[str, str],
    connection: Connection,
    source: Path,
    suffix: str,
    target: Path,
    made_of: Ingredients,
    style: StylizerConfig,
    threads: int,
    config: VideoConfig,
    share: Share,
) -> None:
    """The life of a process."""
    os.environ.update(environment)  # the fork server has that of the first clip
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the command alone decides

    def on_progress(done: int, expected: int) -> None:
        connection.send((done, expected))

    with suppress(BrokenPipeError):  # the command is gone
        try:
            stylizer = open_configured_stylizer(style, threads=threads)
            with (
                opened_clip(source, suffix, config) as clip,
                WorkFolder(target, made_of, resume=True, overwrite=False) as work,
            ):
                words = stylize_share(clip, stylizer, work, config, on_progress, share)
        except BrokenPipeError:
            raise
        except Exception as error:
            connection.send(error)
        else:
            connection.send(words)


def _opened_by(stylizer: StylizeFunction | Stylizer) -> StylizerConfig | None:
    return stylizer.opened_by if isinstance(stylizer, Stylizer) else None


def _share_targets(target: Path, workers: int) -> list[Path]:
    """What the work folder of each share is named after."""
    if workers == 1:
        return [target]
    numbers = range(1, workers + 1)
    # In front, as the end of a long name is cut off.
    return [target.with_name(f"{number}of{workers}.{target.name}") for number in numbers]


def _refuse_others(target: Path, ours: list[Path], config: VideoConfig) -> None:
    """Refuse what was begun with another number of processes, or remove it to begin anew."""
    own = {work_path(one).name for one in ours}
    for path in sorted(target.parent.glob(".influ-*")):
        name = path.name.removeprefix(".influ-")
        (number,) = re.findall(r"^\d{1,3}of\d{1,3}\.", name) or [""]
        is_of_target = path == work_path(target.with_name(number + target.name))
        if path.name in own or not is_of_target or not path.is_dir():
            continue
        if config.overwrite and not config.resume:
            WorkFolder(target.with_name(name), {}, resume=False, overwrite=True).remove()
        elif config.resume:
            raise UsageError(
                f"{target} was begun with another --workers: give the same as then, or "
                "--overwrite without --resume to begin anew"
            )
        else:
            raise OutputExistsError(
                f"{target} is unfinished: --resume goes on with the same --workers, "
                "--overwrite begins anew"
            )
