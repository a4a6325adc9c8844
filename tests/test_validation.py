"""Promises of training/validation.py."""

import dataclasses

import numpy as np
import pytest
import torch
from small_training import FEW_PATCHES, picture
from torch import Tensor

from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.training.config import TrainingConfig, ValidationConfig
from stylegan_cli.training.validation import CreatorMetrics, ValidationMetrics

LIMITS = ValidationConfig()


def test_validation_prefers_what_is_closer_and_what_keeps_the_photo() -> None:
    config = from_mapping(TrainingConfig, FEW_PATCHES)
    rng = np.random.default_rng(0)

    def tensors(hatched: bool, count: int) -> list[Tensor]:
        pixels = [torch.from_numpy(picture(rng, hatched)) for _ in range(count)]
        return [x.permute(2, 0, 1)[None].float() / 127.5 - 1 for x in pixels]

    photos, hatched = tensors(False, 3), tensors(True, 6)
    metrics = CreatorMetrics(
        hatched[:3], photos, load_features("lite0"), load_features("lite1"), config
    )
    untouched, alike = metrics.measure(photos), metrics.measure(hatched[3:])
    assert alike.texture < untouched.texture
    assert alike.kid < untouched.kid
    assert alike.kid_lite1 < untouched.kid_lite1
    assert untouched.content_change == pytest.approx(0, abs=1e-6)
    assert alike.content_change > 0.05
    assert metrics.measure(photos) == untouched


def test_a_score_weighs_closeness_against_change() -> None:
    start = ValidationMetrics(texture=0.2, kid=0.5, content_change=0.02, kid_lite1=0.5)
    assert start.score(start, LIMITS) == 1
    assert ValidationMetrics(0.1, 0.25, 0.02, 0.25).score(start, LIMITS) == pytest.approx(0.5)
    assert ValidationMetrics(0.1, 0.25, 0.9, 0.25).score(start, LIMITS) > 1
    # What is gained in one distance does not pay for what is lost in the other.
    assert ValidationMetrics(0.21, 0.1, 0.02, 0.1).score(start, LIMITS) == pytest.approx(1.05)
    reported_only = dataclasses.replace(start, kid_lite1=9.0)
    assert reported_only.score(start, LIMITS) == 1


def test_a_distance_that_chance_makes_is_not_worth_a_doubled_one() -> None:
    start = ValidationMetrics(texture=0.2, kid=0.001, content_change=0.02, kid_lite1=0.0)
    assert dataclasses.replace(start, kid=-0.001).score(start, LIMITS) > 0.98
