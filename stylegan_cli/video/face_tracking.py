"""A style on faces alone: found every few frames, followed in between, with soft edges."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.faces import Box, FaceDetector, detect_faces
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Movement, Pixels, Step

Plane = npt.NDArray[np.float32]

# How often faces are searched for, and how long one takes to come or go, so that none pops.
_SEARCH_S = 0.2
_FADE_S = 0.25

# Searches that may miss a face, a blink or a turn of the head, before it is given up.
_MAX_MISSES = 2

# How far a face that is found again moves to where it was found: detectors tremble.
_PULL = 0.5
_SAME_FACE = 0.3  # intersection over union of two boxes

# Below this mean trust in the flow a face stays where it is: what moved there is not the face.
_LITTLE_TRUST = 0.3

# Half axes of the ellipse that is stylized in full, as shares of the box, and where its edge ends.
_HALF_WIDTH, _HALF_HEIGHT = 0.6, 0.66
_EDGE_ENDS = 1.35


@dataclass(frozen=True, slots=True)
class _Track:
    """One face on its way through the clip. weight: how much of it is stylized by now, 0 to 1."""

    box: Box
    weight: float = 0.0
    misses: int = 0


class FacesOnly:
    """Stylizes the faces in a clip with `style` and leaves every other pixel as it is.

    A face is searched for every few frames and moves with the optical flow in between. found: how
    many frames had one so far.
    """

    def __init__(
        self, style: ClipStyle, frame_rate: float, detector: FaceDetector | None = None
    ) -> None:
        self.found = 0
        self._style = style
        self._detector = detector
        self._movement = Movement()
        self._search_every = max(1, round(_SEARCH_S * frame_rate))
        self._fade = 1 / max(1.0, _FADE_S * frame_rate)
        self._tracks: list[_Track] = []
        self._since = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        self._follow(pixels, self._movement.follow(pixels))
        # Stylized in any case: what the style remembers must not have holes.
        stylized = self._style(pixels)
        visible = [track for track in self._tracks if track.weight > 0]
        if not visible:
            return pixels.copy()
        self.found += 1
        return _blended(pixels, stylized, face_mask(pixels.shape[:2], visible))

    def _follow(self, pixels: Pixels, step: Step | None) -> None:
        is_cut = step is None
        if step is None:
            self._tracks = []
        else:
            scale = pixels.shape[1] / step.flow.shape[1]
            self._tracks = [_moved(track, step, scale) for track in self._tracks]
        self._since += 1
        if is_cut or self._since >= self._search_every:
            self._since = 0
            boxes = [face.box for face in detect_faces(pixels, self._detector)]
            self._tracks = _matched(self._tracks, boxes, new_weight=1.0 if is_cut else 0.0)
        change = [self._fade if not track.misses else -self._fade for track in self._tracks]
        self._tracks = [
            replace(track, weight=min(1.0, max(0.0, track.weight + by)))
            for track, by in zip(self._tracks, change, strict=True)
        ]

    @property
    def notes(self) -> Iterator[str]:
        """A sentence where there was nothing to stylize."""
        if not self.found:
            yield "No face was found, so the clip stays as it was."

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        tracks = [(*track.box, track.weight, track.misses) for track in self._tracks]
        own = {
            "faces": np.array(tracks, np.float64).reshape(-1, 6),
            "faces_counts": np.array([self._since, self.found]),
        }
        if (source := self._movement.memory.get("source")) is not None:
            own["faces_source"] = source
        return {**self._style.memory, **own}

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._style.recall(memory)
        source = memory.get("faces_source")
        self._movement.recall({} if source is None else {"source": source})
        tracks = memory["faces"].tolist() if "faces" in memory else []
        self._tracks = [
            _Track((x, y, width, height), weight, int(misses))
            for x, y, width, height, weight, misses in tracks
        ]
        counts = memory.get("faces_counts", np.array([0, self.found]))
        self._since, self.found = (int(count) for count in counts)


def _moved(track: _Track, step: Step, scale: float) -> _Track:
    """`track` moved by the median of the flow inside; scale: px of the frame per px of the flow."""
    x, y, width, height = track.box
    rows, columns = step.flow.shape[:2]
    left, right = sorted(int(np.clip(edge / scale, 0, columns - 1)) for edge in (x, x + width))
    top, bottom = sorted(int(np.clip(edge / scale, 0, rows - 1)) for edge in (y, y + height))
    inside = slice(top, bottom + 1), slice(left, right + 1)
    if step.trust[inside].mean() < _LITTLE_TRUST:
        return track
    # The flow says where each pixel came from.
    came_x, came_y = np.median(step.flow[inside].reshape(-1, 2), axis=0) * scale
    return replace(track, box=(x - float(came_x), y - float(came_y), width, height))


def _matched(tracks: list[_Track], boxes: list[Box], new_weight: float) -> list[_Track]:
    """The tracks after a search that found `boxes`, largest first."""
    rest = list(tracks)
    followed = []
    for box in boxes:
        same = max(rest, key=lambda track: _overlap(track.box, box), default=None)
        if same is not None and _overlap(same.box, box) >= _SAME_FACE:
            rest.remove(same)
            followed.append(replace(same, box=_between(same.box, box, _PULL), misses=0))
        else:
            followed.append(_Track(box, new_weight))
    missed = [replace(track, misses=track.misses + 1) for track in rest]
    return followed + [track for track in missed if track.misses <= _MAX_MISSES]


def _between(first: Box, second: Box, share: float) -> Box:
    x, y, width, height = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return x, y, width, height


def _overlap(first: Box, second: Box) -> float:
    """Intersection over union."""
    across = min(first[0] + first[2], second[0] + second[2]) - max(first[0], second[0])
    down = min(first[1] + first[3], second[1] + second[3]) - max(first[1], second[1])
    shared = max(0.0, across) * max(0.0, down)
    whole = first[2] * first[3] + second[2] * second[3] - shared
    return shared / whole if whole > 0 else 0.0


def face_mask(shape: tuple[int, ...], tracks: list[_Track]) -> Plane:
    """How much of each pixel of a frame (H, W) is stylized: 1 on a face, 0 away from all."""
    height, width = shape
    mask = np.zeros((height, width), np.float32)
    for track in tracks:
        x, y, box_width, box_height = track.box
        centre_x, centre_y = x + box_width / 2, y + box_height / 2
        across, down = _HALF_WIDTH * box_width, _HALF_HEIGHT * box_height
        left, right = _within(centre_x, across * _EDGE_ENDS, width)
        top, bottom = _within(centre_y, down * _EDGE_ENDS, height)
        columns = (np.arange(left, right, dtype=np.float32) - centre_x) / across
        rows = (np.arange(top, bottom, dtype=np.float32) - centre_y) / down
        distance = np.sqrt(rows[:, None] ** 2 + columns**2)
        edge = np.clip((_EDGE_ENDS - distance) / (_EDGE_ENDS - 1), 0, 1)
        smooth = edge * edge * (3 - 2 * edge)
        part = mask[top:bottom, left:right]
        np.maximum(part, track.weight * smooth, out=part)
    return mask


def _within(centre: float, reach: float, size: int) -> tuple[int, int]:
    """First and last but one px of `centre` ± `reach` inside a side of `size` px."""
    first = int(np.clip(np.floor(centre - reach), 0, size))
    return first, int(np.clip(np.ceil(centre + reach) + 1, first, size))


def _blended(pixels: Pixels, stylized: Pixels, mask: Plane) -> Pixels:
    """`stylized` where `mask` is 1, and the very `pixels` where it is 0."""
    result = pixels.copy()
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    part = slice(y, y + height), slice(x, x + width)
    share = mask[part]
    mixed = cv2.blendLinear(pixels[part], stylized[part], 1 - share, share)
    result[part] = np.where((share > 0)[..., None], mixed, pixels[part])
    return result
