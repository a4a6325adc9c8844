"""A style on a picture of any size: a colour table at full size, and a residue from a working copy.

The table is the per-pixel part of the look, exact at every pixel. What the look does in space is
computed on a working copy and brought up: by local affine maps of the working picture where it
follows the picture (photographic), by plain enlargement where it has lines of its own (drawn).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageFilter

from stylegan_cli.backends import Painter
from stylegan_cli.colour import apply_table, lattice
from stylegan_cli.networks.architecture import STRIDE
from stylegan_cli.networks.folding import apply_colour
from stylegan_cli.pictures import resize, to_unit

TABLE_SIZE = 33  # points per channel
BORDER = 16  # px mirrored around the working copy, so that its edge is painted like its middle
MOST_WORKING_PIXELS = 4_000_000
GUIDE_SHARE = 1 / 48  # of the working short side: radius of the local affine maps
GUIDE_NOISE = 1e-4  # variance, unit colours: what counts as flat
MOST_STRIP_PIXELS = 1 << 21  # full-size pixels in hand at a time

Pixels = np.ndarray


def bake_table(
    folded: Mapping[str, np.ndarray], calibration: np.ndarray | None, size: int = TABLE_SIZE
) -> np.ndarray:
    """The per-pixel part of a folded style as a table, (size, size, size, 3) float32 in [0, 1]."""
    colours: np.ndarray = np.clip(apply_colour(folded, lattice(size)), 0, 1)
    if calibration is not None:
        colours = np.clip(apply_table(colours, calibration), 0, 1)
    return colours.reshape(size, size, size, 3)


def look_up(pixels: Pixels, table: np.ndarray) -> np.ndarray:
    """`table` applied to pixels (H, W, 3) of any depth. Returns unit float32 (H, W, 3).

    8-bit pixels go through Pillow's trilinear look-up, which answers in 8 bits.
    """
    if pixels.dtype == np.uint8:
        size = len(table)
        # Pillow wants the first channel to change fastest.
        values = np.ascontiguousarray(table.transpose(2, 1, 0, 3)).ravel()
        cube = ImageFilter.Color3DLUT(size, values, _copy_table=False)
        painted = Image.fromarray(np.ascontiguousarray(pixels)).filter(cube)
        return to_unit(np.asarray(painted))
    rows = max(1, MOST_STRIP_PIXELS // pixels.shape[1])
    strips = [pixels[y : y + rows] for y in range(0, len(pixels), rows)]
    done = [apply_table(to_unit(s).reshape(-1, 3), table).reshape(s.shape) for s in strips]
    return np.concatenate(done).astype(np.float32)


def working_copy(pixels: Pixels, short_side: int) -> np.ndarray:
    """`pixels` brought to `short_side` (never enlarged), unit float32; very long pictures less."""
    height, width = pixels.shape[:2]
    scale = min(1.0, short_side / min(height, width))
    scale = min(scale, (MOST_WORKING_PIXELS / (height * width)) ** 0.5)
    if scale == 1:
        return to_unit(pixels)
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    return np.clip(to_unit(resize(pixels, size)), 0, 1)


def run_painter(painter: Painter, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Toned picture and residue of a working copy, both (H, W, 3) on unit scale."""
    height, width = unit.shape[:2]
    pad_down = BORDER + -(height + 2 * BORDER) % STRIDE
    pad_right = BORDER + -(width + 2 * BORDER) % STRIDE
    # Mirrored borders need more picture than border; a strip or a dot repeats its edge instead.
    mode = (
        cv2.BORDER_REFLECT_101
        if min(height, width) > pad_down + pad_right
        else cv2.BORDER_REPLICATE
    )
    padded = cv2.copyMakeBorder(unit, BORDER, pad_down, BORDER, pad_right, mode)
    image = np.ascontiguousarray(padded.transpose(2, 0, 1)[None] * 2 - 1, np.float32)
    toned, residue = (
        array[0].transpose(1, 2, 0)[BORDER : BORDER + height, BORDER : BORDER + width]
        for array in painter(image)
    )
    return (toned + 1) / 2, residue / 2


@dataclass(frozen=True, slots=True, eq=False)
class AffineResidue:
    """A residue as local affine maps of the working picture: `residue = x @ slope + level`."""

    slope: np.ndarray  # (h, w, 3, 3), from guide channel to residue channel
    level: np.ndarray  # (h, w, 3)


def fit_affine(working: np.ndarray, residue: np.ndarray) -> AffineResidue:
    """Local affine maps from the working picture to its residue.

    The guided filter with a colour guide (He, Sun & Tang 2013, eq. 14-15), coefficients averaged
    over the window. working, residue: (h, w, 3) unit float32.
    """
    radius = max(1, round(min(working.shape[:2]) * GUIDE_SHARE))

    def mean(array: np.ndarray) -> np.ndarray:
        window = (2 * radius + 1, 2 * radius + 1)
        return cv2.blur(array, window, borderType=cv2.BORDER_REFLECT).reshape(array.shape)

    mean_x, mean_r = mean(working), mean(residue)
    pairs = [(i, j) for i in range(3) for j in range(i, 3)]
    products = np.stack([working[..., i] * working[..., j] for i, j in pairs], -1)
    covariance = np.empty((*working.shape[:2], 3, 3), np.float32)
    for k, (i, j) in enumerate(pairs):
        entry = mean(products[..., k]) - mean_x[..., i] * mean_x[..., j]
        covariance[..., i, j] = covariance[..., j, i] = entry
    covariance += GUIDE_NOISE * np.eye(3, dtype=np.float32)
    cross = np.empty_like(covariance)  # of guide channel i with residue channel c
    for i in range(3):
        cross[..., i, :] = mean(working[..., i : i + 1] * residue) - mean_x[..., i : i + 1] * mean_r
    slope = np.linalg.solve(covariance, cross)
    level = mean_r - np.einsum("hwi,hwic->hwc", mean_x, slope)
    smooth = np.stack([mean(np.ascontiguousarray(slope[..., i, :])) for i in range(3)], axis=2)
    return AffineResidue(smooth, mean(level))


def render(
    pixels: Pixels,
    table: np.ndarray,
    residue: np.ndarray,
    working: np.ndarray,
    *,
    follows_picture: bool,
) -> np.ndarray:
    """The full-size result, unit float32 (H, W, 3).

    pixels: the full-size picture. table: from bake_table. residue, working: (h, w, 3) unit, the
    residue to add to the toned working copy, and the working copy.
    follows_picture: bring the residue up by local affine maps of the picture.
    """
    result = look_up(pixels, table)
    height, width = result.shape[:2]
    if residue.shape[:2] == (height, width):
        return _clipped(result + residue)
    if not follows_picture:
        result += cv2.resize(residue, (width, height), interpolation=cv2.INTER_CUBIC)
        return _clipped(result)
    return _clipped(result + enlarge_residue(fit_affine(working, residue), pixels))


def enlarge_residue(maps: AffineResidue, pixels: Pixels) -> np.ndarray:
    """The residue of a full-size picture (H, W, 3) of any depth; float32, unit scale."""
    height, width = pixels.shape[:2]
    rows = max(1, MOST_STRIP_PIXELS // width)
    strips = [slice(top, min(height, top + rows)) for top in range(0, height, rows)]
    return np.concatenate([_affine_strip(maps, to_unit(pixels[s]), s, height) for s in strips])


def _affine_strip(maps: AffineResidue, unit: np.ndarray, strip: slice, height: int) -> np.ndarray:
    """The residue of rows `strip` of a picture `height` px high; `unit`: those rows."""
    added = _enlarged_rows(maps.level, unit.shape[1], strip, height)
    for i in range(3):
        slope = _enlarged_rows(maps.slope[..., i, :], unit.shape[1], strip, height)
        added += unit[..., i : i + 1] * slope
    return added


def _enlarged_rows(array: np.ndarray, width: int, strip: slice, height: int) -> np.ndarray:
    """Rows `strip` of `array` (h, w, 3) enlarged bilinearly to (height, width)."""
    h, w = array.shape[:2]
    y = (np.arange(strip.start, strip.stop, dtype=np.float32) + 0.5) * h / height - 0.5
    x = (np.arange(width, dtype=np.float32) + 0.5) * w / width - 0.5
    x_map, y_map = np.meshgrid(np.clip(x, 0, w - 1), np.clip(y, 0, h - 1))
    return cv2.remap(np.ascontiguousarray(array), x_map, y_map, cv2.INTER_LINEAR)


def _clipped(unit: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.clip(unit, 0, 1)
    return result
