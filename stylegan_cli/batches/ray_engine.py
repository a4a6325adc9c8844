"""A large batch on a Ray cluster, by Ray Data: actors that hold the style, on any machine.

Ray starts the actors, hands out the jobs as fast as they are done, starts another actor where one
dies, and gives it the jobs of the dead one. The manifest stays with the driver, as for processes.
"""

import logging
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from stylegan_cli.batches.stored import StoredJob
from stylegan_cli.batches.workers import Told, Worker, WorkerConfig, chunks
from stylegan_cli.runtime.interruption import StopRequest

WINDOW: Final = 20_000  # jobs that one data set has; the manifest is asked before each


def run_ray(
    config: WorkerConfig,
    jobs: Iterable[StoredJob],
    workers: int | None,
    tell: Callable[[Sequence[Told]], None],
    stop: StopRequest,
    address: str | None,
) -> None:
    """Do all jobs on a cluster, or on one that is started here where no address is given.

    workers: actors; None for as many as the cluster has processors. tell: called here with what
    became of jobs, as it becomes known.
    """
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
        ray.init(address=address, include_dashboard=False, **quiet)
    try:
        count = workers or int(ray.cluster_resources().get("CPU", 1))
        waiting = iter(jobs)
        while window := list(islice(waiting, WINDOW)):
            for told in _done(config, window, count):
                tell(told)
                if stop.requested:
                    return
    finally:
        if is_ours:
            ray.shutdown()


class _Actor:
    """A worker as Ray Data calls it: a batch of pickled chunks in, pickled results out."""

    def __init__(self, config: WorkerConfig) -> None:
        self._worker = Worker(config)

    def __call__(self, batch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for chunk in batch["chunk"]:
            told: list[Told] = []
            self._worker.do(pickle.loads(chunk), told.append)
            yield {"told": np.array([pickle.dumps(told)], dtype=object)}


def _done(
    config: WorkerConfig, window: Sequence[StoredJob], count: int
) -> Iterator[Sequence[Told]]:
    """What becomes of the jobs of one data set, in any order."""
    from ray.data import ActorPoolStrategy, DataContext, from_items

    DataContext.get_current().enable_progress_bars = False
    for part in ("streaming_executor", "progress"):  # its account of each data set
        logging.getLogger(f"ray.data._internal.execution.{part}").setLevel(logging.ERROR)
    items = [{"chunk": pickle.dumps(chunk)} for chunk in chunks(window)]
    blocks = min(len(items), 4 * count)
    results = from_items(items, override_num_blocks=blocks).map_batches(
        _Actor,
        fn_constructor_args=(config,),
        batch_size=1,
        compute=ActorPoolStrategy(size=count),
        num_cpus=1,
    )
    for row in results.iter_rows():
        yield pickle.loads(row["told"])
