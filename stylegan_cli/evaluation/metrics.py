"""What can be measured: arrays in, numbers out.

Pictures are (H, W, 3) RGB in encoded sRGB, uint8, uint16 or float in [0, 1]; two that are compared
have one size. The result comes first, what it is measured against second. A comparison of pictures
of unlike size, and a measurement that has too little to go on, raise DataError.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from stylegan_cli.colour import LUMA
from stylegan_cli.errors import DataError
from stylegan_cli.pictures import from_unit, resize_short_side, to_unit
from stylegan_cli.pictures.faces import Face, detect_faces
from stylegan_cli.runtime.randomness import numpy_generator

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]

BEST_PSNR_DB = 100.0  # what equal pictures get: a mean of decibels has to stay finite
EDGE_SHORT_SIDE = 256  # px: the scale at which edges are compared
SMALLEST_SSIM_SIDE = 11  # px: the window of the structural similarity
MAX_FACE_SHIFT = 0.5  # of the distance between the eyes; beyond it, it is another face


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value measured on a sample, and how far it may be off: one standard error."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class FaceShift:
    """What became of the faces of one picture.

    shifts: per face found again, the mean distance its five points moved, in distances between the
        eyes. lost: how many were not found again.
    """

    shifts: tuple[float, ...]
    lost: int


def mae(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean absolute difference of the values, in [0, 1]."""
    result, truth = _pair(result, truth)
    return float(np.abs(result - truth).mean(dtype=np.float64))


def psnr(result: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(1 / MSE); equal pictures get 100."""
    result, truth = _pair(result, truth)
    error = np.square(result - truth).mean(dtype=np.float64)
    return float(-10 * np.log10(max(error, 10 ** (-BEST_PSNR_DB / 10))))


def ssim(result: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity, at most 1: the mean over channels and positions.

    Wang et al. 2004 with that paper's settings: a Gaussian window of deviation 1.5 px (11 x 11) and
    population covariances.
    """
    return _ssim(*_pair(result, truth))


def luminance_ssim(result: np.ndarray, source: np.ndarray) -> float:
    """Structural similarity of the luma (ITU-R BT.601) alone: how much structure a style keeps."""
    result, source = _pair(result, source)
    return _ssim(result @ LUMA[:, None], source @ LUMA[:, None])


def ciede2000(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean colour difference CIEDE2000 (Sharma et al. 2005), D65; about 1 is just seen."""
    result, truth = _pair(result, truth)
    difference = deltaE_ciede2000(rgb2lab(truth), rgb2lab(result))  # type: ignore[no-untyped-call]
    return float(np.mean(difference))


def edges(pixels: np.ndarray) -> Mask:
    """Where the edges are, at a short side of 256 px (Canny 1986, on the luma).

    Smoothed by 1 px; hysteresis at 40 and 120 of the Sobel gradient, where a full step is 1020:
    low enough for pencil and the outline of a cheek.
    """
    luma = to_unit(resize_short_side(pixels, EDGE_SHORT_SIDE)) @ LUMA
    smooth = cv2.GaussianBlur(np.clip(luma * 255, 0, 255).astype(np.uint8), (0, 0), 1.0)
    marked: Mask = cv2.Canny(smooth, 40, 120, L2gradient=True) > 0
    return marked


def edge_f_score(result: np.ndarray, truth: np.ndarray, tolerance_px: float = 2) -> float:
    """How well the edges agree, 0 to 1: the harmonic mean of precision and recall.

    An edge pixel counts as found where the other picture has one within `tolerance_px` at a short
    side of 256 (the measure of Martin et al. 2004 without its one-to-one matching). Two pictures
    without any edge agree.
    """
    found, true = edges(result), edges(truth)
    if not found.any() and not true.any():
        return 1.0
    precision = 1 - share_far_from(found, true, tolerance_px)
    recall = 1 - share_far_from(true, found, tolerance_px)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def kid(
    results: Floats, reals: Floats, *, draws: int = 200, seed: int = 0, max_samples: int = 2000
) -> Estimate:
    """Kernel distance of two sets of features: the unbiased estimate, about 0 for like sets.

    Squared maximum mean discrepancy under the kernel (x y / d + 1)^3 (Bińkowski et al. 2018,
    eq. 4 and section 4). Their kernel inception distance is this on Inception's features; the
    number depends on the network, so it can be compared with none that was taken on another.
    The standard error is that of `draws` bootstrap samples of both sets, leaving out the pairs of
    a picture with itself, which would bias it.

    results: (N, D) and reals: (M, D) features, at least 2 of each; of more than
    `max_samples`, a draw.
    """
    if min(len(results), len(reals)) < 2:
        raise DataError(
            f"a kernel distance needs at least 2 pictures on each side, got {len(results)} "
            f"and {len(reals)}: add pictures"
        )
    rng = numpy_generator(seed, 0, "kernel distance")
    x, y = (_sampled(features, max_samples, rng) for features in (results, reals))
    kernels = _cubic(x, x), _cubic(y, y), _cubic(x, y)
    value = _discrepancy(np.ones((1, len(x))), np.ones((1, len(y))), *kernels)[0]
    resampled = _discrepancy(_resample(len(x), draws, rng), _resample(len(y), draws, rng), *kernels)
    return Estimate(float(value), float(np.nanstd(resampled, ddof=1)))


def patch_swd(
    results: Sequence[np.ndarray],
    reals: Sequence[np.ndarray],
    *,
    patch_px: int = 7,
    patches: int = 32768,
    projections: int = 128,
    seed: int = 0,
) -> float:
    """Sliced Wasserstein distance between the colour patches of two sets, times 1000.

    The mean over random directions of the 1-Wasserstein distance of the projected patches (Rabin et
    al. 2011), on patches as in Karras et al. 2018 (section 5), but of one scale and with their
    colours. About as many patches come from each picture. Bring both sets to one short side first.
    """
    x = _draw_patches(results, patch_px, patches, numpy_generator(seed, 0, "patches of results"))
    y = _draw_patches(reals, patch_px, patches, numpy_generator(seed, 0, "patches of reals"))
    rng = numpy_generator(seed, 0, "patch projections")
    directions = rng.standard_normal((x.shape[1], projections)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    gaps = np.abs(np.sort(x @ directions, axis=0) - np.sort(y @ directions, axis=0))
    return float(1000 * gaps.mean(dtype=np.float64))


def face_shift(
    result: np.ndarray, source: np.ndarray, before: Sequence[Face] | None = None
) -> FaceShift:
    """How far eyes, nose and mouth of each face of `source` have moved in `result`.

    before: the faces of `source`, where they are known.
    """
    result, source = _pair(result, source)
    found = detect_faces(from_unit(result, np.uint8))
    shifts: list[float] = []
    if before is None:
        before = detect_faces(from_unit(source, np.uint8))
    for face in before:
        nearest = min((_shift_between(face, other) for other in found), default=np.inf)
        if nearest <= MAX_FACE_SHIFT:
            shifts.append(nearest)
    return FaceShift(tuple(shifts), len(before) - len(shifts))


def _pair(result: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if result.shape != truth.shape:
        raise DataError(
            f"pictures of {_size(result)} and {_size(truth)} can't be compared: "
            "bring them to one size first"
        )
    return np.clip(to_unit(result), 0, 1), np.clip(to_unit(truth), 0, 1)


def _size(pixels: np.ndarray) -> str:
    return f"{pixels.shape[1]}x{pixels.shape[0]} px"


def _ssim(one: np.ndarray, other: np.ndarray) -> float:
    if min(one.shape[:2]) < SMALLEST_SSIM_SIDE:
        raise DataError(
            f"structural similarity needs {SMALLEST_SSIM_SIDE} px on each side, "
            f"got a picture of {_size(one)}: leave it out"
        )
    similarity = structural_similarity(  # type: ignore[no-untyped-call]
        one,
        other,
        data_range=1.0,
        channel_axis=-1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(similarity)


def share_far_from(marked: Mask, others: Mask, tolerance_px: float) -> float:
    """Share of the pixels of `marked` with none of `others` within the tolerance."""
    if not others.any() or not marked.any():
        return 1.0
    distance = cv2.distanceTransform((~others).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[marked] > tolerance_px).mean())


def _sampled(
    features: Floats, max_samples: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    if len(features) > max_samples:
        features = features[np.sort(rng.permutation(len(features))[:max_samples])]
    return features.astype(np.float64)


def _cubic(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    kernel: npt.NDArray[np.float64] = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _resample(count: int, draws: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """How often each of `count` is drawn, per bootstrap sample. Shape (draws, count)."""
    return rng.multinomial(count, np.full(count, 1 / count), draws).astype(np.float64)


def _discrepancy(
    weights_x: npt.NDArray[np.float64],
    weights_y: npt.NDArray[np.float64],
    kernel_xx: npt.NDArray[np.float64],
    kernel_yy: npt.NDArray[np.float64],
    kernel_xy: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Unbiased squared discrepancy of weighted samples, one per row of weights."""
    across = np.einsum("bi,ij,bj->b", weights_x, kernel_xy, weights_y, optimize=True)
    across /= weights_x.sum(1) * weights_y.sum(1)
    within = _mean_of_pairs(weights_x, kernel_xx) + _mean_of_pairs(weights_y, kernel_yy)
    discrepancy: npt.NDArray[np.float64] = within - 2 * across
    return discrepancy


def _mean_of_pairs(
    weights: npt.NDArray[np.float64], kernel: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Weighted mean of the kernel over pairs of unlike pictures; NaN where there is no pair."""
    pairs = weights.sum(1) ** 2 - np.square(weights).sum(1)
    total = np.einsum("bi,ij,bj->b", weights, kernel, weights, optimize=True)
    total -= np.square(weights) @ np.diag(kernel)
    mean: npt.NDArray[np.float64] = total / np.where(pairs > 0, pairs, np.nan)
    return mean


def _draw_patches(
    pictures: Sequence[np.ndarray], patch_px: int, patches: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """(patches, 3 * patch_px²) unit values from random places, as many from each picture."""
    if not len(pictures) or min(min(picture.shape[:2]) for picture in pictures) < patch_px:
        raise DataError(
            f"patches need at least one picture on each side, and {patch_px} px each way: "
            "add pictures"
        )
    shares = np.array_split(np.arange(patches), len(pictures))
    drawn = [
        _patches_of(to_unit(picture), patch_px, len(share), rng)
        for picture, share in zip(pictures, shares, strict=True)
    ]
    return np.concatenate(drawn)


def _patches_of(
    unit: np.ndarray, patch_px: int, count: int, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    windows = np.lib.stride_tricks.sliding_window_view(unit, (patch_px, patch_px), axis=(0, 1))
    rows = rng.integers(windows.shape[0], size=count)
    columns = rng.integers(windows.shape[1], size=count)
    return windows[rows, columns].reshape(count, -1).astype(np.float32)


def _shift_between(face: Face, other: Face) -> float:
    """Mean distance between the five points of two faces, in distances between the first's eyes."""
    before, after = (
        np.array([f.left_eye, f.right_eye, f.nose, f.mouth_left, f.mouth_right])
        for f in (face, other)
    )
    between_eyes = max(1.0, float(np.linalg.norm(before[0] - before[1])))
    return float(np.linalg.norm(before - after, axis=1).mean() / between_eyes)
