"""How close a style comes: to the truth where there is one, else to the creator's pictures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.errors import DataError, PictureError
from stylegan_cli.evaluation import metrics
from stylegan_cli.evaluation.cases import Case, find_cases, style_names
from stylegan_cli.evaluation.config import EvaluationConfig
from stylegan_cli.evaluation.embedding import embed
from stylegan_cli.evaluation.estimates import Better, Measure, mean_of
from stylegan_cli.evaluation.people import People, Tercile
from stylegan_cli.pictures import Pixels, read_rgb, resize, resize_short_side
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizer

Stylize = Callable[[Pixels], Pixels]
Progress = Callable[[int, int], None]

COMMON_SHORT_SIDE = 256  # px: the scale at which patches are compared
FEW_PICTURES = 50  # below it a kernel distance is rough, and the report says so
MAX_ASPECT_DIFFERENCE = 0.02  # of the aspect ratio; beyond it a truth shows something else

TRUTH_MEASURES: Mapping[str, tuple[Callable[[Pixels, Pixels], float], Better]] = {
    "mae": (metrics.mae, "lower"),
    "psnr_db": (metrics.psnr, "higher"),
    "ssim": (metrics.ssim, "higher"),
    "ciede2000": (metrics.ciede2000, "lower"),
    "edge_f_score": (metrics.edge_f_score, "higher"),
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was measured.

    photos: how many were styled and counted. notes: what a reader has to know about the
    measures. failed: one sentence per picture that could not be used.
    """

    photos: int
    measures: Mapping[str, Measure]
    notes: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    skin: tuple[Tercile, ...] = ()  # dark, middle, light


@dataclass(frozen=True, slots=True)
class StyleReport:
    """One style: what it was evaluated on, and how it did."""

    style: str
    case: Case
    comparison: Comparison


def evaluate_styles(
    config: EvaluationConfig, on_progress: Progress | None = None
) -> list[StyleReport]:
    """Evaluate one style, or every creator of a model, as in `find_cases`.

    Raises DataError where there is nothing to compare with, and what opening a style raises.
    """
    cases = find_cases(
        style_names(config.style, config.model),
        config.data,
        paired=config.paired,
        creator=config.creator,
        everything=config.everything,
    )
    device = resolve_device(config.device, needs_torch=config.paired is None)
    steps = [len(case.photos) + len(case.references) for case in cases]
    reports = []
    for index, case in enumerate(cases):
        # Grain is drawn anew for each picture: no truth has the same.
        styling = StylizerConfig(style=case.style, model=config.model, grain=0.0, device=device)
        comparison = measure_style(
            open_configured_stylizer(styling).stylize,
            case,
            size=config.size,
            device=device,
            on_progress=_shifted(on_progress, sum(steps[:index]), sum(steps)),
        )
        reports.append(StyleReport(case.style, case, comparison))
    return reports


def measure_style(
    stylize: Stylize,
    case: Case,
    *,
    size: int = 512,
    device: str = "cpu",
    on_progress: Progress | None = None,
) -> Comparison:
    """Style the photos of `case` and measure. Raises DataError where too few can be read."""
    if case.truths:
        pairs = list(zip(case.photos, case.truths, strict=True))
        return compare_with_truth(stylize, pairs, size=size, on_progress=on_progress)
    return compare_with_creator(
        stylize, case.photos, case.references, size=size, device=device, on_progress=on_progress
    )


def compare_with_truth(
    stylize: Stylize,
    pairs: Sequence[tuple[Path, Path]],
    *,
    size: int = 512,
    on_progress: Progress | None = None,
) -> Comparison:
    """Means over the photos of MAE, PSNR, SSIM, CIEDE2000 and edge F-score against the truth.

    Of people also: faces kept, and CIEDE2000 of their skin to the truth's, see `People`.

    pairs: photo and truth. size: short side in px at which photos are styled and compared;
    smaller ones are not enlarged.
    """
    styled: list[list[float]] = []
    untouched: list[list[float]] = []
    failed: list[str] = []
    people = People()
    for done, (photo_path, truth_path) in enumerate(pairs, 1):
        try:
            photo = _read(photo_path, size)
            truth = _fit(read_rgb(truth_path), photo, truth_path)
        except (PictureError, DataError) as error:
            failed.append(str(error))
        else:
            result = stylize(photo)
            people.add(photo, result, truth)
            styled.append([measure(result, truth) for measure, _ in TRUTH_MEASURES.values()])
            untouched.append([measure(photo, truth) for measure, _ in TRUTH_MEASURES.values()])
        if on_progress:
            on_progress(done, len(pairs))
    if not styled:
        raise DataError(f"none of the {len(pairs)} pairs could be used: {failed[0]}")
    measures = {
        name: Measure(*mean_of(measured), float(np.mean(unchanged)), better)
        for (name, (_, better)), measured, unchanged in zip(
            TRUTH_MEASURES.items(),
            zip(*styled, strict=True),
            zip(*untouched, strict=True),
            strict=True,
        )
    }
    measures |= people.measures("skin_ciede2000")
    return Comparison(len(styled), measures, people.notes(), tuple(failed), people.terciles)


def compare_with_creator(
    stylize: Stylize,
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
    skin_change: CIEDE2000 of the skin to the photo's own, see `People`.
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
    untouched, results = [], []
    structure: list[float] = []
    people = People()
    for photo in readable(photos, len(references)):
        result = stylize(photo)
        untouched.append(_small(photo))
        results.append(_small(result))
        structure.append(metrics.luminance_ssim(result, photo))
        people.add(photo, result, photo)
    if min(len(reals), len(results)) < 2:
        raise DataError(
            f"{len(results)} photos and {len(reals)} held-out pictures of the creator are too few "
            "to compare: it takes at least 2 of each that can be read"
        )
    embedded = embed([*reals, *untouched, *results], device=device)
    real, before, after = np.split(embedded, [len(reals), len(reals) + len(untouched)])
    kid = metrics.kid(after, real)
    untouched_kid = metrics.kid(before, real).value
    swd, untouched_swd = (metrics.patch_swd(pictures, reals) for pictures in (results, untouched))
    measures = {
        "kid_lite1": Measure(kid.value, kid.standard_error, untouched_kid, "lower"),
        "patch_swd": Measure(swd, None, untouched_swd, "lower"),
        "luminance_ssim": Measure(*mean_of(structure), 1.0, "higher"),
        **people.measures("skin_change"),
    }
    notes = _notes(len(results), len(reals)) + people.notes()
    return Comparison(len(results), measures, notes, tuple(failed), people.terciles)


def _shifted(on_progress: Progress | None, before: int, total: int) -> Progress | None:
    """`on_progress` for one part of the work."""
    if on_progress is None:
        return None
    return lambda done, _: on_progress(before + done, total)


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
    if abs(shapes[0] / shapes[1] - 1) > MAX_ASPECT_DIFFERENCE:
        raise DataError(f"{path} has another shape than its photo, so it is not its truth")
    return resize(truth, photo.shape[:2])


def _notes(photos: int, references: int) -> tuple[str, ...]:
    if min(photos, references) >= FEW_PICTURES:
        return ()
    return (
        f"{photos} photos and {references} held-out pictures are few: believe kid_lite1 only as "
        "far as its standard error, and compare only values from the same pictures",
    )
