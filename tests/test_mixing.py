"""Promises of styles/mixing.py."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from model_files import small_model, write_small_model
from picture_files import scene

from stylegan_cli.backends import open_backend
from stylegan_cli.colour import apply_lut, lut_grid
from stylegan_cli.errors import StyleNotFoundError, UsageError
from stylegan_cli.networks.folding import merge_deltas
from stylegan_cli.styles import Style, check_name
from stylegan_cli.styles.mixing import find_style_or_mix, mix, name_of, parse_mix
from stylegan_cli.stylizer import Stylizer, open_stylizer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def calibrated(style: Style, size: int, power: float) -> Style:
    return dataclasses.replace(
        style, calibration=(lut_grid(size) ** power).reshape(size, size, size, 3)
    )


def refined(style: Style, rank: int, value: float) -> Style:
    name = "residual.conv_out.conv.weight"
    rows, *rest = small_model().base.generator_tensors[name].shape
    rng = np.random.default_rng(rank)
    down = rng.normal(0, value, (rank, int(np.prod(rest)))).astype(np.float32)
    up = rng.normal(0, value, (rows, rank)).astype(np.float32)
    deltas = {f"{name}.up": up, f"{name}.down": down}
    info = dataclasses.replace(style.info, refined=True)
    return dataclasses.replace(style, info=info, deltas=deltas)


def test_weights_are_shares_of_the_whole() -> None:
    assert dict(parse_mix("a:0.7,b:0.3")) == pytest.approx({"a": 0.7, "b": 0.3})
    assert dict(parse_mix(" a:70, b:30 ")) == pytest.approx({"a": 0.7, "b": 0.3})
    assert parse_mix("a,b,c:2") == [("a", 0.25), ("b", 0.25), ("c", 0.5)]
    assert parse_mix("a:0,b:1") == [("a", 0), ("b", 1)]


@pytest.mark.parametrize(
    ("look", "complaint"),
    [
        ("a:x,b:1", "no weight"),
        ("a:,b:1", "no weight"),
        ("a:-1,b:2", "no weight"),
        ("a:nan,b:1", "no weight"),
        ("a:inf,b:1", "no weight"),
        ("a:0,b:0", "all 0"),
        ("a:1,a:2", "twice"),
        ("a:1,,b:2", "can't be a style's name"),
        ("a:1:2", "no weight"),
        ("../a:1,b", "can't be a style's name"),
        (",".join("abcdefghi"), "the limit is 8"),
    ],
)
def test_nonsense_is_one_sentence_of_wrong_use(look: str, complaint: str, model: Path) -> None:
    with pytest.raises(UsageError, match=complaint) as refused:
        open_stylizer(look, model=model)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_an_unknown_creator_in_a_mix_is_named(model: Path) -> None:
    with pytest.raises(StyleNotFoundError, match="nobody"):
        find_style_or_mix("toon:0.5,nobody:0.5", model)


def test_every_part_of_a_style_is_mixed_by_its_weight() -> None:
    base = small_model().base
    one = refined(calibrated(small_model().styles[0], 2, 2.0), 1, 0.3)
    other = refined(calibrated(small_model().styles[1], 5, 3.0), 3, 0.2)
    both = mix([one, other], [0.75, 0.25])
    for part in ("matrix", "offset", "code"):
        wanted = 0.75 * getattr(one, part) + 0.25 * getattr(other, part)
        np.testing.assert_allclose(getattr(both, part), wanted, atol=1e-6)
    colours = np.random.default_rng(0).random((100, 3)).astype(np.float32)
    wanted = 0.75 * apply_lut(colours, one.calibration)
    wanted += 0.25 * apply_lut(colours, other.calibration)
    np.testing.assert_allclose(apply_lut(colours, both.calibration), wanted, atol=1e-5)
    weights, weights_one, weights_other = (
        merge_deltas(base.generator_tensors, style.deltas)["residual.conv_out.conv.weight"]
        for style in (both, one, other)
    )
    np.testing.assert_allclose(weights, 0.75 * weights_one + 0.25 * weights_other, atol=1e-5)
    assert both.code_factors.shape == (4, len(one.code))


def test_a_mix_leads_from_one_look_to_the_other(model: Path) -> None:
    steps = ["creatorA:1,toon:0", "creatorA:0.5,toon:0.5", "creatorA:0,toon:1"]
    stylized = [open_stylizer(look, model=model).stylize(scene()).astype(int) for look in steps]
    alone = [open_stylizer(name, model=model).stylize(scene()) for name in ("creatorA", "toon")]
    assert np.abs(stylized[0] - alone[0]).max() <= 1
    assert np.abs(stylized[2] - alone[1]).max() <= 1
    middle = [np.abs(stylized[1] - end).mean() for end in (stylized[0], stylized[2])]
    assert min(middle) > 1
    assert max(middle) < np.abs(stylized[0] - stylized[2]).mean()


def test_a_mix_of_deltas_and_none_is_stylized() -> None:
    base = small_model().base
    both = mix([refined(small_model().styles[0], 2, 0.3), small_model().styles[1]], [0.5, 0.5])
    assert both.info.refined
    stylized = Stylizer(base, both, open_backend(base)).stylize(scene())
    assert stylized.shape == scene().shape


def test_a_mix_asks_for_what_the_most_demanding_look_needs() -> None:
    first, second = small_model().styles
    drawn = dataclasses.replace(first.info, mode="drawn", working_size=512, licence="CC0")
    both = mix([second, dataclasses.replace(first, info=drawn)], [0.9, 0.1])
    assert (both.info.mode, both.info.working_size) == ("drawn", 512)
    assert (both.info.licence, both.info.pictures) == ("CC0", 6)


def test_a_mix_has_a_name_that_a_file_can_have() -> None:
    assert name_of("toon:7,vangogh:3") == "toon-70-vangogh-30"
    assert name_of("toon") == "toon"
    assert name_of(None) == "creatorA"
    long = name_of(",".join("abcdef"[k] * 60 for k in range(6)))
    check_name(long)
    assert long == "mix-of-6"
