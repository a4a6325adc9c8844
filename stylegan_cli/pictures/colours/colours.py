"""From a file's colours to sRGB for the network, and back with what sRGB can't show.

The network works on sRGB. Colours beyond it (Display P3, BT.2020) and light beyond white (PQ, HLG)
are not clipped away: they are stylized as the style goes on beyond the edge of sRGB.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.colours import profiles
from stylegan_cli.pictures.colours.coding import Cicp, tone_mapped
from stylegan_cli.pictures.pixels import Pixels, from_unit, to_unit

Plane: TypeAlias = npt.NDArray[np.float32]
Recolour: TypeAlias = Callable[[Plane], Plane]
"""(N, 3) unit sRGB to the same: what a style does to a colour, wherever in the picture it is."""

_ROWS: Final = 128  # worked on at a time: floats of a whole large picture would not fit into memory
_CLEARLY_BEYOND: Final = 1 / 512  # sRGB values beyond 0 or 1 that are more than rounding
_BRIGHTEST_SHARE: Final = 0.9999  # of the pixels are no brighter than the peak


@dataclass(frozen=True, slots=True)
class Colours:
    """What pixels mean: by code points where there are some, else by profile, else sRGB.

    icc: an RGB profile. cmyk_icc: the CMYK profile of a file whose pixels were brought to sRGB.
    """

    icc: bytes | None = None
    cicp: Cicp | None = None
    cmyk_icc: bytes | None = None

    @property
    def is_srgb(self) -> bool:
        """Whether pixels are sRGB."""
        if self.cicp is not None:
            return self.cicp.is_srgb
        return self.icc is None or profiles.is_srgb(self.icc)

    @property
    def is_hdr(self) -> bool:
        """Whether pixels go beyond the white of an SDR picture."""
        return self.cicp is not None and self.cicp.is_hdr

    def profile(self) -> bytes | None:
        """A profile that says the same; of an HDR picture, of its primaries alone."""
        if self.cicp is None:
            return self.icc
        return None if self.cicp.is_srgb else self.cicp.profile()


SRGB: Final = Colours()


def to_srgb(pixels: Pixels, colours: Colours) -> Pixels:
    """Pixels (H, W, 3) of any type as sRGB of the same type: what the network gets.

    Raises one of PROFILE_ERRORS.
    """
    if colours.is_srgb:
        return pixels
    if colours.is_hdr:
        return _sdr_of(pixels, colours)
    profile = colours.profile()
    assert profile is not None
    return _clipped(profiles.transform(pixels, profile, profiles.srgb_profile()))


def restore(own: Pixels, stylized: Pixels, colours: Colours, recolour: Recolour) -> Pixels:
    """Stylized sRGB pixels in the colours that `own`, the pixels before, are in.

    own, stylized: (H, W, 3) of one type. recolour: where a colour lies beyond sRGB, the style is
    continued as it changes just inside: recolour(inside) - recolour(mirrored inside) is added.
    """
    if colours.is_srgb:
        return stylized
    if colours.is_hdr:
        peak, result = _peak(own, colours), np.empty_like(stylized)
        for rows in _strips(own):
            result[rows] = _hdr_again(own[rows], stylized[rows], colours, peak, recolour)
        return result
    profile = colours.profile()
    assert profile is not None
    result = _clipped(profiles.transform(stylized, profiles.srgb_profile(), profile))
    cells = profiles.cells_beyond_srgb(profile).ravel()
    if not cells.any():
        return result
    for rows in _strips(own):
        flat = own[rows].reshape(-1, 3)
        beyond = np.flatnonzero(np.take(cells, _cell_of(flat)))
        if beyond.size:
            before, after = (
                np.take(pixels, beyond, axis=0) for pixels in (flat, stylized[rows].reshape(-1, 3))
            )
            changed = _extended(before, after, profile, recolour)
            result[rows].reshape(-1, 3)[beyond] = changed
    return result


def _extended(own: Pixels, stylized: Pixels, profile: bytes, recolour: Recolour) -> Pixels:
    """Stylized sRGB (N, 3) in the colours of a profile, with what `own` has beyond sRGB.

    Each colour is worked on once, however many pixels have it.
    """
    pairs, pair_of = _distinct(np.hstack([own, stylized]))
    colours, colour_of = _distinct(pairs[:, :3])
    linear = profiles.linear_srgb(to_unit(colours), profile)
    change = _change_beyond(profiles.srgb_of_linear(linear), recolour)
    carried = to_unit(pairs[:, 3:]) + change[colour_of]
    back = profiles.from_linear_srgb(profiles.linear_of_srgb(carried), profile)
    return from_unit(back, own.dtype)[pair_of]


def _distinct(rows: Pixels) -> tuple[Pixels, npt.NDArray[np.intp] | slice]:
    """The different ones of `rows` (N, up to 8), and which of them each row is.

    Of 8 bits alone: deeper pixels are seldom alike, and are left as they are.
    """
    if rows.dtype != np.uint8:
        return rows, slice(None)
    padded = np.zeros((len(rows), 8), np.uint8)
    padded[:, : rows.shape[1]] = rows
    found, which = np.unique(padded.view(np.uint64)[:, 0], return_inverse=True)
    return found.view(np.uint8).reshape(-1, 8)[:, : rows.shape[1]], which


def _change_beyond(extended: Plane, recolour: Recolour) -> Plane:
    """What a style adds, (N, 3), to colours for what `extended`, their sRGB, has beyond 0 and 1."""
    inside = np.clip(extended, 0, 1)
    beyond = extended - inside
    where = (np.abs(beyond) > _CLEARLY_BEYOND).any(axis=1)
    change = np.zeros(extended.shape, np.float32)
    if where.any():
        edge = inside[where].astype(np.float32)
        mirrored = np.clip(edge - beyond[where], 0, 1).astype(np.float32)
        change[where] = recolour(edge) - recolour(mirrored)
    return change


def _sdr_of(pixels: Pixels, colours: Colours) -> Pixels:
    """An HDR picture as an SDR screen shows it, in sRGB."""
    peak, result = _peak(pixels, colours), np.empty_like(pixels)
    for rows in _strips(pixels):
        light, ratio = _sdr_light(pixels[rows], colours, peak)
        light *= ratio[..., None]
        result[rows] = from_unit(profiles.srgb_of_linear(_turned(light, colours)), pixels.dtype)
    return result


def _hdr_again(
    own: Pixels, stylized: Pixels, colours: Colours, peak: float, recolour: Recolour
) -> Pixels:
    """Stylized sRGB with the light that each pixel of `own` has beyond its SDR picture."""
    assert colours.cicp is not None
    light, ratio = _sdr_light(own, colours, peak)
    extended = profiles.srgb_of_linear(_turned(light * ratio[..., None], colours)).reshape(-1, 3)
    change = _change_beyond(np.asarray(extended, np.float32), recolour)
    carried = to_unit(stylized).reshape(-1, 3) + change
    linear = np.asarray(profiles.linear_of_srgb(carried), np.float32)
    back = linear @ np.linalg.inv(colours.cicp.to_linear_srgb()).T.astype(np.float32)
    back = back.reshape(own.shape) / ratio[..., None]
    return _of_type(colours.cicp.codes(back), own.dtype)


def _sdr_light(pixels: Pixels, colours: Colours, peak: float) -> tuple[Plane, Plane]:
    """Linear light (H, W, 3) in the picture's own primaries, and by how much SDR dims it (H, W)."""
    assert colours.cicp is not None
    light = colours.cicp.light(_of_type(pixels, np.uint16))
    brightest = np.maximum(light.max(axis=-1), np.float32(1e-6))
    return light, tone_mapped(brightest, peak) / brightest


def _turned(light: Plane, colours: Colours) -> Plane:
    assert colours.cicp is not None
    return np.asarray(light @ colours.cicp.to_linear_srgb().T, np.float32)


def _peak(pixels: Pixels, colours: Colours) -> float:
    """The light of the brightest parts of an HDR picture, SDR white 1."""
    assert colours.cicp is not None
    step = max(1, int((pixels.shape[0] * pixels.shape[1] / 1e6) ** 0.5))
    sample = _of_type(pixels[::step, ::step], np.uint16)
    light = colours.cicp.light(np.ascontiguousarray(sample)).max(axis=-1)
    return float(np.quantile(light, _BRIGHTEST_SHARE))


def _strips(pixels: Pixels) -> Iterator[slice]:
    return (slice(row, row + _ROWS) for row in range(0, pixels.shape[0], _ROWS))


def _cell_of(pixels: Pixels) -> npt.NDArray[np.uint16]:
    """Which part of the colour cube each pixel (N, 3) lies in, (N,), the red slowest."""
    if pixels.dtype == np.float32:
        pixels = from_unit(pixels, np.uint16)
    red, green, blue = (pixels >> (pixels.itemsize * 8 - 5)).astype(np.uint16).T
    cells: npt.NDArray[np.uint16] = (red << 10) | (green << 5) | blue
    return cells


def _clipped(pixels: Pixels) -> Pixels:
    return np.clip(pixels, 0, 1) if pixels.dtype == np.float32 else pixels


def _of_type(pixels: Pixels, dtype: npt.DTypeLike) -> Pixels:
    return pixels if pixels.dtype == np.dtype(dtype) else from_unit(to_unit(pixels), dtype)
