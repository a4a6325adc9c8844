import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser import BROWSER, Page
from conftest import Influ
from picture_files import DISPLAY_P3, SRGB_CURVE, put, rgb_profile, saved, scene
from PIL import Image

from stylegan_cli.commands.compare import compare
from stylegan_cli.errors import OutputExistsError, PictureError, UsageError, WriteError
from stylegan_cli.pictures import AiLabel, Picture, read_picture, read_rgb, resize, write_picture

Pixels = np.ndarray


def pictures_in(page: Path) -> list[Pixels]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page.read_text(encoding="utf-8"))
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def assert_alike(pixels: Pixels, wanted: Pixels) -> None:
    """The same picture but for what JPEG does."""
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(int) - wanted).mean() < 3


def test_a_page_holds_both_pictures_upright_in_srgb_and_no_larger_than_shown(
    tmp_path: Path,
) -> None:
    orientation = Image.Exif()
    orientation[0x0112] = 6
    profile = rgb_profile(DISPLAY_P3, SRGB_CURVE)
    turned = saved(scene(1200, 2000), "JPEG", exif=orientation, icc_profile=profile, quality=95)
    before = put(tmp_path / "a.jpg", turned)
    after = put(tmp_path / "b.png", saved(scene(250, 150), "PNG"))
    compare(before, after, tmp_path / "out.html")
    left, right = pictures_in(tmp_path / "out.html")
    assert left.shape == (1600, 960, 3)
    assert_alike(left, resize(read_rgb(before), (1600, 960)))
    assert_alike(right, resize(scene(250, 150), (1600, 960)))


def test_a_page_needs_nothing_but_itself_and_shows_names_as_they_are(tmp_path: Path) -> None:
    before = put(tmp_path / "<i>a&b.png", saved(scene(), "PNG"))
    after = put(tmp_path / "b.png", saved(scene(), "PNG"))
    compare(before, after, tmp_path / "out.html")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|https?:", page)
    assert page.count('type="range"') == 1
    assert "before: &lt;i&gt;a&amp;b.png" in page
    assert "<i>" not in page


def test_a_picture_of_another_shape_is_shown_whole_and_not_stretched(tmp_path: Path) -> None:
    before = put(tmp_path / "a.png", saved(scene(96, 128), "PNG"))
    after = put(tmp_path / "b.png", saved(scene(96, 96), "PNG"))
    compare(before, after, tmp_path / "out.html")
    _, right = pictures_in(tmp_path / "out.html")
    white = np.full((96, 16, 3), 255)
    assert_alike(right, np.concatenate([white, scene(96, 96), white], axis=1))


def test_a_picture_has_both_side_by_side_at_one_height(tmp_path: Path) -> None:
    before = put(tmp_path / "a.png", saved(scene(48, 64), "PNG"))
    after = put(tmp_path / "b.png", saved(scene(96, 64), "PNG"))
    compare(before, after, tmp_path / "out.png")
    both = read_rgb(tmp_path / "out.png")
    np.testing.assert_array_equal(both[:, :64], scene(48, 64))
    np.testing.assert_array_equal(both[:, -32:], resize(scene(96, 64), (48, 32)))
    assert (both[:, 64:-32] == 255).all()


def test_both_together_go_on_saying_that_a_network_made_part(tmp_path: Path) -> None:
    before = put(tmp_path / "a.png", saved(scene(), "PNG"))
    write_picture(Picture(scene()), tmp_path / "b.png", ai_label=AiLabel("influ, style toon", "1"))
    compare(before, tmp_path / "b.png", tmp_path / "out.jpg")
    assert b"influ, style toon" in (read_picture(tmp_path / "out.jpg").xmp or b"")


def test_the_page_lies_beside_what_became_of_the_picture(
    influ: Influ, photo: Path, tmp_path: Path
) -> None:
    (tmp_path / "styled").mkdir()
    put(tmp_path / "styled" / "b.jpg", photo.read_bytes())
    done = influ("compare", "photo.jpg", "styled/b.jpg")
    assert (done.returncode, done.stdout) == (0, "styled/photo_compare.html\n"), done.stderr
    again = influ("compare", "photo.jpg", "styled/b.jpg")
    assert again.returncode == OutputExistsError.exit_code == 2
    assert "--overwrite" in again.stderr
    bad = put(tmp_path / "bad.jpg", b"no picture")
    done = influ("compare", "photo.jpg", bad)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "bad.jpg: it is text, not a picture" in done.stderr


def test_nothing_is_written_over_an_input_or_where_no_picture_can_be(
    tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = photo.read_bytes()
    other = put(tmp_path / "b.jpg", before)
    for target in (photo, other):
        with pytest.raises(UsageError, match="is an input"):
            compare(photo, other, target, overwrite=True)
    with pytest.raises(UsageError, match=r"\.html"):
        compare(photo, other, tmp_path / "out.pdf")
    with pytest.raises(WriteError, match="make it first"):
        compare(photo, other, tmp_path / "none" / "out.html")
    assert (photo.read_bytes(), other.read_bytes()) == (before, before)
    compare(photo, other, tmp_path / "out.htm", as_json=True)
    assert json.loads(capsys.readouterr().out)["comparison"] == str(tmp_path / "out.htm")


def test_two_pictures_that_make_too_large_a_one_are_refused(tmp_path: Path) -> None:
    tall = put(tmp_path / "a.png", saved(scene(6000, 4), "PNG"))
    wide = put(tmp_path / "b.png", saved(scene(4, 6000), "PNG"))
    with pytest.raises(PictureError, match="too large"):
        compare(tall, wide, tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_shows_more_of_the_other_picture_as_its_slider_is_dragged(tmp_path: Path) -> None:
    red, blue = (np.full((400, 600, 3), colour, np.uint8) for colour in ((255, 0, 0), (0, 0, 255)))
    before = put(tmp_path / "a.png", saved(red, "PNG"))
    after = put(tmp_path / "b.png", saved(blue, "PNG"))
    compare(before, after, tmp_path / "page.html")
    with Page(tmp_path / "page.html", tmp_path / "profile") as page:
        for share in (0.8, 0.3):
            page.drag_slider(0, share)
            pixels = page.pixels().astype(int)
            is_red, is_blue = (np.abs(pixels - c).max(-1) < 12 for c in ((254, 0, 0), (0, 0, 254)))
            row = int(np.flatnonzero(is_blue.any(1))[0]) + 5
            shown = is_red[row].sum() / (is_red | is_blue)[row].sum()
            assert shown == pytest.approx(share, abs=0.06)
        assert not page.errors
