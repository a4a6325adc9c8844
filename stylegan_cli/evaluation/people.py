"""How a style treats people: their faces, and light and dark skin."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from skimage.color import deltaE_ciede2000, rgb2lab

from stylegan_cli.evaluation import metrics
from stylegan_cli.evaluation.estimates import Measure, mean_of
from stylegan_cli.pictures import Pixels, to_unit
from stylegan_cli.pictures.faces import Face, detect_faces

MIN_FACES = 9  # three to a tercile; below it a tercile depends on persons more than on skin
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
    marked = cheek_mask(face, photo.shape[:2])
    if marked.sum() < _MIN_PIXELS:
        return None
    found, true, before = (_lab(to_unit(pixels)[marked]) for pixels in (result, truth, photo))
    return SkinChange(
        lightness=float(np.median(before[:, 0])),
        difference=float(np.mean(deltaE_ciede2000(true, found))),  # type: ignore[no-untyped-call]
        untouched=float(np.mean(deltaE_ciede2000(true, before))),  # type: ignore[no-untyped-call]
    )


def terciles(changes: Sequence[SkinChange]) -> tuple[Tercile, ...]:
    """Dark, middle and light skin; nothing where the faces are fewer than MIN_FACES."""
    if len(changes) < MIN_FACES:
        return ()
    by_lightness = sorted(changes, key=lambda change: change.lightness)
    values = np.array([(c.lightness, c.difference, c.untouched) for c in by_lightness])
    return tuple(Tercile(*part.mean(0).tolist()) for part in np.array_split(values, 3))


class People:
    """What a style does to the people in photos, collected photo by photo.

    Faces: the mean distance that eyes, nose and mouth moved, in distances between the eyes, and the
    share that the detector finds again. Skin: CIEDE2000 on the cheeks, over all faces and by
    tercile of the skin's lightness in the photo; the worst tercile stands beside the mean.
    """

    def __init__(self) -> None:
        self._shifts: list[float] = []
        self._lost = 0
        self._skin: list[SkinChange] = []

    def add(self, photo: Pixels, result: Pixels, truth: Pixels) -> None:
        """One photo, its result, and what the skin of the result is compared with."""
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
        """Measures of faces and of skin, the latter called `skin`; none where nobody is seen."""
        measures = {}
        if self._shifts:
            measures["face_shift"] = Measure(*mean_of(self._shifts), 0.0, "lower")
        if self._shifts or self._lost:
            kept = [1.0] * len(self._shifts) + [0.0] * self._lost
            measures["faces_kept"] = Measure(*mean_of(kept), 1.0, "higher")
        if self._skin:
            untouched = float(np.mean([change.untouched for change in self._skin]))
            styled = mean_of([change.difference for change in self._skin])
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
        found = ", ".join(f"{t.difference:.3g} at L* {t.lightness:.0f}" for t in self.terciles)
        return (f"skin by tercile of lightness, {len(self._skin)} faces: CIEDE2000 {found}",)


def cheek_mask(face: Face, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
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
