"""A large batch on a Ray cluster, by Ray Data: actors that hold the style, on any machine.

Ray starts the actors, hands out the jobs as fast as they are done, and starts another actor where
one dies. What a dead one had in hand is done again, each job by itself, since one of them may be
what it died of. The manifest stays with the driver, as for processes.
"""

import logging
import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np

from stylegan_cli.batches.stored import StoredJob
from stylegan_cli.batches.workers import (
    CHUNK,
    MAX_DEATHS,
    Told,
    Worker,
    WorkerConfig,
    chunks,
    given_up,
)
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
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its errors are told as exceptions
    import ray

    is_ours = not ray.is_initialized()
    if is_ours:
        options: dict[str, object] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:  # a cluster of this machine alone listens to nobody else
            options["_node_ip_address"] = "127.0.0.1"
        ray.init(address=address, include_dashboard=False, **options)
    try:
        count = workers or int(ray.cluster_resources().get("CPU", 1))
        waiting = iter(jobs)
        while window := list(islice(waiting, WINDOW)):
            left = {job.key: job for job in window}
            for size, deaths in ((CHUNK, 1), (1, MAX_DEATHS - 1)):
                for told in _done(config, list(left.values()), count, size, deaths):
                    tell(told)
                    for one in told:
                        left.pop(one.job, None)
                    if stop.requested:
                        return
            tell([given_up(job, config.out) for job in left.values()])
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
    config: WorkerConfig, jobs: Sequence[StoredJob], count: int, size: int, deaths: int
) -> Iterator[Sequence[Told]]:
    """What becomes of jobs, in any order; nothing of those at which so many actors died.

    size: jobs that an actor gets at a time.
    """
    from ray.data import ActorPoolStrategy, DataContext, from_items

    if not jobs:
        return
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # the caller knows what is not done
    for part in ("execution", "progress"):  # its account of each data set
        for name in logging.root.manager.loggerDict:
            if name.startswith(f"ray.data._internal.{part}"):
                logging.getLogger(name).setLevel(logging.CRITICAL)
    items = [{"chunk": pickle.dumps(chunk)} for chunk in chunks(jobs, size)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray 2.64 wants the retries said in another way
        results = from_items(items, override_num_blocks=len(items)).map_batches(
            _Actor,
            fn_constructor_args=(config,),
            batch_size=1,
            compute=ActorPoolStrategy(
                size=min(count, len(items)),
                max_tasks_in_flight_per_actor=None if size > 1 else 1,  # else others die with it
            ),
            num_cpus=1,
            max_task_retries=deaths - 1,
        )
    for row in results.iter_rows():
        yield pickle.loads(row["told"])
