"""Random looks → base: the generator reproduces a look that the encoder read elsewhere."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from stylegan_cli.checkpoints import (
    Metrics,
    load_latest_checkpoint,
    save_checkpoint,
    save_config,
)
from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.ema import Ema
from stylegan_cli.errors import ConfigError, DataError, TrainingError
from stylegan_cli.interruption import stop_between_steps
from stylegan_cli.looks import DESCRIPTION_DIM
from stylegan_cli.networks.architecture import GeneratorConfig, LookEncoderConfig
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.layers import map_colours
from stylegan_cli.networks.look_encoder import LookEncoder
from stylegan_cli.paired_data import Batch, Domains, DrawConfig, PairedLooks, seed_worker
from stylegan_cli.pictures import contact_sheet, find_pictures
from stylegan_cli.randomness import torch_generator
from stylegan_cli.schedules import TIMED_STEPS, is_due, learning_rate, steps_for

log = logging.getLogger(__name__)

COLUMNS = (
    *("loss", "residue", "toned", "gradient", "told", "lr", "seconds"),
    *("val_psnr", "val_linear_psnr", "val_toned_psnr", "val_residue_gain"),
)
SURE = 3.0  # the logit, inside a code, of a layer that is surely there
VALIDATION_STEPS = 12  # batches of looks that no training step draws


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """A run of `influ pretrain`; travels in every checkpoint."""

    steps: int | None = None  # fixed from the time limit where not given
    time_limit_s: float = 36000.0
    looks: int = 12
    readings: int = 12
    pictures: int = 3
    targets: int = 1
    size: int = 128  # px
    lr: float = 7e-4
    warmup: int = 100
    decay_from: float = 0.6
    ema: float = 0.998
    toned_weight: float = 0.4  # of the loss on the per-pixel part alone
    gradient_weight: float = 0.5
    told_weight: float = 1.0  # of the loss on what the code tells of the look's layers
    prompted: float = 0.5  # share of looks painted from their true description, at first
    prompted_until: float = 0.6  # share of the steps after which none is
    coarse_weight: float = 0.5
    clip_norm: float = 1.0
    precision: str = "auto"
    workers: int = 1
    seed: int = 0
    sample_every: int = 1000
    save_every: int = 250

    def __post_init__(self) -> None:
        for name in ("looks", "pictures", "targets", "workers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"size must be a multiple of 8 from 64 on, got {self.size}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, got {self.precision}")

    def draws(self) -> DrawConfig:
        """The part of the config that decides what is drawn."""
        return DrawConfig(
            looks=self.looks,
            readings=self.readings,
            pictures=self.pictures,
            targets=self.targets,
            size=self.size,
            seed=self.seed,
        )


class Base(nn.Module):
    """Generator and look encoder, trained as one."""

    def __init__(self, generator: GeneratorConfig, encoder: LookEncoderConfig) -> None:
        super().__init__()
        self.generator = Generator(generator)
        self.encoder = LookEncoder(encoder)

    def forward(
        self, batch: Mapping[str, Tensor], prompted: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Results and toned images (L * B, 3, S, S) and codes (L + R, code_dim) for a batch.

        prompted: (L,) True for looks whose true description takes the place of what the code tells.
        """
        looks, pictures = batch["references"].shape[:2]
        moments = self.encoder.features(_signed(batch["references"]))
        read = self.encoder(moments.view(looks, pictures, -1).mean(1), batch["statistics"]).float()
        painted = len(batch["photos"])  # the other looks are only read
        code = read[:painted]
        if prompted is not None:
            code = _prompt(code, batch["description"][:painted], prompted)
        targets = batch["photos"].shape[1]
        matrix, offset, code = (
            values.repeat_interleave(targets, 0)
            for values in (batch["matrix"], batch["offset"], code)
        )
        short_side = batch["short_side"].flatten()
        result, toned = self.generator(_signed(batch["photos"]), matrix, offset, code, short_side)
        return result.float(), toned.float(), read


def _prompt(code: Tensor, description: Tensor, prompted: Tensor) -> Tensor:
    truth = SURE * (2 * description - 1)
    told = torch.where(prompted[:, None], truth, code[:, :DESCRIPTION_DIM])
    return torch.cat([told, code[:, DESCRIPTION_DIM:]], dim=1)


def default_base() -> Base:
    """The base at its default size, untrained."""
    return Base(GeneratorConfig(), LookEncoderConfig(statistics_dim=STATISTICS_DIM))


def pair_losses(
    result: Tensor, toned: Tensor, truth: Tensor, config: PretrainConfig
) -> dict[str, Tensor]:
    """L1 at two scales, L1 of gradients (so that lines stay sharp), L1 of the per-pixel part alone.

    result, toned, truth: (N, 3, H, W) in [-1, 1].
    """
    coarse = functional.l1_loss(functional.avg_pool2d(result, 4), functional.avg_pool2d(truth, 4))
    across = functional.l1_loss(result.diff(dim=3), truth.diff(dim=3))
    down = functional.l1_loss(result.diff(dim=2), truth.diff(dim=2))
    return {
        "residue": functional.l1_loss(result, truth) + config.coarse_weight * coarse,
        "toned": config.toned_weight * functional.l1_loss(toned, truth),
        "gradient": config.gradient_weight * (across + down),
    }


def description_loss(code: Tensor, description: Tensor) -> Tensor:
    """Cross entropy of the first entries of a code, as logits, with the layers a look has.

    code: (L, code_dim); description: (L, DESCRIPTION_DIM) of 0 and 1.
    """
    logits = code[:, :DESCRIPTION_DIM]
    return functional.binary_cross_entropy_with_logits(logits, description)


class Pretraining:
    """One run: what is trained, and one step of it."""

    def __init__(self, base: Base, config: PretrainConfig, device: str) -> None:
        self.config = config
        self.device = torch.device(device)
        self.base = base.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.Adam(base.parameters(), lr=config.lr, betas=(0.9, 0.99))
        self.ema = Ema(base, config.ema)
        self.step = 0
        self.total_steps = config.steps
        self._bf16 = _use_bf16(config.precision, self.device)

    def run_step(self, batch: Mapping[str, Tensor]) -> dict[str, float]:
        """Learn from one batch; returns the losses."""
        rate = learning_rate(
            self.step, self.total_steps, self.config.lr, self.config.warmup, self.config.decay_from
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with self._autocast():
            result, toned, code = self.base(batch, self._draw_prompted(len(batch["matrix"])))
        terms = pair_losses(result, toned, _signed(batch["truths"]), self.config)
        terms["told"] = self.config.told_weight * description_loss(code, batch["description"])
        loss = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.base.parameters(), self.config.clip_norm)
        self.optimizer.step()
        self.ema.update(self.step)
        self.step += 1
        values = {name: term.item() for name, term in terms.items()}
        return {"loss": loss.item(), "lr": rate, **values}

    def _draw_prompted(self, looks: int) -> Tensor:
        """Which looks are prompted: a share that falls to none, for the code must do in the end."""
        end = self.config.prompted_until * (self.total_steps or np.inf)
        share = self.config.prompted * max(0.0, 1 - self.step / end)
        generator = torch_generator(self.config.seed, self.step, "prompted looks")
        return (torch.rand(looks, generator=generator) < share).to(self.device)

    @torch.no_grad()
    def paint(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Results and toned images with the averaged weights."""
        with self.ema.averaged(), self._autocast():
            result, toned, _ = self.base(batch)
        return result, toned

    @torch.no_grad()
    def standardise(self, batches: Sequence[Mapping[str, Tensor]]) -> None:
        """Tell the encoder's head what usual sets look like, before the first step."""
        encoder = self.base.encoder
        rows = []
        for batch in batches:
            looks, pictures = batch["references"].shape[:2]
            moments = encoder.features(_signed(batch["references"])).view(looks, pictures, -1)
            rows.append(encoder.head.describe(moments.mean(1), batch["statistics"]))
        encoder.head.standardise(torch.cat(rows))

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, and what rebuilds the networks."""
        return {
            "base": self.base.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "total_steps": self.total_steps,
            "generator_config": asdict(self.base.generator.config),
            "encoder_config": asdict(self.base.encoder.config),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved."""
        self.base.load_state_dict(state["base"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.total_steps = self.config.steps or state["total_steps"]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)


def pretrain(
    domains: Mapping[str, list[Path]],
    run_dir: Path,
    config: PretrainConfig,
    *,
    device: str = "cpu",
    resume: bool = False,
    init: Mapping[str, np.ndarray] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Train a base into `run_dir`; returns whether it reached its last step.

    domains: pictures by kind, e.g. one entry per folder. init: tensors of a base to start from,
    named as in Base. Raises DataError where there are too few pictures, TrainingError where the
    loss is no longer a number.
    """
    torch.manual_seed(config.seed)
    run = Pretraining(default_base(), config, device)
    if init is not None:
        _load(run.base, init)
        run.ema = Ema(run.base, config.ema)
    if resume and (state := load_latest_checkpoint(run_dir)):
        run.load_state_dict(state)
    if run.total_steps is not None and run.step >= run.total_steps:
        return True
    train, kept = _split_domains(domains)
    validation = list(_validation_batches(kept, config, run.device))
    if run.step == 0 and init is None:
        run.standardise(validation)
    if not resume:
        for old in run_dir.glob("checkpoint-*.pt"):
            old.unlink()  # or the newest of another run would be taken for this one's
    save_config(run_dir, asdict(config))
    started = time.monotonic()
    with Metrics(run_dir, COLUMNS, run.step) as metrics, stop_between_steps() as stop:
        for batch in _batches(train, run):
            values = run.run_step(batch)
            if not np.isfinite(values["loss"]):
                raise TrainingError(
                    f"the loss is not a number at step {run.step}; resume with a lower --lr-g"
                )
            elapsed_s = time.monotonic() - started
            if run.total_steps is None and run.step >= TIMED_STEPS:
                run.total_steps = steps_for(config.time_limit_s, elapsed_s)
            last = run.step >= (run.total_steps or np.inf) or stop.requested
            if is_due(run.step, 20):
                metrics.write(run.step, {**values, "seconds": elapsed_s})
            if is_due(run.step, config.sample_every) or last:
                metrics.write(run.step, _validate(run, validation))
                _write_samples(run, validation[0], run_dir)
            if is_due(run.step, config.save_every) or last:
                save_checkpoint(run_dir, run.step, run.state_dict())
            if on_progress:
                on_progress(run.step, run.total_steps or 0)
            if last:
                break
    return not stop.requested


def _load(base: Base, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises TrainingError where the tensors are of another architecture."""
    try:
        base.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise TrainingError(
            "the model to start from has another architecture; leave --init out"
        ) from error


def pictures_by_domain(folders: list[Path]) -> dict[str, list[Path]]:
    """The pictures of each folder; a folder of folders counts as one domain per sub-folder.

    Raises DataError for a folder without pictures.
    """
    domains: dict[str, list[Path]] = {}
    for folder in folders:
        inside = {f"{folder.name}/{sub.name}": find_pictures(sub, recursive=True)
                  for sub in sorted(folder.iterdir()) if sub.is_dir()}  # fmt: skip
        inside[folder.name] = find_pictures(folder)
        found = {name: paths for name, paths in inside.items() if paths}
        if not found:
            raise DataError(f"{folder} holds no pictures; name a folder of photos")
        domains |= found
    return domains


def _split_domains(domains: Domains) -> tuple[Domains, Domains]:
    """Every twentieth picture of each domain is kept for validation."""
    train = {name: [p for i, p in enumerate(paths) if i % 20] for name, paths in domains.items()}
    count = sum(map(len, train.values()))
    if count < 8:
        raise DataError(f"pre-training needs at least 10 pictures, got {count}; add more photos")
    kept = {name: paths[::20] for name, paths in domains.items()}
    return {name: paths for name, paths in train.items() if paths}, kept


def _batches(domains: Domains, run: Pretraining) -> Iterator[dict[str, Tensor]]:
    """Batches from the run's step on, without end: the loop knows when to stop."""
    endless = 1 << 31
    loader: DataLoader[Batch] = DataLoader(
        PairedLooks(domains, run.config.draws(), endless),
        batch_size=None,
        sampler=range(run.step, endless),
        num_workers=run.config.workers,
        prefetch_factor=4,
        worker_init_fn=seed_worker,
        # A fork would inherit locks of thread pools that its threads do not.
        multiprocessing_context="spawn",
    )
    for arrays in loader:
        yield _to_device(arrays, run.device)


def _validation_batches(
    domains: Domains, config: PretrainConfig, device: torch.device
) -> Iterator[dict[str, Tensor]]:
    looks = PairedLooks(domains, config.draws(), VALIDATION_STEPS, purpose="validation looks")
    for index in range(VALIDATION_STEPS):
        yield _to_device(looks[index], device)


def _validate(run: Pretraining, batches: list[dict[str, Tensor]]) -> dict[str, float]:
    """PSNR in dB on looks and pictures never trained on, beside the linear map's.

    val_residue_gain: dB by which the residue betters the toned image, the mean of the upper half,
    where looks have lines or glow.
    """
    rows = []
    for batch in batches:
        result, toned = run.paint(batch)
        truth, photos = _signed(batch["truths"]), _signed(batch["photos"])
        targets = batch["photos"].shape[1]
        matrix, offset = (batch[k].repeat_interleave(targets, 0) for k in ("matrix", "offset"))
        linear = map_colours(photos, matrix, offset)
        rows.append(torch.stack([_psnr(image, truth) for image in (result, linear, toned)]))
    table = torch.cat(rows, dim=1)
    gains = (table[0] - table[2]).sort().values
    names = ("val_psnr", "val_linear_psnr", "val_toned_psnr")
    means = dict(zip(names, table.mean(1).tolist(), strict=True))
    return {**means, "val_residue_gain": gains[len(gains) // 2 :].mean().item()}


def _write_samples(run: Pretraining, batch: dict[str, Tensor], run_dir: Path) -> None:
    """A sheet per look: what was read, the photo, the result and the truth."""
    from PIL import Image

    results, _ = run.paint(batch)
    looks, targets = batch["photos"].shape[:2]
    painted = results.view(looks, targets, *results.shape[1:])[:, 0]
    painted_pixels = ((painted.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1)
    columns = (
        batch["references"][:, 0],
        batch["photos"][:, 0],
        painted_pixels,
        batch["truths"][:, 0],
    )
    rows = [[column[look].cpu().numpy() for column in columns] for look in range(looks)]
    folder = run_dir / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, tile=160)).save(folder / f"{run.step:08d}.png")


def _to_device(arrays: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value).to(device) for name, value in arrays.items()}


def _signed(pixels: Tensor) -> Tensor:
    """(..., H, W, 3) uint8 → (N, 3, H, W) float in [-1, 1], channels last."""
    return pixels.flatten(0, -4).permute(0, 3, 1, 2).float() / 127.5 - 1


def _psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Of each picture, dB, (N,); both in [-1, 1]."""
    error = ((image.clamp(-1, 1) - truth) / 2).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp(min=1e-10))


def _use_bf16(precision: str, device: torch.device) -> bool:
    """bf16 where it is asked for, or where the processor has instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
