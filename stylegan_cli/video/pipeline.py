"""Reading, stylizing and writing at the same time, with little in between."""

from collections.abc import Callable, Iterable, Iterator
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")
Raw = TypeVar("Raw")
Done = TypeVar("Done")

# Enough that no thread waits for a slow moment of its neighbour, few enough for 4K frames.
_LENGTH = 4


class _StoppedError(Exception):
    """Another thread has failed; there is nothing to wait for any more."""


class _Belt(Generic[Item]):
    """A bounded queue between two threads that lets go of both once `stopped` is set."""

    def __init__(self, stopped: Event) -> None:
        self._queue: Queue[Item | None] = Queue(_LENGTH)
        self._stopped = stopped

    def put(self, item: Item | None) -> None:
        """Hand over one item, waiting for room; None is the end."""
        while not self._stopped.is_set():
            try:
                return self._queue.put(item, timeout=0.1)
            except Full:
                continue
        raise _StoppedError

    def __iter__(self) -> Iterator[Item]:
        while not self._stopped.is_set():
            try:
                item = self._queue.get(timeout=0.1)
            except Empty:
                continue
            if item is None:
                return
            yield item
        raise _StoppedError


class _Worker(Thread):
    """A thread whose failure stops the others and is kept for the one who joins it."""

    def __init__(self, work: Callable[[], None], stopped: Event) -> None:
        super().__init__(daemon=True)
        self.failure: BaseException | None = None
        self._work = work
        self._stopped = stopped
        self.start()

    def run(self) -> None:
        """Work until done or stopped."""
        try:
            self._work()
        except _StoppedError:
            pass
        except BaseException as error:
            self.failure = error
            self._stopped.set()


def run_overlapped(
    read: Iterable[Raw], work: Callable[[Raw], Done | None], write: Callable[[Done], None]
) -> None:
    """Bring every item of `read` through `work` to `write`, in order, each in a thread of its own.

    What `work` makes nothing of, None, is not written. `work` runs in the calling thread, where
    Ctrl-C arrives. At most a few items wait between two
    threads. The first error of any of the three stops all and is raised once they have ended.
    """
    stopped = Event()
    fresh: _Belt[Raw] = _Belt(stopped)
    finished: _Belt[Done] = _Belt(stopped)

    def feed() -> None:
        for item in read:
            fresh.put(item)
        fresh.put(None)

    def drain() -> None:
        for item in finished:
            write(item)

    workers = [_Worker(feed, stopped), _Worker(drain, stopped)]
    try:
        for item in fresh:
            if (done := work(item)) is not None:
                finished.put(done)
        finished.put(None)
        for worker in workers:
            worker.join()
    except _StoppedError:
        pass
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
