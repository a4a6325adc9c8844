"""Promises of sharing/style_code.py."""

import base64
import dataclasses
import struct
import zlib

import numpy as np
import pytest
from model_files import DIM, small_model
from picture_files import scene

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.colour import lut_grid
from stylegan_cli.errors import StyleFileError, UsageError
from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.sharing.style_code import FAITHFUL_DB, read_line, write_line
from stylegan_cli.styles import Style
from stylegan_cli.styles.mixing import mix
from stylegan_cli.stylizer import Stylizer, vary


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base)


def calibrated_style() -> Style:
    """A creator with a bent calibration, as large sets have."""
    style = small_model().styles[0]
    info = dataclasses.replace(style.info, licence="CC0, Zoë", pictures=200, mode="drawn")
    lut = (lut_grid(15) ** np.array([0.8, 1.2, 1.5])).reshape(15, 15, 15, 3)
    return dataclasses.replace(style, info=info, calibration=lut.astype(np.float32))


@pytest.fixture(scope="module")
def text(backend: Backend) -> str:
    return write_line(calibrated_style(), small_model().base, backend).text


def test_the_style_of_a_line_stylizes_what_the_style_stylizes(backend: Backend) -> None:
    base = small_model().base
    for style in (calibrated_style(), small_model().style("toon")):
        line = write_line(style, base, backend)
        again = read_line(line.text, "pasted", base)
        assert line.psnr_db >= FAITHFUL_DB
        for changed in (lambda s: s, lambda s: vary(s, 1)):
            results = [
                Stylizer(base, changed(look), backend).stylize(scene(90, 120))
                for look in (again, style)
            ]
            assert psnr(*results) > FAITHFUL_DB - 4  # on a picture that was not measured
        told = dataclasses.replace(style.info, name="pasted", display_name="pasted")
        assert again.info == told


def test_a_line_is_short_plain_and_always_the_same(backend: Backend, text: str) -> None:
    assert text == write_line(calibrated_style(), small_model().base, backend).text
    assert text.startswith("influ1:")
    assert text.isascii()
    assert not set(text) & set(" \n_*~`=\"'")  # what messengers and shells would change
    assert len(text) < 600


def test_it_survives_the_ways_of_messages(text: str) -> None:
    wrapped = "\n> ".join(text[k : k + 40] for k in range(0, len(text), 40)).replace("> ", "  ")
    plain = read_line(text, "x", small_model().base)
    for sent in (wrapped, f"  {text}\r\n", f"`{text}`", f'"{text}"'):
        found = read_line(sent, "x", small_model().base)
        np.testing.assert_array_equal(found.code, plain.code)


def test_every_typo_is_found(text: str) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    rng = np.random.default_rng(0)
    start = len("influ1:")
    for place in range(start, len(text) - 1):  # the last letter may hold bits that don't count
        wrong = letters[(letters.index(text[place]) + 1 + rng.integers(63)) % 64]
        changed = text[:place] + wrong + text[place + 1 :]
        with pytest.raises(StyleFileError, match=r"typo.* copy all of it again"):
            read_line(changed, "x", small_model().base)
    swapped = text[:30] + text[31] + text[30] + text[32:]
    for changed in (text[:-5], text[: start + 3], text + "AAAA", text[:start], swapped):
        with pytest.raises(StyleFileError, match="typo"):
            read_line(changed, "x", small_model().base)


@pytest.mark.parametrize("other", ["", "hello", "influ:abcd", "https://example.org", "influx1:ab"])
def test_other_text_is_no_code(other: str) -> None:
    with pytest.raises(StyleFileError, match="influ styles code NAME"):
        read_line(other, "x", small_model().base)


def test_a_newer_code_asks_for_an_update(text: str) -> None:
    with pytest.raises(StyleFileError, match=r"version 2.*update"):
        read_line(text.replace("influ1:", "influ2:"), "x", small_model().base)


def test_a_code_of_another_base_names_both(text: str) -> None:
    base = small_model().base
    tensors = {name: value * 0.5 for name, value in base.tensors.items()}
    other = dataclasses.replace(base, tensors=tensors)
    with pytest.raises(StyleFileError, match="--model") as refused:
        read_line(text, "x", other)
    assert base.hash[:8] in str(refused.value)
    assert other.hash[:8] in str(refused.value)


def test_bytes_with_a_right_checksum_but_nonsense_inside_are_refused(text: str) -> None:
    body = base64.b64decode(text.partition(":")[2] + "==="[: -len(text.partition(":")[2]) % 4])[4:]
    head = struct.Struct(">4sBBHHBH")
    fields = list(head.unpack_from(body))
    for place, nonsense in ((1, 200), (2, 9), (3, 0), (3, 60000), (5, 255)):
        wrong = list(fields)
        wrong[place] = nonsense
        data = head.pack(*wrong) + body[head.size :]
        data = zlib.crc32(data).to_bytes(4, "big") + data
        with pytest.raises(StyleFileError):
            read_line("influ1:" + base64.b64encode(data).decode(), "x", small_model().base)


def test_a_refined_style_points_to_pack(backend: Backend) -> None:
    name = "residual.conv_out.conv.weight"
    rows = small_model().base.generator_tensors[name].shape[0]
    deltas = {f"{name}.up": np.ones((rows, 1), np.float32)}
    refined = dataclasses.replace(calibrated_style(), deltas=deltas)
    with pytest.raises(UsageError, match="influ styles pack creatorA"):
        write_line(refined, small_model().base, backend)


def test_what_no_line_is_precise_enough_for_points_to_pack(backend: Backend) -> None:
    far = dataclasses.replace(calibrated_style(), code=np.full(DIM, 1e3, np.float32))
    with pytest.raises(UsageError, match="influ styles pack creatorA"):
        write_line(far, small_model().base, backend)
    info = dataclasses.replace(far.info, licence="x" * 2000)
    with pytest.raises(UsageError, match="licence note"):
        write_line(dataclasses.replace(far, info=info), small_model().base, backend)


def test_a_mix_of_instant_styles_is_a_line_too(backend: Backend) -> None:
    both = mix([calibrated_style(), small_model().style("toon")], [0.5, 0.5])
    line = write_line(both, small_model().base, backend)
    assert read_line(line.text, "both", small_model().base).info.pictures == 203
