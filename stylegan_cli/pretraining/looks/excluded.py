"""Parameters that pre-training must never draw: those of the looks that the benchmark asks for.

A benchmark on looks that were trained on proves nothing. Each row names parameters of one layer; a
drawn layer that comes near all of them at once is drawn again.
"""

from typing import Any

import numpy as np

from stylegan_cli.pretraining.looks.layers import Layer

TOLERANCE = 0.08  # relative; below a tenth, of a tenth

RESERVED: dict[str, tuple[dict[str, Any], ...]] = {
    "tone": ({"lift": 0.06, "gain": 0.9, "gamma": 0.9}, {"lift": 0.22, "gain": 0.76}),
    "contrast": ({"slope": 1.5, "pivot": 0.5, "level": 0.45},),
    "split tone": (
        {"shadows": (-0.02, 0.03, 0.06), "highlights": (0.08, 0.02, -0.07)},
        {"shadows": (-0.08, 0.02, 0.08), "highlights": (0.10, 0.03, -0.10)},
    ),
    "monochrome": ({"weights": (0.35, 0.50, 0.15), "amount": 1.0},),
    "glow": ({"threshold": 0.65, "radius": 1 / 40, "amount": 0.7},),
    "steps": ({"of": "value", "levels": 255 / 32, "vividness": 1.5},),
    "contours": ({"kind": "dog", "sigma": 1 / 220, "gain": 80.0},),
    "pencil": ({"radius": 1 / 50, "gamma": 1.3},),
}


def is_excluded(layer: Layer) -> bool:
    """Whether a layer has all the excluded parameters of its family within the tolerance."""
    rows = RESERVED.get(layer.family, ())
    return any(all(_near(getattr(layer, name), row[name]) for name in row) for row in rows)


def _near(value: Any, excluded: Any) -> bool:
    if isinstance(excluded, str):
        return bool(value == excluded)
    drawn, known = np.atleast_1d(value), np.atleast_1d(excluded)
    # A width is a small number that means much; a tint is a small number that means little.
    scale = np.abs(known) if known.size == 1 else np.maximum(np.abs(known), 0.1)
    return bool(np.all(np.abs(drawn - known) <= TOLERANCE * scale))
