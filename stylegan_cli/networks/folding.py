"""A fixed style folds into the weights: its modulation becomes part of each convolution.

Numpy only: this is how a style reaches ONNX Runtime without torch.
"""

from collections.abc import Mapping

import numpy as np

from stylegan_cli.networks.architecture import GAIN, LARGEST_SHORT_SIDE, LEAK, GeneratorConfig

Tensors = Mapping[str, np.ndarray]


def merge_deltas(tensors: Tensors, deltas: Tensors) -> dict[str, np.ndarray]:
    """Add a creator's low-rank deltas: W + up @ down, shaped like W (Hu et al. 2021, eq. 3).

    deltas: `NAME.down` (rank, rest) and `NAME.up` (channels_out, rank) for tensors NAME.
    """
    merged = dict(tensors)
    for key in deltas:
        if key.endswith(".up"):
            name = key.removesuffix(".up")
            up, down = (deltas[f"{name}.{part}"].astype(np.float32) for part in ("up", "down"))
            merged[name] = tensors[name] + (up @ down).reshape(tensors[name].shape)
    return merged


def fold_style(
    tensors: Tensors,
    config: GeneratorConfig,
    matrix: np.ndarray,
    offset: np.ndarray,
    code: np.ndarray,
    short_side: float,
) -> dict[str, np.ndarray]:
    """Weights of a FoldedGenerator for one style at one scale.

    tensors: the generator's. matrix (3, 3), offset (3,): linear map on unit colours.
    code: (code_dim,). short_side: px of the picture at working size; above LARGEST_SHORT_SIDE it
    counts as that.
    """
    if len(code) != config.code_dim:
        raise ValueError(f"expected a code of {config.code_dim} numbers, got {len(code)}")
    size = np.log(min(short_side, LARGEST_SHORT_SIDE) / 256)
    conditions = {"colour": code, "residual": np.append(code, size)}
    folded: dict[str, np.ndarray] = {}
    for name in tensors:
        if name.endswith(".conv.weight"):
            layer = name.removesuffix(".conv.weight")
            condition = conditions[layer.partition(".")[0]]
            fold = _fold_modulated if f"{layer}.style.weight" in tensors else _fold_gated
            weight, bias = fold(tensors, layer, condition)
            folded |= {f"{layer}.conv.weight": weight, f"{layer}.conv.bias": bias}
    # On [-1, 1] the map u @ matrix + offset is x @ matrix + (1 @ matrix + 2 offset - 1).
    folded["map.weight"] = matrix.T[:, :, None, None]
    folded["map.bias"] = matrix.sum(axis=0) + 2 * offset - 1
    return {name: np.ascontiguousarray(value, np.float32) for name, value in folded.items()}


def apply_colour(folded: Tensors, colours: np.ndarray) -> np.ndarray:
    """The base colour of a folded generator, on unit colours.

    folded: from `fold_style`. colours: (N, 3) unit. Returns (N, 3) float32, not clipped.
    """
    image = colours.astype(np.float32) * 2 - 1
    mapped = _pointwise(image, folded, "map")
    features = np.concatenate([image, mapped], axis=1)
    for name in ("colour.conv_in.conv", "colour.middle.conv"):
        features = _pointwise(features, folded, name)
        features = np.where(features > 0, features, LEAK * features)
    base_colour: np.ndarray = (
        mapped + _pointwise(features, folded, "colour.conv_out.conv") + 1
    ) / 2
    return base_colour


def _fold_modulated(
    tensors: Tensors, layer: str, condition: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a layers.ModulatedConv at one condition (Karras et al. 2020, eq. 3)."""
    weight = tensors[f"{layer}.conv.weight"]
    style = tensors[f"{layer}.style.weight"] @ condition + tensors[f"{layer}.style.bias"]
    scale, shift = np.split(style, [weight.shape[1]])
    scaled = weight * (1 + scale)[None, :, None, None]
    energy = np.square(scaled).sum(axis=(1, 2, 3), keepdims=True)
    return GAIN * scaled / np.sqrt(energy + 1e-8), shift


def _fold_gated(
    tensors: Tensors, layer: str, condition: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of a layers.GatedConv at one condition."""
    weight, bias = (tensors[f"{layer}.conv.{part}"] for part in ("weight", "bias"))
    gate = tensors[f"{layer}.gate.weight"] @ condition + tensors[f"{layer}.gate.bias"]
    inner, outer, shift = np.split(gate, [weight.shape[1], weight.shape[1] + len(bias)])
    weight = weight * (1 + inner)[:, None, None]
    return weight * (1 + outer)[:, None, None, None], bias * (1 + outer) + shift


def _pointwise(features: np.ndarray, weights: Tensors, name: str) -> np.ndarray:
    result: np.ndarray = (
        features @ weights[f"{name}.weight"][:, :, 0, 0].T + weights[f"{name}.bias"]
    )
    return result
