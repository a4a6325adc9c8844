"""One run: the data, the players, their judges and diagnostics, the best so far, its folder."""

import dataclasses
import hashlib
import logging
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from stylegan_cli.config import to_mapping
from stylegan_cli.errors import DataError, TrainingError
from stylegan_cli.faces import detect_faces
from stylegan_cli.instant import with_mode_of_residual
from stylegan_cli.learning.checkpoints import (
    BEST_NAME,
    METRICS_NAME,
    load_latest_checkpoint,
    read_metrics,
    save_checkpoint,
)
from stylegan_cli.learning.schedules import TIMED_STEPS, steps_for
from stylegan_cli.networks.frozen_features import FrozenFeatures, load_features
from stylegan_cli.pictures import contact_sheet
from stylegan_cli.preparing.layout import CreatorPictures, TrainingData
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles import Base, Model, Style, read_model, write_model
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import Box, PictureSet, median_short_side, to_pixels
from stylegan_cli.training.diagnostics import (
    SPOILT,
    Diagnostics,
    NotANumberError,
    OutputStatistics,
    Problem,
    output_statistics,
)
from stylegan_cli.training.initialisation import load_generator, make_start, style_tensors
from stylegan_cli.training.report import (
    Album,
    CreatorReport,
    RunReport,
    State,
    write_report,
)
from stylegan_cli.training.steps import (
    SMALL_FOLDER,
    Refinement,
    discriminator_step,
    draw_batch,
    generator_step,
)
from stylegan_cli.training.texture_distance import TextureDistance
from stylegan_cli.training.validation import Validator

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # done, total

START_NAME = "start.safetensors"
SAMPLES_NAME = "samples"
LOSSES = (
    *("gan_pixels", "gan_features", "content", "anchor", "grid", "drift", "texture"),
    *("cycle", "identity"),
    *("discriminator_pixels", "discriminator_features", "r1", "seconds"),
)
VALIDATION_COLUMNS = ("texture", "kid", "change", "kid_lite1", "score")
SMALLEST_WORKING_SIZE, LARGEST_WORKING_SIZE = 256, 512  # px
VALIDATION_PHOTOS, VALIDATION_PICTURES, SHEET_PHOTOS = 8, 24, 4
TEXTURE_CROPS = 96  # of a creator's pictures
MAX_PICTURES = 400  # of each side, kept in memory
MIN_IMPROVEMENT = 0.005  # of the score: less is noise
MIN_LR_SCALE = 1 / 8  # of the learning rates; a run that needs less can't be helped


@dataclass(slots=True)
class Best:
    """The best state of one creator so far, of all creators where they share a fresh base."""

    score: float  # of the instant style: 1
    step: int
    tensors: dict[str, Tensor]  # averaged, by the painter's names; none: the instant style
    stale: int = 0  # judgings since


class Run:
    """Everything that one call of `train` works with: data, players, judges, the best so far."""

    def __init__(
        self,
        run_dir: Path,
        data: TrainingData,
        config: TrainingConfig,
        device: str,
        on_progress: Progress,
        again: Sequence[str] = (),
    ) -> None:
        """again: as in open_run."""
        self.folder, self.config, self._again = run_dir, config, again
        self.device = torch.device(device)
        if not (run_dir / START_NAME).exists():
            start = make_start(data, config, on_progress)
            run_dir.mkdir(parents=True, exist_ok=True)
            write_model(start, run_dir / START_NAME)
        # Read back: files keep half precision, and a resumed run must begin where this one did.
        self.start = read_model(run_dir / START_NAME)
        *self.styles, content_style = self.start.styles
        began, now = [s.name for s in self.styles], [c.name for c in data.creators]
        if began != now:
            raise DataError(
                f"the run in {run_dir} is of {', '.join(began)}, the pictures are of "
                f"{', '.join(now)}; give it the pictures and the name that it began with"
            )
        self.working_sizes = [_working_size(data, c.pictures, config) for c in data.creators]
        self._pictures = _digest(data)
        self._read_pictures(data, on_progress)
        features, reporting = (load_features(x).to(self.device) for x in ("lite0", "lite1"))
        self.players = Refinement(
            load_generator(self.start.base, self.device),
            [style_tensors(style, self.device) for style in self.styles],
            style_tensors(content_style, self.device).code,
            features,
            [len(creator) < SMALL_FOLDER for creator in self.creators],
            [self._texture(index, features) for index in range(len(self.styles))],
            config,
        )
        self.validators = [
            Validator(held, photos, features, reporting)
            for held, photos in zip(self.held_out, self.validation_photos, strict=True)
        ]
        self._variation = [self._opposite_shifts(style) for style in self.styles]
        painted = [self._generate_initial(index) for index in range(len(self.styles))]
        self.instant = [j.measure(own) for j, own in zip(self.validators, painted, strict=True)]
        textures = [figures.texture for figures in self.instant]
        self.players.fit_to_start(self.validation_photos, self.working_sizes, textures)
        statistics = [self._output_statistics(index, own) for index, own in enumerate(painted)]
        self.albums = [
            Album.of(photos, own, held)
            for photos, own, held in zip(
                self.validation_photos, painted, self.held_out, strict=True
            )
        ]
        self.diagnostics = Diagnostics([s.name for s in self.styles], statistics, config.gan)
        self.best = [Best(1.0, 0, {}) for _ in self._groups()]
        self.elapsed_s = 0.0  # of training, over all calls
        self._here_s = 0.0  # of this call
        self._last_s = time.monotonic()
        self._durations_s: list[float] = []
        self._chosen: dict[tuple[int, int], Style] = {}  # by creator and step

    def _read_pictures(self, data: TrainingData, on_progress: Progress) -> None:
        largest = round(max(self.working_sizes) * self.config.scales[1])
        sides = {"content": data.content} | {c.name: c.pictures for c in data.creators}
        for name, paths in sides.items():
            if len(paths) > MAX_PICTURES:
                log.warning("%s: %d of %d pictures are read", name, MAX_PICTURES, len(paths))
        photos = data.content[:MAX_PICTURES]
        self.content = PictureSet(photos, largest, on_progress, _face_boxes)
        held = PictureSet(data.held_out_content[:VALIDATION_PHOTOS], largest)
        self.creators, self.held_out, self.validation_photos = [], [], []
        for creator, size in zip(data.creators, self.working_sizes, strict=True):
            side = round(size * self.config.scales[1])
            self.creators.append(PictureSet(creator.pictures[:MAX_PICTURES], side, on_progress))
            judging = _held_out_pictures(creator, size)
            self.held_out.append(
                [x.to(self.device) for x in judging.wholes(VALIDATION_PICTURES, size)]
            )
            self.validation_photos.append(
                [x.to(self.device) for x in held.wholes(VALIDATION_PHOTOS, size)]
            )

    def _texture(self, index: int, features: FrozenFeatures) -> TextureDistance:
        """That of one creator's pictures at the scale that they are learned at."""
        config = self.config
        rng = numpy_generator(config.seed, index, "texture")
        short_side = max(config.size, self.working_sizes[index])
        crops, _ = self.creators[index].crops(rng, TEXTURE_CROPS, config.size, short_side)
        return TextureDistance(crops.to(self.device).split(8), features, config.seed)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all figures that the run measures."""
        return (
            *LOSSES,
            *(f"{s.name}/{figure}" for s in self.styles for figure in VALIDATION_COLUMNS),
        )

    @property
    def learning(self) -> list[int]:
        """The creators that still gain, or whose patience is not used up."""
        patience = self.config.patience
        return [
            index
            for best, members in zip(self.best, self._groups(), strict=True)
            if not patience or best.stale < patience
            for index in members
        ]

    def step(self) -> dict[str, float]:
        """One update of each player; returns the terms of their losses.

        Raises NotANumberError where one of them, or what has learnt from them, is no number.
        """
        started, players = time.monotonic(), self.players
        turns = self.learning
        creator = turns[players.step % len(turns)]
        size = self.working_sizes[creator]
        batch = draw_batch(self.content, self.creators[creator], creator, size, players)
        fakes, generator_terms = generator_step(batch, players)
        shown = players.pools[creator].swap(fakes, players.step)
        discriminator_terms = discriminator_step(batch, shown, players)
        players.ema.update(players.step)
        players.step += 1
        values = {
            name: term.item() for name, term in (generator_terms | discriminator_terms).items()
        }
        if not (np.isfinite(list(values.values())).all() and players.is_finite()):
            raise NotANumberError(f"a loss is no number after {players.step} steps")
        self.diagnostics.watch(players.step, creator, values)
        self._count_time(time.monotonic() - started)
        return {**values, "seconds": self.elapsed_s}

    def roll_back(self) -> None:
        """Go to the last good state, on at half the pace.

        Raises TrainingError where that has been done too often.
        """
        lost, lr_scale, elapsed_s = self.players.step, self.players.lr_scale / 2, self.elapsed_s
        known = self.diagnostics.state_dict()
        state = load_latest_checkpoint(self.folder)
        if lr_scale < MIN_LR_SCALE or state is None:
            raise TrainingError(
                f"a loss is no number after {lost} steps, again, at every pace; "
                "begin again with lower learning rates (--lr-g, --lr-d)"
            )
        self.resume(state)
        self.players.lr_scale, self.elapsed_s = lr_scale, elapsed_s
        self.diagnostics.load_state_dict(known)
        self.diagnostics.note(
            lost,
            Problem.NOT_A_NUMBER,
            f"a loss was no number; went back to step {self.players.step} and on at "
            f"{100 * lr_scale:g} % of the learning rates: lower --lr-g and --lr-d next time",
        )
        self.save()

    def is_over(self) -> bool:
        """Whether the last step is done, no creator gains, or a slower machine's time is up."""
        total = self.players.total_steps
        late = self.config.steps is None and self._here_s > self.config.time_limit_s
        done = total is not None and self.players.step >= total
        return late or done or not self.learning

    def _count_time(self, duration_s: float) -> None:
        self._durations_s.append(duration_s)
        if self.players.total_steps is None and len(self._durations_s) >= TIMED_STEPS:
            # The median: the first step also builds what the later ones use.
            typical_s = float(np.median(self._durations_s))
            self.players.total_steps = steps_for(self.config.time_limit_s, TIMED_STEPS * typical_s)
        now = time.monotonic()
        self.elapsed_s += now - self._last_s
        self._here_s += now - self._last_s
        self._last_s = now

    def validate(self) -> dict[str, float]:
        """Measure the averaged look of each creator that learns; keep what is better than before.

        A state that diagnostics calls spoilt is never the best.
        """
        step, average = self.players.step, self.players.ema.state_dict()
        values: dict[str, float] = {}
        scores: dict[int, float] = {}
        spoilt = set()
        for index in self.learning:
            painted = self._paint(index)
            self.albums[index].add_moment(step, painted)
            now = self.validators[index].measure(painted)
            scores[index] = now.score(self.instant[index])
            named = dataclasses.asdict(now) | {"score": scores[index]}
            values |= {f"{self.styles[index].name}/{name}": x for name, x in named.items()}
            if (
                self.diagnostics.examine(step, index, self._output_statistics(index, painted))
                & SPOILT
            ):
                spoilt.add(index)
        for best, members in zip(self.best, self._groups(), strict=True):
            if members[0] not in scores:
                continue
            score = float(np.mean([scores[index] for index in members]))
            best.stale += 1
            if score < best.score - MIN_IMPROVEMENT and spoilt.isdisjoint(members):
                mine = ("generator.", *(f"creators.{index}." for index in members))
                best.score, best.step, best.stale = score, step, 0
                best.tensors = {n: v.clone() for n, v in average.items() if n.startswith(mine)}
                for index in members:
                    self.albums[index].choose_latest()
        return values

    def best_model(self) -> Model:
        """The base and each creator at its best: the instant style of one that never gained."""
        base = self.start.base
        styles = list(self.styles)
        for best, members in zip(self.best, self._groups(), strict=True):
            if not best.tensors:
                continue
            base = _with_weights(base, best.tensors)
            for index in members:
                styles[index] = self._refined(index, best)
        styles = [dataclasses.replace(style, base_hash=base.hash) for style in styles]
        return Model(base=base, styles=tuple(styles), info={"steps": self.players.step})

    def write_sheet(self) -> None:
        """A sheet per creator: their pictures, photos, the instant style and the present one."""
        folder = self.folder / SAMPLES_NAME
        folder.mkdir(exist_ok=True)
        for index, style in enumerate(self.styles):
            photos = self.validation_photos[index][:SHEET_PHOTOS]
            size = self.working_sizes[index]
            rows = [self.held_out[index][:SHEET_PHOTOS], photos]
            rows.append([self.players.generate_initial(index, photo, size) for photo in photos])
            rows.append([self.players.generate_photo(index, photo, size) for photo in photos])
            sheet = contact_sheet(
                [[to_pixels(picture)[0] for picture in row] for row in rows],
                row_labels=(style.name, "photo", "instant", f"{self.players.step} steps"),
            )
            Image.fromarray(sheet).save(folder / f"{style.name}-{self.players.step:06d}.jpg")

    def write_report(self, state: State) -> None:
        """The page that people look at, as it is now."""
        total = self.players.total_steps
        again = [*self._again, "--steps", str(total)] if self._again and total else self._again
        learning = self.learning
        creators = [
            CreatorReport(
                name=self.styles[index].name,
                album=self.albums[index],
                best_step=best.step,
                best_score=best.score,
                counts=(len(self.creators[index]), len(self.held_out[index])),
                working_size=self.working_sizes[index],
                done=index not in learning,
            )
            for best, members in zip(self.best, self._groups(), strict=True)
            for index in members
        ]
        report = RunReport(
            state=state,
            step=self.players.step,
            total_steps=total,
            elapsed_s=self.elapsed_s,
            creators=creators,
            content=(len(self.content), len(self.validation_photos[0])),
            notes=self.diagnostics.notes,
            metrics=read_metrics(self.folder / METRICS_NAME),
            losses=LOSSES[:-1],
            figures=VALIDATION_COLUMNS,
            command=shlex.join(again),
            settings=to_mapping(self.config),
        )
        write_report(self.folder, report)

    def save(self) -> None:
        """Checkpoint, and the best so far as a model file."""
        best = [dataclasses.asdict(item) for item in self.best]
        state = {
            **self.players.state_dict(),
            "pictures": self._pictures,
            "best": best,
            "elapsed_s": self.elapsed_s,
            "diagnostics": self.diagnostics.state_dict(),
            "albums": [album.state_dict() for album in self.albums],
        }
        save_checkpoint(self.folder, self.players.step, state)
        write_model(self.best_model(), self.folder / BEST_NAME, overwrite=True)

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved."""
        self.players.load_state_dict(state)
        if state.get("pictures", self._pictures) != self._pictures:  # older ones don't tell
            log.warning("these are not the pictures that the run began with; it goes on with them")
        self.best = [Best(**item) for item in state["best"]]
        self.elapsed_s = state["elapsed_s"]
        self._chosen.clear()
        self.diagnostics.load_state_dict(state["diagnostics"])
        for album, kept in zip(self.albums, state["albums"], strict=True):
            album.load_state_dict(kept)

    def _paint(self, index: int) -> list[Tensor]:
        """The judged photos in a creator's averaged look."""
        size = self.working_sizes[index]
        return [self.players.generate_photo(index, x, size) for x in self.validation_photos[index]]

    def _generate_initial(self, index: int) -> list[Tensor]:
        """The judged photos in a creator's instant style."""
        size = self.working_sizes[index]
        return [
            self.players.generate_initial(index, x, size) for x in self.validation_photos[index]
        ]

    def _output_statistics(self, index: int, painted: list[Tensor]) -> OutputStatistics:
        photo, size = self.validation_photos[index][0], self.working_sizes[index]
        varied = [
            self.players.generate_photo(index, photo, size, z) for z in self._variation[index]
        ]
        return output_statistics(painted, varied)

    def _opposite_shifts(self, style: Style) -> list[Tensor]:
        """Steps along a creator's variety, there and back: all directions at one deviation."""
        shift = torch.from_numpy(style.code_factors.sum(0, dtype=np.float32)).to(self.device)
        return [shift, -shift]

    def _groups(self) -> list[list[int]]:
        """Creators whose best is chosen together: each alone, unless they share a fresh base."""
        indices = list(range(len(self.styles)))
        return [indices] if self.players.trains_base else [[index] for index in indices]

    def _refined(self, index: int, best: Best) -> Style:
        """A creator's style at its best, made once."""
        if (index, best.step) in self._chosen:
            return self._chosen[index, best.step]
        style = self.styles[index]
        deltas = self.players.delta_arrays(index, best.tensors)
        code = best.tensors[f"creators.{index}.code"].cpu().numpy()
        info = dataclasses.replace(
            style.info,
            refined=True,
            working_size=self.working_sizes[index],
            metrics={"score": round(best.score, 4), "steps": best.step},
        )
        refined = dataclasses.replace(style, info=info, code=code, deltas=deltas)
        base = _with_weights(self.start.base, best.tensors)
        self._chosen[index, best.step] = with_mode_of_residual(refined, base)
        return self._chosen[index, best.step]


def _digest(data: TrainingData) -> str:
    """Of the names and sizes of all pictures."""
    sides = [data.content, data.held_out_content]
    sides += [side for c in data.creators for side in (c.pictures, c.held_out)]
    names = [[(path.name, path.stat().st_size) for path in side] for side in sides]
    return hashlib.sha256(repr(names).encode()).hexdigest()


def _held_out_pictures(creator: CreatorPictures, short_side: int) -> PictureSet:
    """What judges a creator; the pictures learned from where none of it can be read."""
    try:
        return PictureSet(creator.held_out[:VALIDATION_PICTURES], short_side)
    except DataError:
        log.warning("%s: none of the held-out pictures can be read, so others judge", creator.name)
        return PictureSet(creator.pictures[:VALIDATION_PICTURES], short_side)


def _working_size(data: TrainingData, pictures: Sequence[Path], config: TrainingConfig) -> int:
    """Px: as large as both sides have detail for, within what training has time for."""
    if config.working_size is not None:
        return config.working_size
    own = min(median_short_side(pictures), median_short_side(data.content))
    return min(LARGEST_WORKING_SIZE, max(SMALLEST_WORKING_SIZE, own // 8 * 8))


def _face_boxes(pixels: np.ndarray) -> list[Box]:
    height, width = pixels.shape[:2]
    boxes = [face.box for face in detect_faces(pixels)]
    return [(x / width, y / height, (x + w) / width, (y + h) / height) for x, y, w, h in boxes]


def _with_weights(base: Base, tensors: Mapping[str, Tensor]) -> Base:
    """The base with the generator's weights among `tensors`, rounded as in its file."""
    learnt = {
        name: value.cpu().numpy().astype(np.float16).astype(np.float32)
        for name, value in tensors.items()
        if name.startswith("generator.")
    }
    return dataclasses.replace(base, tensors={**base.tensors, **learnt}) if learnt else base
