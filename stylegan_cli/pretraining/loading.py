"""Batches drawn ahead of training, and repeated (data echoing, Choi et al. 2019)."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from stylegan_cli.learning.processes import follow_first_process
from stylegan_cli.networks.precision import as_tensor
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.data import Batch, PairedLooks
from stylegan_cli.pretraining.domains import Domains


def seed_worker(worker: int) -> None:
    """One OpenCV thread per worker process: the cores belong to the training."""
    cv2.setNumThreads(1)
    follow_first_process()


def load_batches(
    domains: Domains,
    config: PretrainConfig,
    step: int,
    share: tuple[int, int],
    device: torch.device,
) -> Iterator[dict[str, Tensor]]:
    """The batches from `step` on, without end; share: as in PairedLooks."""
    first, done = step, 0
    if config.echo_factor > 1:  # a run that goes on within a window needs all of it
        window, done = divmod(step, config.echo_window * config.echo_factor)
        first = window * config.echo_window
    loader: DataLoader[Batch] = DataLoader(
        PairedLooks(domains, config.draws(), share=share),
        batch_size=None,
        sampler=range(first, 1 << 31),
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        worker_init_fn=seed_worker,
        pin_memory=device.type == "cuda",  # so that copies overlap with computing
        # A fork would inherit locks of thread pools that its threads do not.
        multiprocessing_context="spawn" if config.workers else None,
    )
    drawn = (to_device(batch, device) for batch in loader)
    return itertools.islice(echo(drawn, config.echo_factor, config.echo_window), done, None)


def to_device(batch: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
    """The arrays of a batch as tensors on a device."""
    tensors = {name: as_tensor(value) for name, value in batch.items()}
    return {name: value.to(device, non_blocking=True) for name, value in tensors.items()}


def split_looks(batch: Mapping[str, Tensor], parts: int) -> list[dict[str, Tensor]]:
    """A batch in parts: every n-th look from the first, the second... on; see PairedLooks."""
    owner = torch.arange(len(batch["shown"]), device=batch["shown"].device)
    owner = owner.repeat_interleave(batch["shown"].sum(1))
    return [
        {name: value[part::parts] for name, value in batch.items() if name != "references"}
        | {"references": batch["references"][owner % parts == part]}
        for part in range(parts)
    ]


def echo(
    drawn: Iterator[dict[str, Tensor]], echo_factor: int, echo_window: int
) -> Iterator[dict[str, Tensor]]:
    """Batches in windows of `echo_window`, each window `echo_factor` times."""
    if echo_factor == 1:
        yield from drawn
    while True:
        window = []
        for batch in itertools.islice(drawn, echo_window):
            yield batch
            window.append(batch)
        for _ in range(echo_factor - 1):
            yield from window
