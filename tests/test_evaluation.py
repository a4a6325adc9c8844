"""What an evaluation says of a style follows from the pictures it is given."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import write_small_model
from PIL import Image
from typer.testing import CliRunner, Result

from stylegan_cli import cli
from stylegan_cli.errors import DataError, UsageError
from stylegan_cli.evaluation import (
    Comparison,
    EvaluationConfig,
    compare_with_creator,
    compare_with_truth,
    embed,
    evaluate_styles,
    find_cases,
    measure_style,
)
from stylegan_cli.evaluation.people import skin_change
from stylegan_cli.pictures import Pixels, find_pictures, read_rgb
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.stylizer import open_stylizer

PHOTOS = find_pictures(starter_dir())[:18]


def untouched(pixels: Pixels) -> Pixels:
    return pixels


def warm(pixels: Pixels) -> Pixels:
    """A look of colour alone."""
    return (pixels * np.array([1.0, 0.8, 0.55]) + np.array([0, 12, 30])).astype(np.uint8)


def sketch(pixels: Pixels) -> Pixels:
    """A drawn look: pencil by dodging the luma with its blurred negative."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    pencil = cv2.divide(grey, 255 - cv2.GaussianBlur(255 - grey, (0, 0), 4), scale=255)
    return np.repeat(pencil[..., None], 3, axis=2)


def copy(photos: list[Path], folder: Path, look: object = None) -> Path:
    """The photos, or what `look` makes of them, at 128 px in `folder`."""
    folder.mkdir(parents=True)
    for path in photos:
        pixels = read_rgb(path, short_side=128)
        Image.fromarray(look(pixels) if callable(look) else pixels).save(
            folder / f"{path.stem}.png"
        )
    return folder


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set as `influ prep` writes it: photos and a pencil artist, of unlike people."""
    data = tmp_path_factory.mktemp("data") / "faces"
    copy(PHOTOS[:2], data / "train" / "content")
    copy(PHOTOS[2:9], data / "val" / "content")
    copy(PHOTOS[9:11], data / "train" / "artist", sketch)
    copy(PHOTOS[11:18], data / "val" / "artist", sketch)
    return data


@pytest.fixture(scope="module")
def truths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(PHOTOS[2:9], tmp_path_factory.mktemp("truths") / "artist", sketch)


def pairs_of(data: Path, truths: Path) -> list[tuple[Path, Path]]:
    [case] = find_cases(["artist"], data, paired=truths)
    return list(zip(case.photos, case.truths, strict=True))


def test_the_true_look_is_perfect_and_doing_nothing_is_not(prepared: Path, truths: Path) -> None:
    measures = compare_with_truth(sketch, pairs_of(prepared, truths)).measures
    assert measures["psnr_db"].styled == 100
    assert measures["mae"].styled == measures["ciede2000"].styled == 0
    assert measures["ssim"].styled == pytest.approx(1)
    assert measures["edge_f_score"].styled == 1
    assert measures["psnr_db"].untouched is not None
    assert measures["psnr_db"].untouched < 20
    idle = compare_with_truth(untouched, pairs_of(prepared, truths)).measures
    for name, measure in idle.items():
        assert measure.styled == measure.untouched == measures[name].untouched


def test_the_creators_own_look_is_nearest_to_the_creator(prepared: Path) -> None:
    [case] = find_cases(["artist"], prepared)
    own, colour = measure_style(sketch, case), measure_style(warm, case)
    assert (own.photos, len(case.references)) == (7, 7)
    for name in ("kid_lite1", "patch_swd"):
        ours, other = own.measures[name], colour.measures[name]
        assert ours.untouched == other.untouched is not None
        assert ours.styled < 0.25 * ours.untouched
        assert ours.styled < 0.25 * other.styled
    kid = own.measures["kid_lite1"]
    assert kid.standard_error is not None
    assert kid.styled < 3 * kid.standard_error < (kid.untouched or 0)
    assert own.measures["luminance_ssim"].styled < colour.measures["luminance_ssim"].styled
    assert any("are few" in note for note in own.notes)


def test_a_look_that_wipes_faces_out_is_told(prepared: Path) -> None:
    def fog(pixels: Pixels) -> Pixels:
        return np.full_like(pixels, 200)

    def measure(comparison: Comparison, name: str) -> float:
        return comparison.measures[name].styled

    [case] = find_cases(["artist"], prepared)
    few = replace(case, photos=case.photos[:3], references=case.references[:3])
    kept, gone = measure_style(warm, few), measure_style(fog, few)
    assert measure(kept, "faces_kept") > 0.9
    assert measure(kept, "face_shift") < 0.1
    assert measure(gone, "faces_kept") == 0
    assert "face_shift" not in gone.measures


def test_unreadable_and_unlike_pictures_are_named_and_the_rest_counts(
    prepared: Path, truths: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    Image.new("RGB", (300, 128)).save(tmp_path / "wide.png")
    good = pairs_of(prepared, truths)[:3]
    Image.new("RGB", (8, 8)).save(tmp_path / "speck.png")
    speck, wide = tmp_path / "speck.png", tmp_path / "wide.png"
    pairs = [*good, (good[0][0], broken), (good[0][0], wide), (speck, speck)]
    seen: list[tuple[int, int]] = []
    comparison = compare_with_truth(sketch, pairs, on_progress=lambda *at: seen.append(at))
    assert comparison.photos == 3
    assert "broken.png" in comparison.failed[0]
    assert "wide.png" in comparison.failed[1]
    assert "speck.png" in comparison.failed[2]
    assert seen == [(done, 6) for done in range(1, 7)]
    with pytest.raises(DataError, match="none of the 3 pairs"):
        compare_with_truth(sketch, pairs[3:])
    with pytest.raises(DataError, match="at least 2 of each"):
        compare_with_creator(sketch, [good[0][0]], [broken])


def test_size_is_what_pictures_are_brought_down_to(prepared: Path, truths: Path) -> None:
    sizes: set[tuple[int, ...]] = set()

    def watch(pixels: Pixels) -> Pixels:
        sizes.add(pixels.shape)
        return pixels

    compare_with_truth(watch, pairs_of(prepared, truths)[:2], size=64)
    compare_with_truth(watch, pairs_of(prepared, truths)[:2], size=512)
    assert {min(shape[:2]) for shape in sizes} == {64, 128}


def test_pairs_go_by_name_and_what_is_alone_is_told(
    prepared: Path, truths: Path, tmp_path: Path
) -> None:
    some = tmp_path / "some"
    copy([*PHOTOS[2:5], PHOTOS[15]], some, sketch)
    [case] = find_cases(["artist"], prepared, paired=some)
    assert [path.stem for path in case.photos] == [path.stem for path in PHOTOS[2:5]]
    assert [path.stem for path in case.truths] == [path.stem for path in PHOTOS[2:5]]
    assert {path.stem for path in case.unmatched} == {p.stem for p in (*PHOTOS[5:9], PHOTOS[15])}
    [nested] = find_cases(["artist"], prepared, paired=truths.parent)
    assert (len(nested.photos), nested.unmatched) == (7, ())
    flat = find_cases(["artist"], prepared / "val" / "content", paired=truths)
    assert len(flat[0].photos) == 7
    with pytest.raises(DataError, match="name of a photo"):
        find_cases(["artist"], prepared, paired=copy([PHOTOS[15]], tmp_path / "none"))
    Image.new("RGB", (9, 9)).save(some / f"{PHOTOS[3].stem}.jpg")
    with pytest.raises(DataError, match="told apart"):
        find_cases(["artist"], prepared, paired=some)


def test_one_folder_of_truths_is_not_the_truth_of_two_styles(prepared: Path, truths: Path) -> None:
    cases = find_cases(["artist", "other"], prepared, paired=truths.parent)
    assert [case.style for case in cases] == ["artist"]
    with pytest.raises(DataError, match="several styles"):
        find_cases(["artist", "other"], prepared, paired=truths)


def test_held_out_pictures_judge_unless_all_are_asked_for(prepared: Path, tmp_path: Path) -> None:
    [case] = find_cases(["artist"], prepared)
    assert {path.parent.parent.name for path in (*case.photos, *case.references)} == {"val"}
    [case] = find_cases(["artist"], prepared, everything=True)
    assert (len(case.photos), len(case.references)) == (9, 9)
    cycle = tmp_path / "horses"
    for part, photos in zip(("trainA", "testA", "trainB", "testB"), (3, 2, 3, 2), strict=True):
        copy(PHOTOS[:photos], cycle / part)
    [case] = find_cases(["anything"], cycle)
    assert [path.parent.name for path in (*case.photos, *case.references)] == [
        *["testA"] * 2,
        *["testB"] * 2,
    ]


def test_whose_pictures_count_is_found_or_asked_for(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert find_cases(["another name"], prepared)[0].references  # there is only one creator
    data = tmp_path / "two"
    for name in ("content", "ann", "bob"):
        copy(PHOTOS[:4], data / name)
    cases = find_cases(["ann", "zoe"], data)
    assert [case.style for case in cases] == ["ann"]
    assert "zoe is left out" in caplog.text
    assert {path.parent.name for path in cases[0].references} == {"ann"}
    [case] = find_cases(["zoe"], data, creator="bob")
    assert {path.parent.name for path in case.references} == {"bob"}
    with pytest.raises(DataError, match="--creator"):
        find_cases(["zoe"], data)
    with pytest.raises(UsageError, match="it has ann, bob"):
        find_cases(["zoe"], data, creator="zoe")
    with pytest.raises(UsageError, match="--style"):
        find_cases(["ann", "bob"], data, creator="bob")


def test_embedding_takes_pictures_of_any_size(prepared: Path) -> None:
    pictures = [read_rgb(path) for path in find_pictures(prepared / "val" / "content")]
    pictures.append(np.zeros((40, 90, 3), np.uint8))
    vectors = embed(pictures)
    assert vectors.shape == (8, 112)
    assert np.allclose(vectors[3], embed(pictures[3:4])[0], atol=1e-3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights with the creators creatorA and toon."""
    return write_small_model(tmp_path_factory.mktemp("model") / "small.safetensors")


@pytest.fixture(scope="module")
def own_truths(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the model itself makes of some photos: a folder per creator."""
    folder = tmp_path_factory.mktemp("own truths")
    for name in ("creatorA", "toon"):
        copy(PHOTOS[2:5], folder / name, open_stylizer(name, model=model).stylize)
    return folder


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(cli.build_app(), ["evaluate", *map(str, arguments)])


def test_a_model_agrees_with_its_own_results_and_with_no_other(
    model: Path, prepared: Path, own_truths: Path
) -> None:
    seen: list[tuple[int, int]] = []
    reports = evaluate_styles(
        EvaluationConfig(data=prepared, model=model, paired=own_truths),
        on_progress=lambda *at: seen.append(at),
    )
    assert [report.style for report in reports] == ["creatorA", "toon"]
    assert [report.comparison.measures["psnr_db"].styled for report in reports] == [100, 100]
    assert seen == [(done, 6) for done in range(1, 7)]
    [other] = evaluate_styles(
        EvaluationConfig(data=prepared, style="toon", model=model, paired=own_truths / "creatorA")
    )
    assert other.comparison.measures["psnr_db"].styled < 40


def test_the_command_answers_machines_with_one_json_object(
    model: Path, prepared: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    copy(PHOTOS[2:5], data / "val" / "content")
    copy(PHOTOS[5:8], data / "val" / "toon", sketch)
    copy(PHOTOS[8:9], data / "train" / "content")
    copy(PHOTOS[9:10], data / "train" / "toon", sketch)
    result = evaluate("--model", model, "--data", data, "--json")
    assert result.exit_code == 0, result.output
    [style] = json.loads(result.stdout)["styles"]
    assert (style["style"], style["against"], style["photos"]) == ("toon", "creator", 3)
    assert {"kid_lite1", "patch_swd", "luminance_ssim"} <= style["measures"].keys()
    assert style["measures"]["kid_lite1"]["standard_error"] > 0
    assert style["notes"]


def test_the_command_names_what_it_left_out_and_exits_with_3(
    model: Path, prepared: Path, own_truths: Path, tmp_path: Path
) -> None:
    truths = tmp_path / "truths"
    copy(PHOTOS[2:4], truths)
    (truths / f"{PHOTOS[4].stem}.png").write_bytes(b"broken")
    result = evaluate(
        *("--model", model, "--style", "toon", "--data", prepared, "--paired", truths)
    )
    assert result.exit_code == 3
    assert "psnr db" in result.stdout
    assert f"{PHOTOS[4].stem}.png" in result.stderr
    assert f"without their other half: {PHOTOS[5].stem}.png" in result.stderr


def test_the_command_says_why_it_can_not_judge(model: Path, tmp_path: Path) -> None:
    for name in ("content", "ann", "bob"):
        copy(PHOTOS[:2], tmp_path / name)
    nothing = evaluate("--model", model, "--data", tmp_path)
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "--creator" in nothing.stderr
    unknown = evaluate(
        "--model", model, "--style", "nobody", "--creator", "ann", "--data", tmp_path
    )
    assert unknown.exit_code == 2
    assert "nobody" in unknown.stderr


def test_a_look_that_wrongs_dark_skin_shows_in_the_worst_tercile(
    tmp_path: Path, prepared: Path
) -> None:
    """Against the truth: every photo comes out right but the third with the darkest skin."""
    faces = [path for path in PHOTOS if detect_faces(read_rgb(path, short_side=256))][:9]
    pairs = [(path, path) for path in faces]
    photos = [read_rgb(path, short_side=256) for path in faces]

    def cheek_lightness(pixels: Pixels) -> float:
        change = skin_change(pixels, pixels, pixels, detect_faces(pixels)[0])
        assert change is not None
        return change.lightness

    darkest = {photos[k].tobytes() for k in np.argsort([cheek_lightness(p) for p in photos])[:3]}

    def unfair(pixels: Pixels) -> Pixels:
        return warm(pixels) if pixels.tobytes() in darkest else pixels

    assert len(faces) == 9
    fair, wrong = (compare_with_truth(stylize, pairs, size=256) for stylize in (untouched, unfair))
    assert fair.measures["skin_ciede2000_worst_tercile"].styled == 0
    mean = wrong.measures["skin_ciede2000"].styled
    assert wrong.measures["skin_ciede2000_worst_tercile"].styled > 2 * mean > 0
    assert [tercile.difference > 1 for tercile in wrong.skin] == [True, False, False]
    assert any("skin by tercile" in note for note in wrong.notes)
    few = compare_with_truth(untouched, pairs[:2], size=256)
    assert "skin_ciede2000_worst_tercile" not in few.measures
    assert any("too few to compare light and dark skin" in note for note in few.notes)
