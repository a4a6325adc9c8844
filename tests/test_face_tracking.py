from pathlib import Path

import cv2
import numpy as np
import pytest
from clip_files import make_clip

from stylegan_cli.clips import ClipFrame, ClipReader, EncoderOptions
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pictures.faces import Face, detect_faces
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.video import VideoConfig, stylize_clip
from stylegan_cli.video.clip_styles import AnyClipStyle
from stylegan_cli.video.face_tracking import FacesOnly
from stylegan_cli.video.optical_flow import Pixels


def negative(pixels: Pixels) -> Pixels:
    return 255 - pixels


def faces_only(steady: float = 0.0) -> FacesOnly:
    return FacesOnly(AnyClipStyle(negative, steady), 25.0)


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    return read_rgb(starter_dir() / "002-synthetic-f_79.jpg", short_side=200)


def frame_with(portrait: Pixels, left: int) -> Pixels:
    """The portrait on a wall with some texture, its left edge so far in."""
    noise = np.random.default_rng(0).integers(90, 170, (18, 30, 3)).astype(np.uint8)
    frame = cv2.resize(noise, (480, 288), interpolation=cv2.INTER_CUBIC)
    height, width = portrait.shape[:2]
    frame[40 : 40 + height, left : left + width] = portrait
    return frame


def centre_of_face(pixels: Pixels) -> tuple[int, int]:
    x, y = detect_faces(pixels)[0].centre
    return round(x), round(y)


def test_a_face_is_stylized_and_the_rest_stays_bit_for_bit(portrait: Pixels) -> None:
    frame = frame_with(portrait, 30)
    result = faces_only()(frame)
    x, y = centre_of_face(frame)
    assert np.array_equal(
        result[y - 20 : y + 20, x - 15 : x + 15], negative(frame)[y - 20 : y + 20, x - 15 : x + 15]
    )
    assert np.array_equal(result[:, 240:], frame[:, 240:])
    assert np.array_equal(result[:10], frame[:10])
    # Between stylized and not there is no edge: the change comes in small steps.
    change = np.abs(result[y].astype(int) - frame[y]).max(axis=1) / np.maximum(
        np.abs(negative(frame)[y].astype(int) - frame[y]).max(axis=1), 1
    )
    assert np.abs(np.diff(change)).max() < 0.15


def test_a_face_is_followed_between_two_searches(portrait: Pixels) -> None:
    searches = 0

    def once(pixels: Pixels) -> list[Face]:
        nonlocal searches
        searches += 1
        return detect_faces(pixels) if searches == 1 else []

    look = FacesOnly(AnyClipStyle(negative, 0.0), 100.0, once)
    for left in range(30, 130, 5):
        frame = frame_with(portrait, left)
        result = look(frame)
    assert searches == 1
    x, y = centre_of_face(frame)
    core = slice(y - 20, y + 20), slice(x - 15, x + 15)
    assert np.array_equal(result[core], negative(frame)[core])
    assert look.found == 20


def test_a_face_that_comes_or_goes_fades(portrait: Pixels) -> None:
    without = frame_with(np.zeros((0, 0, 3), np.uint8), 0)
    look = FacesOnly(AnyClipStyle(lambda p: np.where(p > 127, p - 40, p + 40), 0.0), 25.0)
    assert np.array_equal(look(without), without)
    frame = without.copy()
    frame[40:, 100:300] = frame_with(portrait, 100)[40:, 100:300]
    shares = []
    for number in range(40):
        shown = frame if number < 20 else without
        shares.append(np.abs(look(shown).astype(int) - shown).mean() / 40)
    assert max(shares) > 0.05
    assert max(np.abs(np.diff(shares))) < 0.25 * max(shares)
    assert shares[-1] == 0


def test_what_is_remembered_goes_on_the_same(portrait: Pixels) -> None:
    frames = [frame_with(portrait, 30 + 4 * number) for number in range(12)]
    whole = faces_only(steady=0.5)
    results = [whole(frame) for frame in frames]
    before, after = faces_only(steady=0.5), faces_only(steady=0.5)
    for frame in frames[:7]:
        before(frame)
    after.recall({name: array.copy() for name, array in before.memory.items()})
    for frame, wanted in zip(frames[7:], results[7:], strict=True):
        assert np.array_equal(after(frame), wanted)
    assert after.found == whole.found


def test_a_clip_is_stylized_on_its_faces_alone_and_says_where_there_is_none(
    tmp_path: Path, portrait: Pixels
) -> None:
    clip = make_clip(
        tmp_path / "a.mkv",
        times=range(0, 1000, 100),
        size=(480, 288),
        codec="ffv1",
        pix_fmt="bgr0",
        frame_of=lambda number, *_: frame_with(portrait, 30 + 3 * number),
    )
    lossless = EncoderOptions(codec="ffv1", pix_fmt="bgr0")
    config = VideoConfig(steady=0, faces_only=True, encoder=lossless)
    assert stylize_clip(clip, tmp_path / "b.mkv", negative, config).notes == ()
    for before, after in zip(shown(clip), shown(tmp_path / "b.mkv"), strict=True):
        x, y = centre_of_face(before)
        core = slice(y - 15, y + 15), slice(x - 12, x + 12)
        assert np.array_equal(after[core], negative(before)[core])
        assert np.array_equal(after[:, 300:], before[:, 300:])
    empty = make_clip(tmp_path / "c.mkv", times=range(0, 300, 100))
    notes = stylize_clip(empty, tmp_path / "d.mkv", negative, config).notes
    assert any("No face" in note for note in notes)


def shown(path: Path) -> list[Pixels]:
    with ClipReader(path) as reader:
        return [item.pixels for item in reader if isinstance(item, ClipFrame)]
