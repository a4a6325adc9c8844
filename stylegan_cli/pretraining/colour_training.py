"""Training of the colour estimator on simulated creators, in a run folder of its own."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from stylegan_cli.errors import TrainingError
from stylegan_cli.instant.colour_estimation import head_inputs
from stylegan_cli.instant.photo_balance import standard_inputs
from stylegan_cli.learning.checkpoints import (
    load_latest_checkpoint,
    restoring,
    save_checkpoint,
    save_config,
)
from stylegan_cli.learning.logging import Metrics
from stylegan_cli.learning.schedules import (
    FINISHED,
    StepClock,
    ends_of,
    is_due,
    total_steps_now,
)
from stylegan_cli.networks.architecture import VISION_CHANNELS, vision_blocks
from stylegan_cli.networks.colour_estimator import ColourHead
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pretraining.colour_config import ColourTrainingConfig
from stylegan_cli.pretraining.colour_looks import (
    LUT_SIZE,
    colour_density,
    draw_prior,
    principal_components,
)
from stylegan_cli.pretraining.colour_tasks import (
    KEPT_PICTURES,
    SET_PICTURES,
    Clusters,
    ColourTask,
    ColourTasks,
    EstimatorPhotos,
    find_clusters,
    miscalibrated_photos,
    sample_content,
    use_one_thread,
)
from stylegan_cli.pretraining.loading import seed_worker
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.runtime.randomness import numpy_generator, torch_generator
from stylegan_cli.styles import ColourEstimator

log = logging.getLogger(__name__)

VALIDATION_COUNTS = (1, 5, 30, SET_PICTURES)
LOG_EVERY = 50  # steps
BALANCE_RIDGE = 0.3  # per photo
ERROR_FLOOR = 1e-5  # mean square, unit colours: 50 dB are enough
COLUMNS = ("loss_db", "lr", "tasks", "seconds", *(f"psnr_{count}" for count in VALIDATION_COUNTS))

Progress = Callable[[int, int], None]


class ColourTrainer:
    """The head, what is fixed beside it, and one step of its training."""

    def __init__(self, config: ColourTrainingConfig, fixed: Mapping[str, Tensor]) -> None:
        self.config = config
        self.fixed = dict(fixed)
        torch.manual_seed(config.seed)
        self.head = ColourHead(config.estimator())
        self.optimiser = torch.optim.AdamW(
            self.head.parameters(), lr=config.lr, weight_decay=config.weight_decay
        )
        self.step = 0
        self.total_steps = config.steps
        weights = self.fixed["density"].sqrt()[:, None]
        self._mean, self._weights = self.fixed["mean"], weights
        self._basis = (self.fixed["components"] * weights).flatten(1)

    def train_step(self, tasks: "TaskMemory") -> float:
        """One step; returns the mean error in dB of PSNR."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate
        rng = torch_generator(self.config.seed, self.step, "colour batch")
        described, targets = tasks.draw(self.config.batch, rng)
        loss = self._errors(described, targets).log().mean()
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.head.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        return float(-10 * loss.detach() / np.log(10))

    def validate(self, tasks: "TaskMemory") -> dict[str, float]:
        """Mean PSNR of the colours of held-out tasks, by number of pictures."""
        found = {}
        for count in VALIDATION_COUNTS:
            described, targets = tasks.all_of(count)
            with torch.no_grad():
                errors = self._errors(described, targets)
            found[f"psnr_{count}"] = float(-10 * errors.log10().mean())
        return found

    @property
    def rate(self) -> float:
        """The learning rate: a rise, then half a cosine down to nothing."""
        rise = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        done = self.step / self.total_steps if self.total_steps else 0.0
        return float(self.config.lr * rise * (0.5 + 0.5 * np.cos(np.pi * min(1.0, done))))

    def target(self, lut: Tensor) -> Tensor:
        """The head's target for a LUT, and the mean square error that no prediction can avoid."""
        moved = ((lut - self._mean) * self._weights).flatten()
        weights = self._basis @ moved
        rest = (moved.square().sum() - weights.square().sum()).clamp(min=0)
        return torch.cat([weights, rest[None]])

    def estimator(self, photos: EstimatorPhotos) -> ColourEstimator:
        """What has been learned, as a model file has it; photos stand for content."""
        use_one_thread()
        tensors = {f"head.{name}": value for name, value in self.head.state_dict().items()}
        tensors |= {f"lut.{name}": self.fixed[name] for name in ("mean", "components")}
        clusters = {"weight": self.fixed["clusters.weight"].T[:, :, None, None]}
        clusters["bias"] = self.fixed["clusters.bias"]
        tensors |= {f"vision.clusters.{name}": value for name, value in clusters.items()}
        arrays = {name: value.numpy().astype(np.float32) for name, value in tensors.items()}
        clusters_found = _clusters(self.fixed)
        arrays |= fit_balance(photos, clusters_found, arrays, self.config.seed)
        colours, members = sample_content(photos, clusters_found, self.config.seed)
        arrays |= {"content.colours": colours, "content.clusters": members}
        count, samples = members.shape
        config = dataclasses.replace(self.config.estimator(), photos=count, samples=samples)
        return ColourEstimator(config=config, tensors=arrays | frozen_vision_tensors())

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs but its tasks, which are simulated anew."""
        return {
            "head": self.head.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "fixed": self.fixed,
            "total_steps": self.total_steps,
            "ends": ends_of(self.config),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state`, to the end that the config names now."""
        self.head.load_state_dict(state["head"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]
        self.total_steps = total_steps_now(self.config, state)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.total_steps is not None and self.step >= self.total_steps

    def _errors(self, described: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of colours, (N,), at least ERROR_FLOOR."""
        weights, rest = targets[:, :-1], targets[:, -1]
        missed: Tensor = (self.head(described) - weights).square().sum(1) + rest
        return missed / 3 + ERROR_FLOOR


class TaskMemory:
    """Simulated creators that are learned from repeatedly, each time with different pictures."""

    def __init__(self, trainer: ColourTrainer, capacity: int) -> None:
        self._trainer, self._capacity = trainer, capacity
        self._tasks: list[tuple[Tensor, Tensor, Tensor]] = []
        self.added = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def add(self, tasks: Iterator[ColourTask], count: int) -> None:
        """Take `count` more tasks; the oldest leave when there are too many."""
        for task in itertools.islice(tasks, count):
            kept = (task.of_pictures, task.of_set + task.shift, self._trainer.target(task.lut))
            # The shift of a look belongs to every picture: half precision is enough for both.
            shifted = (kept[0] + task.shift).half(), kept[1], kept[2]
            if len(self._tasks) < self._capacity:
                self._tasks.append(shifted)
            else:
                self._tasks[self.added % self._capacity] = shifted
            self.added += 1

    def draw(self, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` sets of pictures of random tasks: inputs (N, inputs) and targets."""
        chosen = torch.randint(len(self._tasks), (count,), generator=rng)
        sizes = torch.exp(torch.rand(count, generator=rng) * np.log(2 * SET_PICTURES)).round()
        sizes = sizes.clamp(max=SET_PICTURES).int()
        return self._sets(chosen.tolist(), sizes.tolist(), rng)

    def all_of(self, size: int) -> tuple[Tensor, Tensor]:
        """A set of `size` pictures of every task."""
        rng = torch_generator(0, size, "validation sets")
        return self._sets(range(len(self)), itertools.repeat(size, len(self)), rng)

    def _sets(
        self, chosen: Sequence[int], sizes: Any, rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        means, counts, targets = [], [], []
        for index, size in zip(chosen, sizes, strict=True):
            pictures, whole, target = self._tasks[index]
            some = torch.randperm(KEPT_PICTURES, generator=rng)[: min(size, KEPT_PICTURES)]
            mean = pictures[some].float().mean(0)
            if size > KEPT_PICTURES:
                # As far from the whole set as a mean of `size` pictures is.
                spread = (1 / size - 1 / SET_PICTURES) / (1 / KEPT_PICTURES - 1 / SET_PICTURES)
                mean = whole + spread**0.5 * (mean - whole)
            means.append(mean)
            counts.append(size)
            targets.append(target)
        statistics = torch.stack(means)
        statistics[..., -1].clamp_(min=0)  # a shift may leave less than nothing in a cluster
        inputs = head_inputs(statistics.numpy(), np.array(counts))
        return torch.from_numpy(inputs), torch.stack(targets)


def train_colours(
    photos: Mapping[str, Sequence[np.ndarray]],
    films: Sequence[np.ndarray],
    run_dir: Path,
    config: ColourTrainingConfig,
    *,
    init: ColourEstimator | None = None,
    resume: bool = False,
    on_progress: Progress = lambda done, total: None,
) -> ColourEstimator | None:
    """Train an estimator into `run_dir`; None where the user stopped it first.

    photos: uint8 pictures (H, W, 3) by domain. films: tables (colour_looks.read_films).
    init: what training starts from, in place of random weights; of the sizes in `config`.
    Raises TrainingError where the loss is no longer a number.
    """
    state = load_latest_checkpoint(run_dir) if resume else None
    shown = EstimatorPhotos(photos, config.seed)
    if state is not None:
        trainer = _restored(run_dir, state, config)
        if trainer.is_finished:
            log.warning(FINISHED, run_dir, trainer.step)
            return trainer.estimator(shown)
    looks = draw_prior(films, config.looks, config.seed)
    if state is None:
        trainer = ColourTrainer(config, _fixed_parts(shown, looks, config, init))
    held_out, memory = TaskMemory(trainer, config.held_out), TaskMemory(trainer, config.kept)
    held_out.add(_tasks(shown, looks, trainer, purpose=1), config.held_out)
    fresh = _tasks(shown, looks, trainer)
    memory.add(fresh, config.first)
    if init is not None and state is None:
        trainer.head.load_state_dict(_torch_tensors(init.part("head."), "head."))
    elif state is None:
        rng = torch_generator(config.seed, 0, "standard inputs")
        trainer.head.standardise(memory.draw(config.first, rng)[0])
    save_config(run_dir, dataclasses.asdict(config))
    with Metrics(run_dir, COLUMNS, trainer.step) as metrics, stop_between_steps() as stop:
        clock = StepClock()
        while not (stop.requested or trainer.is_finished):
            memory.add(fresh, config.fresh)
            loss = trainer.train_step(memory)
            if not np.isfinite(loss):
                raise TrainingError("the loss is not a number; resume with a lower --lr")
            clock.count_step()
            if trainer.total_steps is None:
                trainer.total_steps = clock.steps_within(config.time_limit_s)
            _follow_up(trainer, loss, metrics, held_out, clock.here_s, memory.added, run_dir)
            on_progress(trainer.step, trainer.total_steps or 0)
    save_checkpoint(run_dir, trainer.step, trainer.state_dict())
    return None if stop.requested else trainer.estimator(shown)


def _restored(
    run_dir: Path, state: Mapping[str, Any], config: ColourTrainingConfig
) -> ColourTrainer:
    """The trainer that a checkpoint was saved of. Raises TrainingError for one of another run."""
    points, seen = LUT_SIZE**3, sum(VISION_CHANNELS)
    shapes = {
        "mean": (points, 3),
        "components": (config.components, points, 3),
        "density": (points,),
        "clusters.weight": (seen, config.clusters),
        "clusters.bias": (config.clusters,),
    }
    with restoring(run_dir):
        for name, shape in shapes.items():
            if state["fixed"][name].shape != shape:
                raise ValueError(f"'{name}' has another shape than its config says")
        trainer = ColourTrainer(config, state["fixed"])
        trainer.load_state_dict(state)
    return trainer


def frozen_vision_tensors() -> dict[str, np.ndarray]:
    """EfficientNet-Lite0 as architecture.colour_statistics_shapes names it, for luma alone."""
    layers = (m for m in load_features("lite0").modules() if isinstance(m, nn.Conv2d))
    tensors: dict[str, np.ndarray] = {}

    def take(name: str) -> None:
        layer = next(layers)
        bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_channels)
        tensors[f"vision.{name}.weight"] = layer.weight.detach().contiguous().numpy()
        tensors[f"vision.{name}.bias"] = bias.detach().numpy()

    take("stem")
    tensors["vision.stem.weight"] = tensors["vision.stem.weight"].sum(1, keepdims=True)
    for index, block in enumerate(vision_blocks()):
        parts = ["expand"] if block.channels_inside != block.channels_in else []
        for part in (*parts, "depthwise", "project"):
            take(f"blocks.{index}.{part}")
    return tensors


def fit_balance(
    photos: EstimatorPhotos, clusters: Clusters, tensors: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Ridge regression of how far photos are off, in stops, from their colour statistics.

    See instant.photo_balance. tensors: with the head's centre and scale.
    """
    cameras, statistics = zip(*miscalibrated_photos(photos, clusters, seed), strict=True)
    inputs = standard_inputs(head_inputs(np.stack(statistics), 1), tensors).astype(np.float64)
    stops = np.log2(np.stack(cameras)).astype(np.float64)
    centre, mean = inputs.mean(0), stops.mean(0)
    apart = inputs - centre
    normal = apart.T @ apart + BALANCE_RIDGE * len(apart) * np.eye(apart.shape[1])
    weight = np.linalg.solve(normal, apart.T @ (stops - mean)).T
    return {
        "balance.weight": weight.astype(np.float32),
        "balance.bias": (mean - weight @ centre).astype(np.float32),
    }


def _clusters(fixed: Mapping[str, Tensor]) -> Clusters:
    return Clusters(fixed["clusters.weight"].numpy(), fixed["clusters.bias"].numpy())


def _follow_up(
    trainer: ColourTrainer,
    loss: float,
    metrics: Metrics,
    held_out: TaskMemory,
    seconds: float,
    tasks: int,
    run_dir: Path,
) -> None:
    step = trainer.step
    if is_due(step, LOG_EVERY):
        row = {"loss_db": loss, "lr": trainer.rate, "tasks": tasks, "seconds": seconds}
        metrics.write(step, row)
    if is_due(step, trainer.config.save_every):
        metrics.write(step, trainer.validate(held_out))
        save_checkpoint(run_dir, step, trainer.state_dict())


def _fixed_parts(
    photos: EstimatorPhotos,
    looks: np.ndarray,
    config: ColourTrainingConfig,
    init: ColourEstimator | None,
) -> dict[str, Tensor]:
    """Clusters and components, which are found and not trained."""
    rng = numpy_generator(config.seed, 0, "colours of the colour prior")
    colours = np.concatenate(
        [rng.choice(picture.reshape(-1, 3), 96) for picture in photos.pictures]
    )
    colours = colours / np.float32(255)
    if init:
        parts = {name: init.tensors[f"lut.{name}"] for name in ("mean", "components")}
        parts["density"] = colour_density(colours).astype(np.float32)
        parts["clusters.weight"] = init.tensors["vision.clusters.weight"][:, :, 0, 0].T
        parts["clusters.bias"] = init.tensors["vision.clusters.bias"]
        return _torch_tensors(parts)
    mean, components, density = principal_components(looks, colours, config.components)
    clusters = find_clusters(photos, looks, config.clusters, config.seed)
    parts = {"mean": mean, "components": components, "density": density}
    parts |= {"clusters.weight": clusters.weight, "clusters.bias": clusters.bias}
    return _torch_tensors(parts)


def _torch_tensors(arrays: Mapping[str, np.ndarray], prefix: str = "") -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(np.array(value, np.float32))
        for name, value in arrays.items()
    }


def _tasks(
    photos: EstimatorPhotos, looks: np.ndarray, trainer: ColourTrainer, purpose: int = 0
) -> Iterator[ColourTask]:
    config = trainer.config
    first = config.first + trainer.step * config.fresh if trainer.step else 0
    tasks = ColourTasks(photos, _clusters(trainer.fixed), looks, config.seed + purpose, first)
    workers = 0 if purpose else config.workers
    return iter(DataLoader(tasks, batch_size=None, num_workers=workers, worker_init_fn=seed_worker))
