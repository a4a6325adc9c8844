"""Promises of sharing/entropy_coding.py."""

import numpy as np
import pytest

from stylegan_cli.sharing.entropy_coding import LARGEST, decode, encode


@pytest.mark.parametrize("seed", range(5))
def test_every_number_survives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks = [
        rng.integers(-LARGEST, LARGEST + 1, 40).tolist(),
        np.clip(np.round(rng.laplace(0, 2, 300)), -LARGEST, LARGEST).astype(int).tolist(),
        [],
        [0] * 50,
        [LARGEST, -LARGEST],
    ]
    assert decode(encode(blocks), [len(block) for block in blocks]) == blocks


def test_it_takes_little_more_than_the_entropy() -> None:
    numbers = np.round(np.random.default_rng(0).laplace(0, 3, 1000)).astype(int)
    _, counts = np.unique(numbers, return_counts=True)
    entropy = -np.sum(counts * np.log2(counts / counts.sum())) / 8  # bytes
    assert len(encode([numbers.tolist()])) < 1.1 * entropy
    assert len(encode([[0] * 1000])) < 40


def test_bytes_that_were_never_written_still_end() -> None:
    for data in (b"", b"\0", b"\xff" * 200):
        blocks = decode(data, [128, 12])
        assert [len(block) for block in blocks] == [128, 12]
        assert max(abs(number) for block in blocks for number in block) <= LARGEST
