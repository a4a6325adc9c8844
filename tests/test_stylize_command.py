import io
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import c2pa
import numpy as np
import pillow_heif
import pytest
from certificates import write_credentials
from conftest import Influ
from in_process import in_process
from model_files import small_model, write_small_model
from picture_files import (
    DISPLAY_P3,
    SRGB_CURVE,
    deep_file,
    every_deep_value,
    put,
    rgb_profile,
    saved,
    scene,
)
from PIL import Image

from stylegan_cli.commands.stylize import stylize as stylize_command
from stylegan_cli.errors import (
    InfluError,
    OutputExistsError,
    PartialFailureError,
    PictureError,
    StyleNotFoundError,
    UsageError,
    WriteError,
)
from stylegan_cli.pictures import read_picture
from stylegan_cli.styles import register
from stylegan_cli.stylizer import open_stylizer

stylize = in_process(stylize_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def animated() -> bytes:
    frames = [Image.fromarray(np.roll(scene(), 7 * i, axis=1)) for i in range(3)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=[70, 200, 40])
    return stream.getvalue()


def test_a_folder_of_odd_files_is_styled_but_for_the_bad_ones(influ, tmp_path, model) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.ascontiguousarray(np.rot90(scene()))
    good = {
        "phone.heic": saved(scene(), "HEIF"),
        "turned.jpg": saved(turned, "JPEG", exif=exif.tobytes()),
        "deep.png": deep_file(every_deep_value(), ".png"),
        "moving.gif": animated(),
        "clear.webp": saved(np.dstack([scene(), scene()[..., 0]]), "WEBP"),
    }
    bad = {
        "cut.jpg": saved(scene(200, 300), "JPEG")[:900],
        "empty.png": b"",
        "text.jpg": b"no picture\n",
    }
    for name, data in (good | bad).items():
        put(folder / name, data)
    done = influ("stylize", folder, "--model", model, "--style", "toon", "-o", "out", "--json")
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    record = json.loads(done.stdout)
    assert (record["style"], record["done"], record["failed"]) == ("toon", 5, 3)
    for name in bad:
        sentences = [line for line in done.stderr.splitlines() if name in line]
        assert len(sentences) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(good)
    for name, data in good.items():
        before, after = read_picture(data), read_picture(tmp_path / "out" / name)
        assert after.source_format == before.source_format
        assert after.size == before.size
        assert after.pixels.dtype == before.pixels.dtype
        assert (after.alpha is None) == (before.alpha is None)
        assert [f.duration_ms for f in after.frames] == [f.duration_ms for f in before.frames]
        assert np.abs(to_8_bit(after.pixels) - to_8_bit(before.pixels)).mean() > 5


def to_8_bit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(float) * 255 / np.iinfo(pixels.dtype).max


def test_stylize_never_loads_torch(influ, photo, model) -> None:
    command = ["-X", "importtime", "-m", "stylegan_cli", "stylize", photo, "--model", model]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=photo.parent
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "torchvision", "timm", "scipy.stats", "matplotlib"}
    assert (photo.parent / "photo_creatorA.jpg").exists()
    assert "using creatorA" in done.stderr


def test_a_pipe_carries_picture_in_and_picture_out(influ, model) -> None:
    data = saved(scene(), "PNG")
    done = influ("stylize", "-", "--model", model, "-s", "toon", input=data, text=False)
    assert done.returncode == 0, done.stderr
    result = read_picture(done.stdout)
    assert result.source_format == "PNG"
    stylizer = open_stylizer("toon", model=model)
    np.testing.assert_array_equal(result.pixels, stylizer.stylize(scene()))


def test_two_runs_at_once_stylize_each_picture_once(influ, tmp_path, model) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = [f"{i:02}.jpg" for i in range(24)]
    for name in names:
        put(folder / name, saved(scene(400, 600), "JPEG"))
    call = [sys.executable, "-m", "stylegan_cli", "stylize", folder, "--model", model]
    call += ["-s", "toon", "-o", tmp_path / "out", "--log", tmp_path / "log.jsonl", "--json"]
    call += ["--skip-existing"]  # one of them may begin when the other has done some
    runs = [subprocess.Popen(call, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(run.communicate(timeout=300)[0]) for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert len(records) == 2 * len(names)
    done = sorted(Path(r["source"]).name for r in records if r["status"] == "done")
    assert done == names
    assert sum(record["done"] for record in told) == len(names)
    assert sum(record["taken"] + record["skipped"] for record in told) == len(names)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert {r["model"] for r in records} == {open_stylizer("toon", model=model).base.hash}


def test_a_watch_stylizes_what_comes_in_until_ctrl_c(tmp_path, model) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    call = [sys.executable, "-m", "stylegan_cli", "stylize", folder, "--watch", "-o", "out"]
    watch = subprocess.Popen(
        [*call, "--model", model],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stdout is not None
    for name in ("a.jpg", "b.jpg"):
        put(folder / name, saved(scene(), "JPEG"))
        assert watch.stdout.readline() == f"out/{name}\n"
    watch.send_signal(signal.SIGINT)
    _, said = watch.communicate(timeout=300)
    assert watch.returncode == 130
    assert "stopped: 2 done" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("written", "presses"),
    [(1, 1), (20, 1), (20, 2)],
    ids=["at the first result", "while a result waits to be told of", "twice"],
)
def test_ctrl_c_ends_a_batch_and_every_file_it_wrote_is_told_of(
    tmp_path, model, written: int, presses: int
) -> None:
    (tmp_path / "in").mkdir()
    for number in range(60):
        put(tmp_path / "in" / f"{number:0200}.png", saved(scene(300, 400), "PNG"))
    call = [sys.executable, "-m", "stylegan_cli", "stylize", "in", "-o", "out", "--model", model]
    # Of names that long a small pipe takes 19: however fast it is, it waits there until it is read.
    batch = subprocess.Popen(
        [*call, "--jobs", "3", "--log", "log.jsonl"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pipesize=4096,
    )
    while len(list(tmp_path.glob("out/[!.]*"))) < written:
        assert batch.poll() is None
        time.sleep(0.01)
    for _ in range(presses):
        batch.send_signal(signal.SIGINT)
        time.sleep(0.2)  # or two would be as one
    results, said = (text.decode() for text in batch.communicate(timeout=300))
    assert batch.returncode == 130
    found = sorted(f"out/{path.name}" for path in (tmp_path / "out").iterdir())
    assert sorted(results.splitlines()) == found  # no draft, no claim, nothing more
    assert written <= len(found) < 60
    logged = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert sorted(record["target"] for record in logged) == found
    if presses == 1:
        assert f"stopped: {len(found)} done; " in said
        assert "--skip-existing" in said


def test_results_go_to_a_pipe_while_a_bar_is_on_the_terminal(photo, model) -> None:
    terminal, theirs = pty.openpty()
    call = [sys.executable, "-m", "stylegan_cli", "stylize", photo, "--model", model]
    done = subprocess.run(call, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True)
    os.close(theirs)
    assert done.stdout == f"{photo.parent / 'photo_creatorA.jpg'}\n"
    assert b"applying" in os.read(terminal, 10_000)
    os.close(terminal)


def test_a_disk_that_takes_no_more_leaves_nothing_behind(influ, tmp_path, model) -> None:
    put(tmp_path / "a.png", saved(scene(300, 400), "PNG"))
    done = influ(
        *("stylize", "a.png", "--model", model, "-o", "out/b.png"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    assert done.returncode == 1
    assert "can't write out/b.png: it would be larger" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.png"]
    assert not (tmp_path / "out").exists()


def test_links_pipes_and_folders_are_never_written_through(work: Path, model: Path) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    put(work / "mine.png", b"mine")
    (work / "link.png").symlink_to("mine.png")
    (work / "dangling.png").symlink_to("nowhere.png")
    os.mkfifo(work / "pipe.png")
    before = sorted(work.iterdir())
    for name, reason in (
        ("link.png", "symbolic link"),
        ("dangling.png", "symbolic link"),
        ("pipe.png", "not a regular file"),
    ):
        with pytest.raises(WriteError, match=reason):
            stylize([work / "a.png"], out=work / name, model=model, overwrite=True)
    assert (work / "mine.png").read_bytes() == b"mine"
    assert sorted(work.iterdir()) == before


def test_wrong_use_exits_2_and_nothing_done_exits_1(influ, photo, model) -> None:
    wrong = influ("stylize", photo, "--model", model, "--style", "nobody")
    assert wrong.returncode == 2
    assert "creatorA, toon" in wrong.stderr
    missing = influ("stylize", "nowhere.jpg", "also-nowhere.png", "--model", model)
    assert missing.returncode == 1
    assert "nowhere.jpg: it does not exist" in missing.stderr
    assert "Traceback" not in wrong.stderr + missing.stderr


def test_the_look_is_that_of_the_stylizer_and_of_the_style(work: Path, model: Path) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    results = {}
    for style in ("creatorA", "toon"):
        stylize([Path("a.png")], style=style, model=model)
        results[style] = read_picture(work / f"a_{style}.png").pixels
        expected = open_stylizer(style, model=model).stylize(scene())
        np.testing.assert_array_equal(results[style], expected)
    assert np.abs(results["creatorA"].astype(int) - results["toon"]).mean() > 5


def test_a_second_run_writes_over_nothing_unless_told(
    work: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    stylize([work / "a.png"], style="toon", model=model)
    assert capsys.readouterr().out == f"{work / 'a_toon.png'}\n"
    before = (work / "a_toon.png").read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        stylize([work / "a.png"], style="toon", model=model)
    stylize([work / "a.png"], style="toon", model=model, skip_existing=True)
    (work / "a_toon.png").write_bytes(b"mine")
    stylize([work / "a.png"], style="toon", model=model, overwrite=True)
    assert (work / "a_toon.png").read_bytes() == before
    with pytest.raises(UsageError, match="exclude each other"):
        stylize([work / "a.png"], model=model, skip_existing=True, overwrite=True)


def test_a_folder_again_takes_only_what_is_new(
    work: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFLU_STYLES", str(work / "styles"))
    register(small_model().style("toon").renamed("mine"))
    folder = work / "in"
    folder.mkdir()
    put(folder / "a.png", saved(scene(), "PNG"))
    put(folder / "a_mine.png", saved(scene(), "PNG"))  # an earlier result in another look
    stylize([folder], style="toon", model=model)
    put(folder / "b.png", saved(scene(), "PNG"))
    stylize([folder], style="toon", model=model, skip_existing=True)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["a.png", "a_mine.png", "a_toon.png", "b.png", "b_toon.png"]


@pytest.mark.parametrize("kind", ["deep", "wide"])
def test_no_strength_gives_the_very_pixels(work: Path, model: Path, kind: str) -> None:
    wide = saved(scene(), "PNG", icc_profile=rgb_profile(DISPLAY_P3, SRGB_CURVE))
    data = {"deep": deep_file(every_deep_value(), ".png"), "wide": wide}[kind]
    put(work / "a.png", data)
    stylize([work / "a.png"], out=work / "b.png", model=model, strength=0)
    before, after = (read_picture(work / name) for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(after.pixels, before.pixels)
    assert after.colours == before.colours


def test_strength_lies_between_the_photo_and_the_look(work: Path, model: Path) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    for strength in (0.5, 1.0):
        stylize([work / "a.png"], out=work / f"{strength}.png", model=model, strength=strength)
    half, full = (read_picture(work / f"{s}.png").pixels.astype(float) for s in (0.5, 1.0))
    assert np.abs(half - (full + scene()) / 2).max() <= 1


def test_a_reference_picture_is_a_style_of_its_own(work: Path, model: Path) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    put(work / "look.jpg", saved(scene()[::-1, ::-1] // 2, "JPEG"))
    stylize([work / "a.png"], references=(work / "look.jpg",), model=model)
    result = read_picture(work / "a_reference.png")
    assert result.size == (48, 64)
    assert np.abs(result.pixels.astype(int) - scene()).mean() > 5
    with pytest.raises(UsageError, match="exclude each other"):
        stylize([work / "a.png"], references=(work / "look.jpg",), style="toon", model=model)
    with pytest.raises(InfluError, match=r"can't read .*lost\.jpg: it does not exist"):
        stylize([work / "a.png"], references=(work / "lost.jpg",), model=model)


def test_trees_are_mirrored_in_the_format_asked_for(work: Path, model: Path) -> None:
    (work / "in" / "deep").mkdir(parents=True)
    put(work / "in" / "a.png", saved(scene(), "PNG"))
    put(work / "in" / "deep" / "b.jpg", saved(scene(), "JPEG"))
    stylize(
        [work / "in"], out=work / "out", model=model, recursive=True, format="webp", suffix="_x"
    )
    found = sorted(path.relative_to(work).as_posix() for path in (work / "out").rglob("*.*"))
    assert found == ["out/a_x.webp", "out/deep/b_x.webp"]
    assert read_picture(work / "out" / "a_x.webp").source_format == "WEBP"


def test_the_limits_are_the_callers(work: Path, model: Path) -> None:
    cut = saved(scene(240, 320), "JPEG")
    put(work / "cut.jpg", cut[: len(cut) // 2])
    with pytest.raises(PictureError, match="--allow-truncated"):
        stylize([work / "cut.jpg"], model=model)
    with pytest.raises(PictureError, match="--max-pixels"):
        stylize([work / "cut.jpg"], model=model, allow_truncated=True, max_megapixels=0.01)
    stylize([work / "cut.jpg"], model=model, allow_truncated=True)
    assert read_picture(work / "cut_creatorA.jpg").size == (240, 320)


def test_the_place_is_kept_only_when_asked_for(work: Path, model: Path) -> None:
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    put(work / "a.jpg", saved(scene(), "JPEG", exif=exif.tobytes()))
    stylize([work / "a.jpg"], model=model, out=work / "no.jpg")
    stylize([work / "a.jpg"], model=model, out=work / "yes.jpg", keep_gps=True)
    assert not place_of(work / "no.jpg")
    assert place_of(work / "yes.jpg")[2] == (52.0, 31.0, 12.0)


def test_results_say_that_a_network_changed_them_unless_told_not_to(
    work: Path, model: Path
) -> None:
    put(work / "a.jpg", saved(scene(), "JPEG"))
    stylize([work / "a.jpg"], style="toon", model=model)
    xmp = read_picture(work / "a_toon.jpg").xmp
    assert xmp is not None
    assert b"digitalsourcetype/compositeWithTrainedAlgorithmicMedia" in xmp
    assert b'AISystemUsed="influ, style toon"' in xmp
    stylize([work / "a.jpg"], out=work / "b.jpg", model=model, ai_label=False)
    stylize([work / "a.jpg"], out=work / "c.jpg", model=model, strength=0)  # nothing changed it
    assert read_picture(work / "b.jpg").xmp is None
    assert read_picture(work / "c.jpg").xmp is None


def test_results_are_signed_with_the_users_certificate(work: Path, model: Path) -> None:
    certificate, key = write_credentials(work)
    (work / "in").mkdir()
    for name, format in (("a.jpg", "JPEG"), ("b.png", "PNG"), ("c.bmp", "BMP")):
        put(work / "in" / name, saved(scene(), format))
    with pytest.raises(PartialFailureError, match="1 of 3"):
        stylize([work / "in"], out=work / "out", model=model, c2pa_cert=certificate, c2pa_key=key)
    for name in ("a.jpg", "b.png"):
        with c2pa.Reader(work / "out" / name) as reader:
            found = json.loads(reader.json())
        assert found["validation_state"] == "Valid"
        (parent,) = found["manifests"][found["active_manifest"]]["ingredients"]
        assert parent["relationship"] == "parentOf"
    assert sorted(path.name for path in (work / "out").iterdir()) == ["a.jpg", "b.png"]


def place_of(path: Path) -> dict[int, object]:
    with Image.open(path) as image:
        return image.getexif().get_ifd(0x8825)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"format": "docx"}, "docx"),
        ({"suffix": "../x"}, "--suffix"),
        ({"watch": True}, "--watch"),
        ({"c2pa_cert": Path("chain.pem")}, "go together"),
        (
            {"c2pa_cert": Path("a.pem"), "c2pa_key": Path("b.pem"), "ai_label": False},
            "--no-ai-label",
        ),
        ({"log": Path("nowhere/log.jsonl")}, "folder nowhere does not exist"),
        ({"log": Path("a.png")}, "it is an input"),
        ({"log": Path("/dev/null")}, "not a regular file"),
        ({"device": "tpu"}, "tpu"),
        ({"out": Path("-"), "as_json": True}, "--json"),
    ],
)
def test_wrong_options_are_named_before_any_work(
    work: Path, model: Path, options: dict[str, object], reason: str
) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    with pytest.raises(UsageError, match=reason):
        stylize([work / "a.png"], model=model, **options)  # type: ignore[arg-type]
    assert [path.name for path in work.iterdir()] == ["a.png"]


def test_a_style_that_is_not_there_is_named(work: Path, model: Path) -> None:
    put(work / "a.png", saved(scene(), "PNG"))
    with pytest.raises(StyleNotFoundError, match="nobody"):
        stylize([work / "a.png"], style="nobody", model=model)
    with pytest.raises(InfluError, match="does not exist"):
        stylize([work / "a.png"], model=work / "lost.safetensors")


def test_mixes_variations_and_the_photos_own_colours_are_one_option_each(
    work: Path, model: Path
) -> None:
    photo = put(work / "a.png", saved(scene(), "PNG"))
    looks = {
        "toon": {},
        "mix": {"style": "toon:3,creatorA:1"},
        "seed": {"seed": 4},
        "own": {"preserve_colour": True},
    }
    stylized = []
    for name, options in looks.items():
        stylize([photo], out=work / f"{name}.png", model=model, **({"style": "toon"} | options))
        stylized.append(read_picture(work / f"{name}.png").pixels.tobytes())
    assert len(set(stylized)) == len(looks)
    stylize([photo], style="toon:3,creatorA:1", model=model)
    assert (work / "a_toon-75-creatorA-25.png").is_file()


def test_an_unreadable_reference_among_several_is_an_error_and_nothing_is_stylized(
    influ: Influ, photo: Path, model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    call = ("stylize", photo, "--reference", photo, "--reference", broken, "--model", model)
    done = influ(*call, "-o", "out.png")
    assert (done.returncode, done.stdout) == (1, "")
    assert "broken.jpg" in done.stderr
    assert not (tmp_path / "out.png").exists()
