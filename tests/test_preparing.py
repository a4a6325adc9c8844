"""Data sets from raw pictures: the promises of stylegan_cli.preparing on real files."""

import hashlib
import itertools
import json
import math
import os
import re
import shutil
import struct
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from stylegan_cli.errors import (
    BusyError,
    ConfigError,
    DataError,
    OutputExistsError,
    UsageError,
    WriteError,
)
from stylegan_cli.pictures import read_rgb, resize
from stylegan_cli.pictures.faces import Face, detect_faces
from stylegan_cli.preparing import (
    PrepConfig,
    PrepSummary,
    Reason,
    prepare,
    read_manifest,
)
from stylegan_cli.preparing.framing import Crop, cut_out, frame_face, frame_whole
from stylegan_cli.preparing.manifest import last_line
from stylegan_cli.preparing.quality import (
    RELATED_PICTURES,
    SAME_PICTURE,
    hash_distance,
    perceptual_hash,
    sharpness,
)
from stylegan_cli.runtime.files import claimed

STARTER = Path(__file__).parents[1] / "stylegan_cli" / "starter"
PORTRAITS = sorted(STARTER.glob("*-synthetic-*.jpg"))
SMALL = PrepConfig(size=128)
FRAMES_ONLY = PrepConfig(size=64, faces="off")


def scene(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """A sharp picture unlike that of any other seed, (height, width, 3) uint8."""
    rng = np.random.default_rng(seed)
    rough = resize(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8), (height, width))
    fine = rng.integers(-20, 21, (height, width, 1))
    return np.clip(rough + fine, 0, 255).astype(np.uint8)


def save(pixels: np.ndarray, path: Path, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def save_scenes(folder: Path, count: int, start: int = 0) -> Path:
    for seed in range(start, start + count):
        save(scene(seed), folder / f"{seed:03}.png")
    return folder


def save_clip(path: Path, scenes: int, fps: int = 10) -> Path:
    """A clip that changes scene every second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(scenes * fps):
            frame = av.VideoFrame.from_ndarray(scene(1000 + number // fps), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def outputs(data: Path) -> list[str]:
    return sorted(str(path.relative_to(data)) for path in data.rglob("*.jpg"))


def contents(folder: Path) -> dict[str, str]:
    """Every file below `folder` by a hash of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def reasons(data: Path) -> Counter[str]:
    return Counter(entry.reason for entry in read_manifest(data) if entry.reason)


def a_face(x: float, y: float, height: float, roll_deg: float) -> Face:
    """A face of ordinary proportions with its box centre at (x, y)."""
    cos, sin = math.cos(math.radians(roll_deg)), math.sin(math.radians(roll_deg))

    def at(across: float, down: float) -> tuple[float, float]:
        return (
            x + height * (across * cos - down * sin),
            y + height * (across * sin + down * cos),
        )

    return Face(
        (x - 0.4 * height, y - height / 2, 0.8 * height, height),
        1.0,
        at(-0.18, -0.1),
        at(0.18, -0.1),
        at(0.0, 0.05),
        at(-0.14, 0.22),
        at(0.14, 0.22),
    )


# Framing


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    height=st.integers(60, 900),
    width=st.integers(60, 900),
    x=st.floats(0, 1),
    y=st.floats(0, 1),
    face_height=st.floats(0.1, 0.9),
    roll_deg=st.floats(-44, 44),
    margin=st.floats(0, 2),
    enough_side=st.integers(1, 512),
)
def test_a_crop_reaches_past_the_border_by_a_tenth_at_most(
    height: int,
    width: int,
    x: float,
    y: float,
    face_height: float,
    roll_deg: float,
    margin: float,
    enough_side: int,
) -> None:
    face = a_face(x * width, y * height, face_height * min(height, width), roll_deg)
    crop = frame_face(face, height, width, margin, enough_side, 1)
    assert 1 <= crop.side <= min(height, width)
    reach = crop.side / 2
    cos, sin = math.cos(math.radians(crop.angle_deg)), math.sin(math.radians(crop.angle_deg))
    outside = 0.0
    for u, v in itertools.product((-reach, reach), repeat=2):
        corner_x = crop.centre[0] + cos * u - sin * v
        corner_y = crop.centre[1] + sin * u + cos * v
        outside = max(outside, -corner_x, -corner_y, corner_x - width, corner_y - height)
    assert outside <= (0.1 * crop.side if crop.angle_deg else 0.0) + 1e-6


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    x=st.floats(0.3, 0.7),
    y=st.floats(0.3, 0.7),
    roll_deg=st.floats(-40, 40),
    size=st.floats(0.1, 0.5),
)
def test_eyes_nose_and_mouth_are_inside_the_crop(
    x: float, y: float, roll_deg: float, size: float
) -> None:
    face = a_face(x * 640, y * 480, size * 480, roll_deg)
    crop = frame_face(face, 480, 640, 0.6, 1, 1)
    for point in (face.left_eye, face.right_eye, face.nose, face.mouth_left, face.mouth_right):
        assert crop.holds(point)


def test_a_tilted_face_in_the_corner_is_rather_not_turned_than_cut_off() -> None:
    face = a_face(30, 30, 60, 35)
    crop = frame_face(face, 400, 400, 3.0, 1, 1)
    assert crop.holds(face.left_eye)
    assert crop.holds(face.right_eye)
    assert crop.angle_deg == 0.0


def test_a_turn_that_would_leave_too_little_is_not_made() -> None:
    face = a_face(128, 128, 100, 25)
    turned = frame_face(face, 256, 256, 2.0, 512, 200)
    level = frame_face(face, 256, 256, 2.0, 512, 256)
    assert turned.angle_deg == pytest.approx(25)
    assert 200 <= turned.side < 256
    assert (level.angle_deg, level.side) == (0.0, 256)


def test_a_face_in_profile_does_not_turn_the_picture() -> None:
    face = Face(
        (100, 100, 80, 100), 1.0, (120, 130), (130, 133), (110, 150), (118, 175), (124, 176)
    )
    assert face.roll_deg > 15
    assert frame_face(face, 400, 400, 0.5, 1, 1).angle_deg == 0.0


def test_more_of_the_picture_is_taken_rather_than_the_face_enlarged() -> None:
    face = a_face(500, 500, 60, 0)
    assert frame_face(face, 1000, 1000, 0.5, 1, 1).side == 120
    assert frame_face(face, 1000, 1000, 0.5, 512, 1).side == 512
    assert frame_face(face, 1000, 400, 0.5, 512, 1).side == 400


def test_a_level_crop_at_its_own_size_keeps_every_pixel() -> None:
    pixels = scene(0)
    square = cut_out(pixels, Crop((70.0, 60.0), 100), 100)
    assert np.array_equal(square, pixels[10:110, 20:120])
    whole = cut_out(pixels, frame_whole(120, 160), 120)
    assert np.array_equal(whole, pixels[:, 20:140])


@pytest.mark.parametrize("roll_deg", [-30, 10, 25])
def test_turning_brings_the_eyes_to_one_height_left_one_left(roll_deg: float) -> None:
    face = a_face(200, 150, 120, roll_deg)
    pixels = np.zeros((300, 400, 3), np.uint8)
    for colour, eye in ((0, face.left_eye), (1, face.right_eye)):
        x, y = round(eye[0] - 0.5), round(eye[1] - 0.5)
        pixels[y - 1 : y + 2, x - 1 : x + 2, colour] = 255
    crop = frame_face(face, 300, 400, 0.5, 1, 1)
    square = cut_out(pixels, crop, crop.side).astype(float)
    (left_y, left_x), (right_y, right_x) = (
        [
            (grid * square[..., c]).sum() / square[..., c].sum()
            for grid in np.indices(square.shape[:2])
        ]
        for c in (0, 1)
    )
    assert left_y == pytest.approx(right_y, abs=1.0)
    assert right_x - left_x == pytest.approx(0.36 * 120, abs=1.5)


def test_what_lies_past_the_border_is_reflected_not_black() -> None:
    pixels = np.full((200, 200, 3), 200, np.uint8)
    crop = frame_face(a_face(100, 100, 150, 20), 200, 200, 0.5, 1, 1)
    assert crop.angle_deg != 0
    assert cut_out(pixels, crop, 100).min() == 200


# Judging


def test_sharpness_sees_blur_and_not_darkness() -> None:
    photo = read_rgb(PORTRAITS[0])
    blurred = cv2.GaussianBlur(photo, (0, 0), 3)
    dark = (photo * 0.3).astype(np.uint8)
    assert sharpness(blurred) < PrepConfig().min_sharpness < sharpness(photo) / 2
    assert sharpness(dark) == pytest.approx(sharpness(photo), rel=0.3)
    noise = np.random.default_rng(0).normal(5, 1, (256, 256, 1)).repeat(3, axis=2)
    assert sharpness(noise.astype(np.uint8)) == 0.0


@pytest.mark.parametrize("size", [64, 512])
def test_blur_is_judged_in_the_source_whatever_the_size_of_the_result(
    size: int, tmp_path: Path
) -> None:
    photo = read_rgb(PORTRAITS[0])
    save(photo, tmp_path / "raw" / "sharp.png")
    save(cv2.GaussianBlur(photo, (0, 0), 3), tmp_path / "raw" / "veiled.png")
    config = PrepConfig(size=size, faces="off")
    summary = prepare([tmp_path / "raw"], tmp_path / "data", config)
    assert (summary.new, summary.rejected) == (1, {Reason.BLURRED: 1})


def test_every_starter_portrait_is_sharp_enough() -> None:
    assert min(sharpness(read_rgb(path)) for path in PORTRAITS[:20]) > PrepConfig().min_sharpness


def test_a_copy_has_nearly_the_same_hash_and_another_person_has_not(tmp_path: Path) -> None:
    first, second = read_rgb(PORTRAITS[0]), read_rgb(PORTRAITS[1])
    copy = read_rgb(save(resize(first, (180, 180)), tmp_path / "copy.jpg", quality=40))
    assert hash_distance(perceptual_hash(first), perceptual_hash(copy)) <= SAME_PICTURE
    assert hash_distance(perceptual_hash(first), perceptual_hash(second)) > 2 * RELATED_PICTURES


# The data set


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, PrepSummary]:
    """A folder of portraits and the data set made from it."""
    root = tmp_path_factory.mktemp("people")
    (root / "raw" / "deeper").mkdir(parents=True)
    for number, portrait in enumerate(PORTRAITS[:6]):
        shutil.copy(portrait, root / "raw" / ("deeper" if number % 2 else ".") / portrait.name)
    before = contents(root / "raw")
    summary = prepare([root / "raw"], root / "data", SMALL)
    assert contents(root / "raw") == before, "the sources must not be touched"
    return root / "raw", root / "data", summary


def test_a_data_set_holds_square_pictures_on_two_sides(
    people: tuple[Path, Path, PrepSummary],
) -> None:
    _, data, summary = people
    assert (summary.new, summary.train + summary.val) == (6, 6)
    assert len(outputs(data)) == 6
    assert all(
        re.fullmatch(r"(train|val)/content/[0-9a-f]{16}\.jpg", path) for path in outputs(data)
    )
    assert {read_rgb(data / path).shape for path in outputs(data)} == {(128, 128, 3)}


def test_the_manifest_says_where_every_picture_came_from(
    people: tuple[Path, Path, PrepSummary],
) -> None:
    raw, data, _ = people
    lines = [json.loads(line) for line in (data / "manifest.jsonl").read_text().splitlines()]
    assert lines.pop()["entries"] == len(lines)
    assert {Path(line["source"]) for line in lines} == set(raw.resolve().rglob("*.jpg"))
    for line in lines:
        assert line["sha256"] == hashlib.sha256(Path(line["source"]).read_bytes()).hexdigest()
        assert (data / line["output"]).is_file()
        x, y, width, height = line["box"]
        assert width == height >= 64
        assert 0 <= x < 256 > y >= 0 or line["angle_deg"]
        assert line["faces"] == 1


def test_running_twice_adds_nothing(people: tuple[Path, Path, PrepSummary]) -> None:
    raw, data, _ = people
    before = contents(data)
    again = prepare([raw], data, SMALL)
    assert (again.new, again.present) == (0, 6)
    assert contents(data) == before


def test_a_tilted_head_comes_out_level(tmp_path: Path) -> None:
    pixels = resize(read_rgb(PORTRAITS[0]), (512, 512))
    matrix = cv2.getRotationMatrix2D((256, 200), -18, 0.9)
    save(
        cv2.warpAffine(pixels, matrix, (512, 512), borderMode=cv2.BORDER_REFLECT),
        tmp_path / "a.png",
    )
    prepare([tmp_path / "a.png"], tmp_path / "data", PrepConfig(size=256))
    (entry,) = read_manifest(tmp_path / "data")
    (face,) = detect_faces(read_rgb(tmp_path / "data" / str(entry.output)))
    assert entry.angle_deg == pytest.approx(18, abs=4)
    assert abs(face.roll_deg) < 3


def test_a_photo_stored_sideways_gives_the_same_crop(tmp_path: Path) -> None:
    pixels = read_rgb(PORTRAITS[0])
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    save(pixels, tmp_path / "upright.png")
    save(np.rot90(pixels).copy(), tmp_path / "sideways.png", exif=exif)
    for name in ("upright", "sideways"):
        prepare([tmp_path / f"{name}.png"], tmp_path / name, SMALL)
    upright, sideways = (read_manifest(tmp_path / name)[0] for name in ("upright", "sideways"))
    assert (upright.box, upright.angle_deg) == (sideways.box, sideways.angle_deg)
    assert upright.faces == 1
    first, second = (read_rgb(next((tmp_path / n).rglob("*.jpg"))) for n in ("upright", "sideways"))
    assert np.array_equal(first, second)


def test_every_rejected_picture_has_its_reason_and_the_rest_goes_on(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 2)
    (raw / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 this is no JPEG")
    (raw / "broken.mp4").write_bytes(b"no clip")
    (raw / "empty.png").touch()
    (raw / "notes.txt").write_text("not looked at")
    save(scene(7, 20, 30), raw / "tiny.png")
    save(cv2.GaussianBlur(scene(8), (0, 0), 12), raw / "veiled.png")
    save(resize(scene(0), (150, 200)), raw / "zz-copy.jpg", quality=75)
    summary = prepare([raw], tmp_path / "data", FRAMES_ONLY)
    assert summary.new == 2
    expected = {
        Reason.UNREADABLE: 3,
        Reason.TOO_SMALL: 1,
        Reason.BLURRED: 1,
        Reason.REPEATED: 1,
    }
    assert summary.rejected == expected
    assert reasons(tmp_path / "data") == expected
    (copy,) = [e for e in read_manifest(tmp_path / "data") if e.reason == Reason.REPEATED]
    assert copy.source.endswith("zz-copy.jpg")
    assert copy.detail == "like 000.png"
    (empty,) = [e for e in read_manifest(tmp_path / "data") if e.source.endswith("empty.png")]
    assert empty.detail == "empty"


def test_faces_may_be_required_preferred_or_none_of_our_business(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 1)
    shutil.copy(PORTRAITS[0], raw / "person.jpg")
    for rule, new in (("required", 1), ("prefer", 2), ("off", 2)):
        data = tmp_path / rule
        assert prepare([raw], data, PrepConfig(size=128, faces=rule)).new == new
        looked = {Path(entry.source).stem: entry.faces for entry in read_manifest(data)}
        assert looked == (
            {"000": None, "person": None} if rule == "off" else {"000": 0, "person": 1}
        )
    assert reasons(tmp_path / "required") == {Reason.NO_FACE: 1}


def test_of_several_people_the_nearest_is_taken(tmp_path: Path) -> None:
    pair = np.full((300, 512, 3), 90, np.uint8)
    pair[150:290, 10:150] = resize(read_rgb(PORTRAITS[1]), (140, 140))
    pair[10:266, 250:506] = read_rgb(PORTRAITS[0])
    save(pair, tmp_path / "pair.png")
    prepare([tmp_path / "pair.png"], tmp_path / "data", SMALL)
    (entry,) = read_manifest(tmp_path / "data")
    assert entry.faces == 2
    assert entry.box is not None
    assert entry.box[0] > 200


def test_nothing_is_enlarged_more_than_twice(tmp_path: Path) -> None:
    save(scene(1, 63, 90), tmp_path / "raw" / "a.png")
    save(scene(2, 64, 90), tmp_path / "raw" / "b.png")
    summary = prepare([tmp_path / "raw"], tmp_path / "data", PrepConfig(size=128))
    assert (summary.new, summary.rejected) == (1, {Reason.TOO_SMALL: 1})
    generous = PrepConfig(size=128, min_size=63)
    assert prepare([tmp_path / "raw"], tmp_path / "data", generous).new == 1


def test_neither_order_nor_names_decide_on_the_split(tmp_path: Path) -> None:
    first = save_scenes(tmp_path / "first", 24)
    second = tmp_path / "second"
    for number, path in enumerate(sorted(first.iterdir(), reverse=True)):
        second.mkdir(exist_ok=True)
        shutil.copy(path, second / f"renamed-{number:02}.png")
    config = PrepConfig(size=64, faces="off", val_share=0.3)
    prepare([first], tmp_path / "a", config)
    prepare(sorted(second.iterdir(), reverse=True), tmp_path / "b", config)
    assert outputs(tmp_path / "a") == outputs(tmp_path / "b")
    sides = Counter(path.split("/")[0] for path in outputs(tmp_path / "a"))
    assert 2 <= sides["val"] <= 14


def test_neither_side_stays_empty_where_there_are_two_pictures(tmp_path: Path) -> None:
    for seed in range(0, 16, 2):
        raw = save_scenes(tmp_path / f"raw{seed}", 2, start=seed)
        summary = prepare([raw], tmp_path / f"data{seed}", FRAMES_ONLY)
        assert (summary.train, summary.val) == (1, 1)
        assert len(outputs(tmp_path / f"data{seed}")) == 2
        assert len({e.side for e in read_manifest(tmp_path / f"data{seed}")}) == 2


def test_one_picture_is_always_learned_from(tmp_path: Path) -> None:
    config = PrepConfig(size=64, faces="off", val_share=0.9)
    for seed in range(4):
        raw = save_scenes(tmp_path / f"raw{seed}", 1, start=seed)
        summary = prepare([raw], tmp_path / f"data{seed}", config)
        assert (summary.train, summary.val) == (1, 0)


def test_frames_of_a_clip_are_taken_at_scene_changes_and_stay_together(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 3)
    save_clip(raw / "clip.mp4", 5)
    config = PrepConfig(size=64, faces="off", every_s=0.5, val_share=0.5)
    prepare([raw], tmp_path / "data", config)
    frames = [entry for entry in read_manifest(tmp_path / "data") if entry.time_s is not None]
    assert [frame.time_s for frame in frames] == pytest.approx([0, 1, 2, 3, 4], abs=0.15)
    assert len({frame.side for frame in frames}) == 1
    before = contents(tmp_path / "data")
    assert prepare([raw], tmp_path / "data", config).new == 0
    assert contents(tmp_path / "data") == before
    apart = PrepConfig(size=64, faces="off", every_s=1.6)
    prepare([raw / "clip.mp4"], tmp_path / "apart", apart)
    times = [entry.time_s or 0.0 for entry in read_manifest(tmp_path / "apart")]
    assert len(times) >= 3
    assert min(np.diff(times)) >= 1.6 - 0.001


def test_pictures_that_are_almost_the_same_stay_together(tmp_path: Path) -> None:
    related = 0
    for seed in range(30, 50):
        pixels = scene(seed, 240, 320)
        variant = pixels[3:, 4:]
        distance = hash_distance(perceptual_hash(pixels), perceptual_hash(variant))
        if SAME_PICTURE < distance <= RELATED_PICTURES:
            save(pixels, tmp_path / "raw" / f"{seed}-a.png")
            save(variant, tmp_path / "raw" / f"{seed}-b.png")
            related += 1
    assert related >= 3
    config = PrepConfig(size=64, faces="off", val_share=0.5)
    summary = prepare([tmp_path / "raw"], tmp_path / "data", config)
    assert summary.new == 2 * related
    sides: dict[str, set[str | None]] = {}
    for entry in read_manifest(tmp_path / "data"):
        sides.setdefault(Path(entry.source).name[:2], set()).add(entry.side)
    assert all(len(both) == 1 for both in sides.values())


def test_a_creator_joins_the_same_data_set_under_the_own_name(tmp_path: Path) -> None:
    creator = PrepConfig(size=96, faces="off", name="ink")
    prepare([save_scenes(tmp_path / "ink", 2, start=50)], tmp_path / "data", creator)
    prepare([save_scenes(tmp_path / "raw", 2)], tmp_path / "data", FRAMES_ONLY)
    counts = Counter(path.split("/")[1] for path in outputs(tmp_path / "data"))
    assert counts == {"content": 2, "ink": 2}
    names = [entry.name for entry in read_manifest(tmp_path / "data")]
    assert names == ["content", "content", "ink", "ink"]


def test_a_clip_goes_as_one_where_its_likeness_is(tmp_path: Path) -> None:
    creator = PrepConfig(size=64, faces="off", name="ink")
    prepare([save(scene(1000), tmp_path / "still.png")], tmp_path / "data", creator)
    prepare([save_clip(tmp_path / "clip.mp4", 4)], tmp_path / "data", FRAMES_ONLY)
    entries = read_manifest(tmp_path / "data")
    assert len(entries) >= 3
    assert len({entry.group for entry in entries}) == 1
    assert {entry.side for entry in entries} == {"train"}


def test_a_picture_the_user_deleted_stays_away(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 3)
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    unwanted = tmp_path / "data" / outputs(tmp_path / "data")[0]
    unwanted.unlink()
    summary = prepare([raw], tmp_path / "data", FRAMES_ONLY)
    assert (summary.new, summary.present, summary.removed) == (0, 2, 1)
    assert not unwanted.exists()


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 6)

    def stop_after_two(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare([raw], tmp_path / "data", FRAMES_ONLY, on_progress=stop_after_two)
    assert len(read_manifest(tmp_path / "data")) == len(outputs(tmp_path / "data")) == 2
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    prepare([raw], tmp_path / "whole", FRAMES_ONLY)
    assert contents(tmp_path / "data") == contents(tmp_path / "whole")


def test_a_killed_run_whose_manifest_is_lost_is_made_good(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 4)
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    before = contents(tmp_path / "data")
    (tmp_path / "data" / "manifest.jsonl").unlink()
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    assert contents(tmp_path / "data") == before


def test_rejected_pictures_get_another_chance_under_other_rules(tmp_path: Path) -> None:
    save(cv2.GaussianBlur(scene(8), (0, 0), 12), tmp_path / "raw" / "a.png")
    assert prepare([tmp_path / "raw"], tmp_path / "data", FRAMES_ONLY).new == 0
    lenient = PrepConfig(size=64, faces="off", min_sharpness=0)
    assert prepare([tmp_path / "raw"], tmp_path / "data", lenient).new == 1
    assert len(read_manifest(tmp_path / "data")) == 1


def test_sizes_are_not_mixed_under_one_name(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 1)
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    with pytest.raises(UsageError, match="use --size 64, or another --out"):
        prepare([raw], tmp_path / "data", PrepConfig(size=96, faces="off"))


def test_a_data_set_inside_the_source_folder_is_not_read_again(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 2)
    prepare([raw], raw / "data", FRAMES_ONLY)
    summary = prepare([raw], raw / "data", FRAMES_ONLY)
    assert (summary.present, len(read_manifest(raw / "data"))) == (2, 2)


def test_a_file_named_twice_is_looked_at_once(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 1)
    (raw / "link.png").symlink_to(raw / "000.png")
    summary = prepare([raw, raw / "000.png"], tmp_path / "data", FRAMES_ONLY)
    assert (summary.new, summary.present, summary.rejected) == (1, 0, {})


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    with pytest.raises(DataError, match="no pictures or clips"):
        prepare([tmp_path / "raw"], tmp_path / "data", SMALL)
    assert not (tmp_path / "data").exists()


def test_a_manifest_that_lacks_a_line_is_refused_and_can_be_made_again(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 2)
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    manifest = tmp_path / "data" / "manifest.jsonl"
    whole = manifest.read_text()
    for damaged in (whole + '{"name": "conte', "".join(whole.splitlines(keepends=True)[1:]), ""):
        manifest.write_text(damaged)
        with pytest.raises(DataError, match=r"manifest\.jsonl is damaged.* remove it and prepare"):
            prepare([raw], tmp_path / "data", FRAMES_ONLY)
    manifest.unlink()
    prepare([raw], tmp_path / "data", FRAMES_ONLY)
    assert manifest.read_text() == whole


def test_a_data_set_that_cannot_be_written_is_no_unreadable_picture(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 1)
    (tmp_path / "data").mkdir()
    for side in ("train", "val"):
        (tmp_path / "data" / side).write_text("a file in the way")
    with pytest.raises(WriteError, match="can't write"):
        prepare([raw], tmp_path / "data", FRAMES_ONLY)


def test_the_report_shows_all_and_needs_no_other_file(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 3)
    save(scene(7, 20, 30), raw / "<b>tiny & small.png")
    summary = prepare([raw], tmp_path / "data", FRAMES_ONLY)
    page = summary.report.read_text()
    assert page.count("data:image/jpeg;base64,") == 4
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "&lt;b&gt;tiny &amp; small.png" in page
    assert "<b>" not in page
    assert "content: rejected, too small (1)" in page
    assert "20 px, at least 32 are needed" in page


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "../up"},
        {"name": ".hidden"},
        {"size": 8},
        {"margin": -1.0},
        {"val_share": 1.0},
        {"every_s": 0.0},
        {"min_size": 0},
        {"min_sharpness": -0.1},
        {"margin": math.nan},
    ],
)
def test_a_setting_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PrepConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"output": "/tmp/taxes.txt"},
        {"output": "train/../../precious/secret.jpg"},
        {"output": "train/content/notes.jpg"},
        {"phash": "zz"},
        {"sha256": "00"},
        {"box": "all"},
        {"time_s": float("nan")},
        {"size": [1]},
    ],
)
def test_a_manifest_that_names_what_no_data_set_holds_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    prepare([save_scenes(tmp_path / "raw", 3)], tmp_path / "data", FRAMES_ONLY)
    manifest = tmp_path / "data" / "manifest.jsonl"
    first, *rest = manifest.read_text().splitlines()
    lines = [f"{line}\n" for line in (json.dumps(json.loads(first) | change), *rest[:-1])]
    manifest.write_text("".join([*lines, last_line(lines)]))
    before = sorted((tmp_path / "data").rglob("*"))
    with pytest.raises(DataError, match="has an invalid entry in line 1"):
        prepare([save_scenes(tmp_path / "more", 1, start=9)], tmp_path / "data", FRAMES_ONLY)
    assert sorted((tmp_path / "data").rglob("*")) == before


def test_a_link_in_a_data_set_is_not_followed_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "precious")
    (tmp_path / "data" / "val").symlink_to(tmp_path / "precious")
    with pytest.raises(DataError, match="outside"):
        prepare([save_scenes(tmp_path / "raw", 2)], tmp_path / "data", FRAMES_ONLY)
    assert list((tmp_path / "precious").iterdir()) == []


def test_a_report_of_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "report.html").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"report\.html"):
        prepare([save_scenes(tmp_path / "raw", 2)], tmp_path / "mine", FRAMES_ONLY)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["report.html"]


def test_a_file_whose_name_is_no_text_is_taken_too(tmp_path: Path) -> None:
    raw = save_scenes(tmp_path / "raw", 3)
    next(raw.iterdir()).rename(raw / os.fsdecode(b"caf\xe9.png"))
    for new in (3, 0):
        assert prepare([raw], tmp_path / "data", FRAMES_ONLY).new == new
    sources = {Path(entry.source).name for entry in read_manifest(tmp_path / "data")}
    assert os.fsdecode(b"caf\xe9.png") in sources


def test_whatever_a_library_raises_for_a_file_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = save_scenes(tmp_path / "raw", 3)
    bad = sorted(raw.iterdir())[1]

    def read(path: Path) -> np.ndarray:
        if path == bad:
            raise struct.error("unpack requires a buffer of 4 bytes")
        return read_rgb(path)

    monkeypatch.setattr("stylegan_cli.preparing.sources.read_rgb", read)
    summary = prepare([raw], tmp_path / "data", FRAMES_ONLY)
    assert (summary.new, summary.rejected) == (2, {"unreadable": 1})


def test_two_runs_never_add_to_one_data_set_at_once(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with claimed(tmp_path / "data"), pytest.raises(BusyError, match="process"):
        prepare([save_scenes(tmp_path / "raw", 2)], tmp_path / "data", FRAMES_ONLY)
