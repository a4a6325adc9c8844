"""Small integers in as few bytes as they need: an entropy coder without parameters to send.

An asymmetric numeral system (Duda 2013, section 2.2) on one Python integer of any length, so that
nothing is ever renormalised. The probabilities are counts that both sides keep: small numbers are
likelier at first, and what came often becomes cheap. Integers only, so every machine agrees.
"""

from collections.abc import Iterator, Sequence

LARGEST = 127  # magnitude of a number
_LIKELIER = 512  # count of zero at first; halves with each step away from it
_LEARNING = 24  # what a number's count grows by when it is seen

Blocks = Sequence[Sequence[int]]


def encode(blocks: Blocks) -> bytes:
    """Numbers from -LARGEST to LARGEST; each block learns its own probabilities."""
    intervals = [interval for block in blocks for interval in _intervals_of(block)]
    state = 1
    for count, below, total in reversed(intervals):
        state = state // count * total + below + state % count
    return state.to_bytes((state.bit_length() + 7) // 8, "big")


def decode(data: bytes, lengths: Sequence[int]) -> list[list[int]]:
    """The blocks of these lengths; of bytes that `encode` did not write, some numbers."""
    state = int.from_bytes(data, "big")
    blocks = []
    for length in lengths:
        counts, block = _first_counts(), []
        for _ in range(length):
            total = sum(counts)
            slot, symbol, below = state % total, 0, 0
            while below + counts[symbol] <= slot:
                below += counts[symbol]
                symbol += 1
            state = state // total * counts[symbol] + slot - below
            counts[symbol] += _LEARNING
            block.append(symbol - LARGEST)
        blocks.append(block)
    return blocks


def _intervals_of(block: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Of each number: its count, the counts below it, and all of them."""
    counts = _first_counts()
    for number in block:
        symbol = number + LARGEST
        yield counts[symbol], sum(counts[:symbol]), sum(counts)
        counts[symbol] += _LEARNING


def _first_counts() -> list[int]:
    return [max(1, _LIKELIER >> abs(n)) for n in range(-LARGEST, LARGEST + 1)]
