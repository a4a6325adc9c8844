"""A batch in parts: whatever the parts, their weighted losses add up to that of the batch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """Samples of a step's batch that are computed at once: `rows` of `count`."""

    rows: range
    count: int

    @property
    def weight(self) -> float:
        """What a mean over these samples counts in the mean over the batch."""
        return len(self.rows) / self.count

    @property
    def slice(self) -> slice:
        """Takes these samples' rows out of those of the batch."""
        return slice(self.rows.start, self.rows.stop, self.rows.step)


def whole(count: int) -> Share:
    """All samples of a batch."""
    return Share(range(count), count)
