"""Config dataclasses read from TOML and JSON, with errors that name what is wrong."""

import importlib
import json
import math
import re
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stylegan_cli
from stylegan_cli.batches.config import SheetConfig
from stylegan_cli.errors import ConfigError
from stylegan_cli.evaluation.config import EvaluationConfig
from stylegan_cli.networks.architecture import (
    ColourEstimatorConfig,
    GeneratorConfig,
    StyleEncoderConfig,
)
from stylegan_cli.pretraining.colour_config import ColourRunConfig, ColourTrainingConfig
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.planning import PretrainRunConfig
from stylegan_cli.runtime.config import is_config, settings_of
from stylegan_cli.runtime.mappings import from_mapping, load_settings, load_toml, to_mapping
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.planning import RunConfig

PACKAGE = Path(stylegan_cli.__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    width: int = 8
    rates: tuple[float, ...] = (0.5, 1.0)

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ConfigError(f"width must be at least 1, got {self.width}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    data: Path | None = None
    rate: float = 0.1
    pair: tuple[int, int] = (1, 2)
    resume: bool = False
    gan: Literal["hinge", "lsgan"] = "hinge"
    inner: Inner = field(default_factory=Inner)
    weights: dict[str, float] = field(default_factory=dict)


def test_a_toml_file_becomes_a_config(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        'name = "film"\ndata = "faces"\nrate = 1\ngan = "lsgan"\npair = [3, 4]\n'
        "[inner]\nwidth = 16\nrates = [1, 2.5]\n"
    )

    config = from_mapping(Outer, load_toml(path))

    assert config == Outer(
        name="film",
        data=Path("faces"),
        rate=1.0,
        gan="lsgan",
        pair=(3, 4),
        inner=Inner(width=16, rates=(1.0, 2.5)),
    )
    assert isinstance(config.rate, float)


# A busy machine is slow; that is no fault of a config.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.text(),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    width=st.integers(min_value=1, max_value=1 << 40),
    rates=st.lists(st.floats(allow_nan=False), max_size=4),
    data=st.none() | st.just(Path("a/b")),
)
def test_every_config_survives_json(
    name: str, rate: float, width: int, rates: list[float], data: Path | None
) -> None:
    config = Outer(name=name, rate=rate, data=data, inner=Inner(width=width, rates=tuple(rates)))
    assert from_mapping(Outer, json.loads(json.dumps(to_mapping(config)))) == config


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "a", "ratte": 1.0}, "no setting 'ratte'; did you mean 'rate'?"),
        (
            {"name": "a", "inner": {"zzz": 1}},
            "no setting of inner 'zzz'; choose one of width, rates",
        ),
        ({}, "the setting 'name' is missing"),
        ({"name": 3}, "'name' must be str, got 3"),
        ({"name": "a", "rate": "fast"}, "'rate' must be float, got 'fast'"),
        ({"name": "a", "rate": True}, "'rate' must be float, got True"),
        ({"name": "a", "resume": 1}, "'resume' must be bool, got 1"),
        ({"name": "a", "gan": "wgan"}, "there is no 'gan' 'wgan'; did you mean 'lsgan'?"),
        ({"name": "a", "pair": [1]}, "'pair' must be a list of 2, got [1]"),
        ({"name": "a", "pair": [1, 2.5]}, "'pair[1]' must be int, got 2.5"),
        ({"name": "a", "inner": 3}, "'inner' must be a table of settings, got 3"),
        ({"name": "a", "inner": {"width": 0}}, "width must be at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_mapping(Outer, values)
    assert said in str(caught.value)


def test_a_setting_may_be_spelt_as_the_option_is() -> None:
    @dataclass(frozen=True)
    class Config:
        time_limit: str = "30m"

    assert from_mapping(Config, {"time-limit": "2m"}).time_limit == "2m"


@pytest.mark.parametrize("content", [b"name = ", b"\xff\xfe", None])
def test_a_broken_or_missing_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml"):
        load_toml(path)


def test_the_bounds_of_a_config_inside_another_hold(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[diagnostics]\nloss_window = 0\n")
    with pytest.raises(ConfigError, match="loss_window must be from 1 to 1000000, got 0"):
        from_mapping(TrainingConfig, load_toml(path))


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, 1e308, 10**400, -(10**20)], ids=lambda n: str(n)[:6]
)
@pytest.mark.parametrize("field", ["steps", "seed", "lr_g", "size", "scales", "lambda_content"])
def test_no_setting_takes_infinity_or_nan(field: str, number: float) -> None:
    value = (0.5, number) if field == "scales" else number
    with pytest.raises(ConfigError, match=r"must be"):
        TrainingConfig(**{field: value})


# They say when something happens; nothing is as large as they are.
COUNTS = {"seed", "steps", "warmup", "r1_every", "validate_every", "sample_every", "save_every"}
COUNTS |= {"patience"}


@pytest.mark.parametrize("config", [TrainingConfig, PretrainConfig, ColourTrainingConfig])
def test_every_size_of_a_run_has_an_upper_bound(config: type) -> None:
    def sizes_without_one(config: type) -> list[str]:
        found = []
        for setting in settings_of(config):
            if setting.config is not None:
                found += sizes_without_one(setting.config)
            elif "int" in str(setting.kind) and setting.name not in COUNTS:
                bounded = setting.option is not None and setting.option.at_most is not None
                found += [] if bounded else [setting.name]
        return found

    assert sizes_without_one(config) == []


@pytest.mark.parametrize(
    ("config", "values"),
    [
        (GeneratorConfig, {"base_channels": 10**6}),
        (GeneratorConfig, {"code_dim": 10**18}),
        (StyleEncoderConfig, {"statistics_dim": 8, "hidden": 10**6}),
        (StyleEncoderConfig, {"statistics_dim": 8, "channels": (1,) * 1000}),
        (StyleEncoderConfig, {"statistics_dim": 8, "channels": (10**6,)}),
        (ColourEstimatorConfig, {"clusters": 10**6}),
    ],
)
def test_no_network_is_built_without_end(config: type, values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"must be (from )?1 to"):
        config(**values)


def test_a_config_file_with_a_number_of_too_many_digits_is_refused(tmp_path: Path) -> None:
    for name, text in (("a.toml", "steps = {}"), ("a.json", '{{"steps": {}}}')):
        (tmp_path / name).write_text(text.format("9" * 5000))
        with pytest.raises(ConfigError, match=name):
            load_settings(tmp_path / name)


def _config_classes() -> list[type[Any]]:
    """Every class of the package whose fields are options."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        says_options = re.search(r"\bOption\(|file_option\(", path.read_text())
        if says_options and path.parent.name not in ("runtime", "commands"):
            name = ".".join(("stylegan_cli", *path.relative_to(PACKAGE).with_suffix("").parts))
            module = importlib.import_module(name.removesuffix(".__init__"))
            classes = [item for item in vars(module).values() if isinstance(item, type)]
            found += [c for c in classes if c.__module__ == module.__name__ and is_config(c)]
    return found


def test_every_config_is_held_to_the_bounds_of_its_fields() -> None:
    classes = _config_classes()
    assert {SheetConfig, RunConfig, PretrainRunConfig, ColourRunConfig} < set(classes)
    for config in classes:
        needed = {s.name: Path() for s in settings_of(config) if s.default is MISSING}
        for setting in settings_of(config):
            option = setting.option
            if option is None or option.bounds() == "":
                continue
            low = option.above if option.at_least is None else option.at_least
            value = -1e16 if low is None else low - 1
            is_pair = isinstance(setting.default, tuple)
            with pytest.raises(ConfigError, match=rf"{setting.label}\b.* must be"):
                config(**needed | {setting.name: (value, value) if is_pair else value})


@pytest.mark.parametrize("config", [RunConfig, PretrainRunConfig, EvaluationConfig])
def test_a_folder_that_must_exist_is_asked_for_in_python_too(config: type[Any]) -> None:
    name = "content" if config is PretrainRunConfig else "data"
    lost = Path("lost")
    with pytest.raises(ConfigError, match="can't read lost: it does not exist; check the name"):
        config(**{name: (lost,) if name == "content" else lost})
