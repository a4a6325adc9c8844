"""Rewrite a model file of an older format as this version writes it.

    python examples/convert_model.py OLD NEW

Reads the tensors and the description without looking at checksums, leaves graphs out, and writes
both through the library, which counts hash and checksums anew.
"""

import json
import sys
from pathlib import Path

import numpy as np
from safetensors import safe_open

from stylegan_cli.networks.architecture import (
    ColourEstimatorConfig,
    GeneratorConfig,
    StyleEncoderConfig,
)
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.styles import Base, ColourEstimator, Model, Style, StyleInfo, write_model


def convert(old: Path, new: Path) -> Model:
    """Rewrite `old` as `new`; returns what it holds."""
    with safe_open(old, framework="numpy") as file:
        document = json.loads(file.metadata()["influ"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

    def under(prefix: str) -> dict[str, np.ndarray]:
        return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}

    base = Base(
        generator=from_mapping(GeneratorConfig, document["generator"]),
        encoder=from_mapping(StyleEncoderConfig, document["encoder"]),
        tensors={name: value.astype(np.float32) for name, value in under("base/").items()},
        content_colours=tensors["content_colours"],
        prior_code_factors=tensors["prior_code_factors"],
        colour_estimator=ColourEstimator(
            config=from_mapping(ColourEstimatorConfig, document["colour_estimator"]),
            tensors=under("colour_estimator/"),
        )
        if document.get("colour_estimator")
        else None,
    )
    styles = []
    for index, entry in enumerate(document["creators"]):
        parts = under(f"creators/{index}/")
        deltas = {n.removeprefix("deltas."): v for n, v in parts.items() if n.startswith("deltas.")}
        arrays = {name: value for name, value in parts.items() if not name.startswith("deltas.")}
        info = from_mapping(StyleInfo, entry)
        styles.append(Style(info=info, base_hash=base.hash, deltas=deltas, **arrays))
    model = Model(base=base, styles=tuple(styles), info=document.get("info", {}))
    write_model(model, new, overwrite=True)
    return model


if __name__ == "__main__":
    sys.stdout.write(f"{convert(Path(sys.argv[1]), Path(sys.argv[2])).base.hash}\n")
