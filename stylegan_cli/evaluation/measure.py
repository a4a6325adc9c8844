"""How close a style comes: to the truth where there is one, else to the creator's pictures."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import DataError, PictureError, UsageError
from stylegan_cli.evaluation import metrics
from stylegan_cli.evaluation.config import EvaluationConfig
from stylegan_cli.evaluation.skin import MIN_FACES, SkinChange, Tercile, skin_change, terciles
from stylegan_cli.faces import detect_faces
from stylegan_cli.pictures import Pixels, find_pictures, read_rgb, resize, resize_short_side
from stylegan_cli.preparing.layout import CONTENT_NAME, find_training_data
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.styles import DEFAULT_STYLE, read_info
from stylegan_cli.stylizer import StylizerConfig, open_look

if TYPE_CHECKING:
    from stylegan_cli.networks.frozen_features import FeatureNetwork

log = logging.getLogger(__name__)

Paint = Callable[[Pixels], Pixels]
Progress = Callable[[int, int], None]
Better = Literal["higher", "lower"]

EMBEDDING_SIDE = 240  # px: what Lite1 was trained at
COMMON_SHORT_SIDE = 256  # px: the scale at which patches are compared
FEW_PICTURES = 50  # below it a kernel distance is a rough guide, and the report says so
MAX_UNLIKE_SHAPE = 0.02  # of the aspect ratio; beyond it a truth is a truth of something else

TRUTH_MEASURES: Mapping[str, tuple[Callable[[Pixels, Pixels], float], Better]] = {
    "mae": (metrics.mae, "lower"),
    "psnr_db": (metrics.psnr, "higher"),
    "ssim": (metrics.ssim, "higher"),
    "ciede2000": (metrics.ciede2000, "lower"),
    "edge_f_score": (metrics.edge_f_score, "higher"),
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: of the styled photos, and of the same photos untouched where that says something.

    standard_error: of `styled`, over the photos; None where it can't be told.
    """

    styled: float
    standard_error: float | None
    untouched: float | None
    better: Better


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    photos: how many were painted and counted. notes: what a reader must know before believing the
    figures. failed: one sentence per picture that could not be used.
    """

    photos: int
    measures: Mapping[str, Measure]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skin: tuple[Tercile, ...] = ()  # dark, middle, light


@dataclass(frozen=True, slots=True)
class Case:
    """One style and the files to judge it by.

    truths: one per photo, or empty. references: the creator's held-out pictures, or empty.
    unmatched: photos without a truth and truths without a photo.
    """

    style: str
    photos: tuple[Path, ...]
    truths: tuple[Path, ...] = ()
    references: tuple[Path, ...] = ()
    unmatched: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class StyleReport:
    """One style: what it was judged by, and how it did."""

    style: str
    case: Case
    comparison: Comparison


def evaluate_styles(
    config: EvaluationConfig, on_progress: Progress | None = None
) -> list[StyleReport]:
    """Judge one style, or every creator of a model, as in `find_cases`.

    Raises DataError where there is nothing to judge by, and what opening a style raises.
    """
    cases = find_cases(
        _style_names(config.style, config.model),
        config.data,
        paired=config.paired,
        creator=config.creator,
        everything=config.everything,
    )
    device = resolve_device(config.device, needs_torch=config.paired is None)
    steps = [len(case.photos) + len(case.references) for case in cases]
    reports = []
    for index, case in enumerate(cases):
        look = StylizerConfig(style=case.style, model=config.model, device=device)
        comparison = measure_style(
            open_look(look).paint,
            case,
            size=config.size,
            device=device,
            on_progress=_shifted(on_progress, sum(steps[:index]), sum(steps)),
        )
        reports.append(StyleReport(case.style, case, comparison))
    return reports


def find_cases(
    styles: Sequence[str],
    data: Path,
    *,
    paired: Path | None = None,
    creator: str | None = None,
    everything: bool = False,
) -> list[Case]:
    """What to judge each of `styles` by; those with nothing to judge them by are left out.

    data: a folder as training takes it. paired: the true results, one per photo and of the same
    file stem, in a folder per creator where several are judged. creator: whose pictures count,
    where the style has another name. everything: judge by all pictures, not only those held out.
    Raises DataError where nothing is left, UsageError where the options contradict each other.
    """
    if creator is not None and len(styles) > 1:
        raise UsageError("--creator says whose pictures judge one style: name it with --style")
    if paired is not None:
        cases = _paired_cases(styles, data, paired, creator)
    else:
        cases = _unpaired_cases(styles, data, creator, everything)
    for style in styles:
        if not any(case.style == style for case in cases):
            log.warning("%s is left out: there is nothing to judge it by", style)
    return cases


def measure_style(
    paint: Paint,
    case: Case,
    *,
    size: int = 512,
    device: str = "cpu",
    on_progress: Progress | None = None,
) -> Comparison:
    """Paint the photos of `case` and measure. Raises DataError where too few can be read."""
    if case.truths:
        pairs = list(zip(case.photos, case.truths, strict=True))
        return compare_with_truth(paint, pairs, size=size, on_progress=on_progress)
    return compare_with_creator(
        paint, case.photos, case.references, size=size, device=device, on_progress=on_progress
    )


def compare_with_truth(
    paint: Paint,
    pairs: Sequence[tuple[Path, Path]],
    *,
    size: int = 512,
    on_progress: Progress | None = None,
) -> Comparison:
    """Means over the photos of MAE, PSNR, SSIM, CIEDE2000 and edge F-score against the truth.

    Of people also: faces kept, and CIEDE2000 of their skin to the truth's, see `_People`.

    pairs: photo and truth. size: short side in px at which photos are painted and compared;
    smaller ones are not enlarged.
    """
    styled: list[list[float]] = []
    untouched: list[list[float]] = []
    failed: list[str] = []
    people = _People()
    for done, (photo_path, truth_path) in enumerate(pairs, 1):
        try:
            photo = _read(photo_path, size)
            truth = _fit(read_rgb(truth_path), photo, truth_path)
        except (PictureError, DataError) as error:
            failed.append(str(error))
        else:
            result = paint(photo)
            people.add(photo, result, truth)
            styled.append([measure(result, truth) for measure, _ in TRUTH_MEASURES.values()])
            untouched.append([measure(photo, truth) for measure, _ in TRUTH_MEASURES.values()])
        if on_progress:
            on_progress(done, len(pairs))
    if not styled:
        raise DataError(f"none of the {len(pairs)} pairs could be used: {failed[0]}")
    measures = {
        name: Measure(*_mean(ours), float(np.mean(theirs)), better)
        for (name, (_, better)), ours, theirs in zip(
            TRUTH_MEASURES.items(),
            zip(*styled, strict=True),
            zip(*untouched, strict=True),
            strict=True,
        )
    }
    measures |= people.measures("skin_ciede2000")
    return Comparison(len(styled), measures, people.notes(), tuple(failed), people.terciles)


def compare_with_creator(
    paint: Paint,
    photos: Sequence[Path],
    references: Sequence[Path],
    *,
    size: int = 512,
    device: str = "cpu",
    on_progress: Progress | None = None,
) -> Comparison:
    """Distance to the creator's pictures against what was kept of the photos.

    kid_lite1: kernel distance on EfficientNet-Lite1 features between results and `references`.
    Neither FID nor the Inception KID: comparable with nothing but itself. patch_swd: between their
    colour patches. luminance_ssim: structure kept of the photo. face_shift and faces_kept: how far
    the points of a face moved, in distances between the eyes, and the share found again.
    skin_change: CIEDE2000 of the skin to the photo's own, see `_People`.
    """
    failed: list[str] = []
    total = len(photos) + len(references)

    def readable(paths: Sequence[Path], before: int) -> Iterator[Pixels]:
        for done, path in enumerate(paths, before + 1):
            try:
                yield _read(path, size)
            except (PictureError, DataError) as error:
                failed.append(str(error))
            if on_progress:
                on_progress(done, total)

    reals = [_small(picture) for picture in readable(references, 0)]
    befores, afters = [], []
    structure: list[float] = []
    people = _People()
    for photo in readable(photos, len(references)):
        result = paint(photo)
        befores.append(_small(photo))
        afters.append(_small(result))
        structure.append(metrics.luminance_ssim(result, photo))
        people.add(photo, result, photo)
    if min(len(reals), len(afters)) < 2:
        raise DataError(
            f"{len(afters)} photos and {len(reals)} held-out pictures of the creator are too few "
            "to judge by: it takes at least 2 of each that can be read"
        )
    embedded = embed([*reals, *befores, *afters], device=device)
    real, before, after = np.split(embedded, [len(reals), len(reals) + len(befores)])
    kid = metrics.kid(after, real)
    untouched_kid = metrics.kid(before, real).value
    swd, untouched_swd = (metrics.patch_swd(pictures, reals) for pictures in (afters, befores))
    measures = {
        "kid_lite1": Measure(kid.value, kid.standard_error, untouched_kid, "lower"),
        "patch_swd": Measure(swd, None, untouched_swd, "lower"),
        "luminance_ssim": Measure(*_mean(structure), 1.0, "higher"),
        **people.measures("skin_change"),
    }
    notes = _notes(len(afters), len(reals)) + people.notes()
    return Comparison(len(afters), measures, notes, tuple(failed), people.terciles)


def embed(
    pictures: Sequence[Pixels], name: "FeatureNetwork" = "lite1", device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """The middle square of each picture as one vector, (N, 112): see FrozenEmbedding."""
    import torch

    from stylegan_cli.networks.frozen_features import load_embedding
    from stylegan_cli.networks.pixel_range import to_signed

    network = load_embedding(name).to(device)
    batches = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            squares = [_middle_square(picture) for picture in pictures[start : start + _BATCH]]
            images = torch.from_numpy(np.stack(squares)).to(device).permute(0, 3, 1, 2)
            batches.append(network(to_signed(images)).cpu().numpy())
    return np.concatenate(batches)


_BATCH = 8


def _style_names(style: str | None, model: Path | None) -> list[str]:
    if style is not None or model is None:
        return [style or DEFAULT_STYLE]
    document = read_info(model)
    entries = [document["creator"]] if document["kind"] == "style" else document["creators"]
    if not entries:
        raise DataError(f"{model} has no creators to judge; name a model that has some")
    return [entry["name"] for entry in entries]


def _shifted(on_progress: Progress | None, before: int, total: int) -> Progress | None:
    """`on_progress` for one part of a longer way."""
    if on_progress is None:
        return None
    return lambda done, _: on_progress(before + done, total)


def _paired_cases(
    styles: Sequence[str], data: Path, paired: Path, creator: str | None
) -> list[Case]:
    photos = _by_stem(_photos_with_truth(data))
    cases = []
    for style in styles:
        folder = paired / (creator or style)
        if not folder.is_dir():
            folder = paired
        if folder == paired and len(styles) > 1:
            continue  # one folder of truths can't be the truth of several styles
        truths = _by_stem(find_pictures(folder))
        both = sorted(photos.keys() & truths.keys())
        if both:
            alone = tuple(
                path
                for side, other in ((photos, truths), (truths, photos))
                for stem, path in sorted(side.items())
                if stem not in other
            )
            ours, theirs = (tuple(side[stem] for stem in both) for side in (photos, truths))
            cases.append(Case(style, ours, truths=theirs, unmatched=alone))
    if not cases:
        raise DataError(
            f"no picture in {paired} has the name of a photo in {data}: a truth is named like its "
            "photo, and lies in a folder named like its style where several styles are judged"
        )
    return cases


def _unpaired_cases(
    styles: Sequence[str], data: Path, creator: str | None, everything: bool
) -> list[Case]:
    found = find_training_data(data, starter=starter_dir())
    sides = {side.name: side for side in found.creators}
    if creator is not None and creator not in sides:
        raise UsageError(f"{data} has no pictures of {creator}; it has {', '.join(sides)}")
    only = next(iter(sides)) if len(sides) == 1 and len(styles) == 1 else None
    photos = found.held_out_content
    if everything:
        photos = tuple(dict.fromkeys((*found.content, *found.held_out_content)))
    cases = []
    for style in styles:
        side = sides.get(creator or style) or sides.get(only or "")
        if side is not None:
            references = side.held_out
            if everything:
                references = tuple(dict.fromkeys((*side.pictures, *side.held_out)))
            cases.append(Case(style, photos, references=references))
    if not cases:
        raise DataError(
            f"{data} has pictures of {', '.join(sides)}, none of them named like a style: "
            "say whose pictures count with --creator"
        )
    return cases


def _photos_with_truth(data: Path) -> list[Path]:
    """The photos that may have truths: those set apart for judging, where there are some."""
    for part in ("val/" + CONTENT_NAME, "testA", CONTENT_NAME, "."):
        folder = data / part
        if folder.is_dir() and (photos := find_pictures(folder)):
            return photos
    raise DataError(
        f"{data} has no photos; give --data a folder of photos, or what `influ prep` wrote"
    )


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise DataError(
                f"{named[path.stem].name} and {path.name} in {path.parent} can't be told apart as "
                "one pair: leave one of them out"
            )
        named[path.stem] = path
    return named


def _read(path: Path, size: int) -> Pixels:
    """At most `size` px. Raises PictureError, or DataError where it is too small to compare."""
    pixels = read_rgb(path)
    if min(pixels.shape[:2]) < metrics.SMALLEST_SSIM_SIDE:
        raise DataError(f"{path} is too small to compare: leave it out")
    return resize_short_side(pixels, size) if min(pixels.shape[:2]) > size else pixels


def _small(pixels: Pixels) -> Pixels:
    return resize_short_side(pixels, COMMON_SHORT_SIDE)


def _fit(truth: Pixels, photo: Pixels, path: Path) -> Pixels:
    """`truth` at the size of `photo`. Raises DataError where the two show different cuts."""
    shapes = [pixels.shape[1] / pixels.shape[0] for pixels in (truth, photo)]
    if abs(shapes[0] / shapes[1] - 1) > MAX_UNLIKE_SHAPE:
        raise DataError(f"{path} has another shape than its photo, so it is not its truth")
    return resize(truth, photo.shape[:2])


def _middle_square(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    return resize(square, (EMBEDDING_SIDE, EMBEDDING_SIDE))


def _mean(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error."""
    if len(values) < 2:
        return float(np.mean(values)), None
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


class _People:
    """What a look makes of the people in the photos, collected photo by photo.

    Faces: the mean distance that eyes, nose and mouth moved, in distances between the eyes, and the
    share that the detector finds again. Skin: CIEDE2000 on the cheeks, over all faces and by
    tercile of the skin's lightness in the photo; the worst tercile stands beside the mean.
    """

    def __init__(self) -> None:
        self._shifts: list[float] = []
        self._lost = 0
        self._skin: list[SkinChange] = []

    def add(self, photo: Pixels, result: Pixels, truth: Pixels) -> None:
        """One photo, what the look makes of it, and what its skin is measured against."""
        faces = detect_faces(photo)
        shift = metrics.face_shift(result, photo, faces)
        self._shifts += shift.shifts
        self._lost += shift.lost
        changes = (skin_change(result, truth, photo, face) for face in faces)
        self._skin += [change for change in changes if change is not None]

    @property
    def terciles(self) -> tuple[Tercile, ...]:
        """Dark, middle and light skin; nothing where the faces are few."""
        return terciles(self._skin)

    def measures(self, skin: str) -> dict[str, Measure]:
        """Figures of faces and of skin, the latter called `skin`; none where nobody is seen."""
        measures = {}
        if self._shifts:
            measures["face_shift"] = Measure(*_mean(self._shifts), 0.0, "lower")
        if self._shifts or self._lost:
            kept = [1.0] * len(self._shifts) + [0.0] * self._lost
            measures["faces_kept"] = Measure(*_mean(kept), 1.0, "higher")
        if self._skin:
            untouched = float(np.mean([change.untouched for change in self._skin]))
            styled = _mean([change.difference for change in self._skin])
            measures[skin] = Measure(*styled, untouched, "lower")
        if self.terciles:
            worst, before = (
                max(getattr(tercile, part) for tercile in self.terciles)
                for part in ("difference", "untouched")
            )
            measures[f"{skin}_worst_tercile"] = Measure(worst, None, before, "lower")
        return measures

    def notes(self) -> tuple[str, ...]:
        """How the terciles compare, or why there are none."""
        if not self._skin:
            return ()
        if not self.terciles:
            return (
                f"{len(self._skin)} faces are too few to compare light and dark skin, "
                f"which takes {MIN_FACES}",
            )
        told = ", ".join(f"{t.difference:.3g} at L* {t.lightness:.0f}" for t in self.terciles)
        return (f"skin by tercile of lightness, {len(self._skin)} faces: CIEDE2000 {told}",)


def _notes(photos: int, references: int) -> tuple[str, ...]:
    if min(photos, references) >= FEW_PICTURES:
        return ()
    return (
        f"{photos} photos and {references} held-out pictures are few: believe kid_lite1 only as "
        "far as its standard error, and compare only figures from the same pictures",
    )
