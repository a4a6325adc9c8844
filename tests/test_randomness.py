"""Promises of runtime/randomness.py."""

import numpy as np
import torch

from stylegan_cli.runtime.randomness import derive_seed, numpy_generator, torch_generator


def test_seeds_are_the_same_on_every_machine() -> None:
    assert derive_seed(0, 0, "z") == 8_818_169_305_149_576_399
    assert all(0 <= derive_seed(s, 1, "any") < 2**63 for s in range(50))


def test_seed_step_and_purpose_each_make_another_draw() -> None:
    draws = [(0, 0, "a"), (1, 0, "a"), (0, 1, "a"), (0, 0, "b"), (1, 1, "1/a"), (11, 1, "a")]
    assert len({derive_seed(*draw) for draw in draws}) == len(draws)


def test_generators_can_be_made_again() -> None:
    first, again = (numpy_generator(3, 5, "x").random(4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    drawn = [torch.rand(4, generator=torch_generator(3, 5, "x")) for _ in range(2)]
    torch.testing.assert_close(*drawn, rtol=0, atol=0)
