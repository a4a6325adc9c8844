"""How a look treats skin, and whether it treats light and dark skin alike."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000, rgb2lab

from stylegan_cli.faces import Face
from stylegan_cli.pictures import to_unit

MIN_FACES = 9  # three to a tercile; below it a tercile says more of persons than of skin
_OUTWARDS = 0.08  # of the distance between the eyes: a cheek lies outside the line eye - mouth
_CHEEK = 0.16  # of the distance between the eyes: radius of what is looked at
_MIN_PIXELS = 12


@dataclass(frozen=True, slots=True)
class SkinChange:
    """The cheeks of one face.

    lightness: CIELAB L* in the photo, median. difference: mean CIEDE2000 of the result to what it
    is measured against. untouched: the same of the photo.
    """

    lightness: float
    difference: float
    untouched: float


@dataclass(frozen=True, slots=True)
class Tercile:
    """A third of the faces, by the lightness of their skin; means over them."""

    lightness: float
    difference: float
    untouched: float


def skin_change(
    result: np.ndarray, truth: np.ndarray, photo: np.ndarray, face: Face
) -> SkinChange | None:
    """CIEDE2000 (Sharma et al. 2005) on the cheeks of `face`, which was found in `photo`.

    result, truth, photo: (H, W, 3) of one size and any depth. None where too little skin is seen.
    """
    marked = _cheeks(face, photo.shape[:2])
    if marked.sum() < _MIN_PIXELS:
        return None
    ours, true, before = (_lab(to_unit(pixels)[marked]) for pixels in (result, truth, photo))
    return SkinChange(
        lightness=float(np.median(before[:, 0])),
        difference=float(np.mean(deltaE_ciede2000(true, ours))),  # type: ignore[no-untyped-call]
        untouched=float(np.mean(deltaE_ciede2000(true, before))),  # type: ignore[no-untyped-call]
    )


def terciles(changes: Sequence[SkinChange]) -> tuple[Tercile, ...]:
    """Dark, middle and light skin; nothing where the faces are fewer than MIN_FACES."""
    if len(changes) < MIN_FACES:
        return ()
    by_lightness = sorted(changes, key=lambda change: change.lightness)
    values = np.array([(c.lightness, c.difference, c.untouched) for c in by_lightness])
    return tuple(Tercile(*part.mean(0).tolist()) for part in np.array_split(values, 3))


def _cheeks(face: Face, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """(H, W): a disc on each cheek, half way from eye to corner of the mouth."""
    eyes, mouth = (
        np.array(pair)
        for pair in ((face.left_eye, face.right_eye), (face.mouth_left, face.mouth_right))
    )
    across = eyes[1] - eyes[0]
    centres = (eyes + mouth) / 2 + _OUTWARDS * np.stack([-across, across])
    radius = _CHEEK * float(np.linalg.norm(across))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    marked = np.zeros(shape, bool)
    for x, y in centres:
        marked |= (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    return marked


def _lab(colours: np.ndarray) -> np.ndarray:
    """(N, 3) unit → CIELAB, D65."""
    lab: np.ndarray = rgb2lab(np.clip(colours, 0, 1)[None])[0]
    return lab
