"""A fixed style folds into the weights: FiLM follows a convolution and becomes part of it.

Numpy only: this is how a style reaches ONNX Runtime without torch.
"""

from collections.abc import Mapping

import numpy as np

from stylegan_cli.networks.architecture import GeneratorConfig

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
    code: (code_dim,). short_side: px of the picture at working size.
    """
    if len(code) != config.code_dim:
        raise ValueError(f"expected a code of {config.code_dim} numbers, got {len(code)}")
    size = np.log(short_side / 256)
    conditions = {"colour.": code, "residue.": np.append(code, size)}
    folded = {name: value for name, value in tensors.items() if ".film." not in name}
    for name in folded:
        if name.endswith(".conv.weight"):
            _fold_layer(folded, tensors, name, conditions[name.split(".")[0] + "."])
    # On [-1, 1] the map u @ matrix + offset is x @ matrix + (1 @ matrix + 2 offset - 1).
    folded["map.weight"] = matrix.T[:, :, None, None]
    folded["map.bias"] = matrix.sum(axis=0) + 2 * offset - 1
    return {name: np.ascontiguousarray(value, np.float32) for name, value in folded.items()}


def apply_colour(folded: Tensors, colours: np.ndarray) -> np.ndarray:
    """The per-pixel part of a folded generator on unit colours.

    folded: from `fold_style`. colours: (N, 3) unit. Returns (N, 3) float32, not clipped.
    """
    image = colours.astype(np.float32) * 2 - 1
    mapped = _pointwise(image, folded, "map")
    features = np.concatenate([image, mapped], axis=1)
    for name in ("colour.enter.conv", "colour.middle.conv"):
        features = _silu(_pointwise(features, folded, name))
    toned: np.ndarray = (mapped + _pointwise(features, folded, "colour.leave") + 1) / 2
    return toned


def _fold_layer(
    folded: dict[str, np.ndarray], tensors: Tensors, weight: str, condition: np.ndarray
) -> None:
    layer, bias = weight.removesuffix(".conv.weight"), weight.removesuffix("weight") + "bias"
    film = tensors[f"{layer}.film.weight"] @ condition + tensors[f"{layer}.film.bias"]
    scale, shift = np.split(film, 2)
    folded[weight] = folded[weight] * (1 + scale)[:, None, None, None]
    folded[bias] = folded[bias] * (1 + scale) + shift


def _pointwise(features: np.ndarray, weights: Tensors, name: str) -> np.ndarray:
    result: np.ndarray = (
        features @ weights[f"{name}.weight"][:, :, 0, 0].T + weights[f"{name}.bias"]
    )
    return result


def _silu(values: np.ndarray) -> np.ndarray:
    # Clipped: exp overflows in float32 beyond 88, where the sigmoid is 0 anyway.
    result: np.ndarray = values / (1 + np.exp(-np.clip(values, -60, 60)))
    return result
