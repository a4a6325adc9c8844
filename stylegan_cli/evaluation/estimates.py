"""What an evaluation reports: values with their errors, beside those of untouched photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One value: of the styled photos, and of the untouched photos where that says something.

    standard_error: of `styled`, over the photos; None where it is unknown.
    """

    styled: float
    standard_error: float | None
    untouched: float | None
    better: Better


def mean_of(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and its standard error; None for a single value."""
    if len(values) < 2:
        return float(np.mean(values)), None
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))
