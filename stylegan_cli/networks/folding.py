"""A fixed style folds into the weights: FiLM follows a convolution, so scale and shift become its own.

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


def fold_residue(
    tensors: Tensors, config: GeneratorConfig, code: np.ndarray, short_side: float
) -> dict[str, np.ndarray]:
    """Weights of `folded_residue` for one code at one scale.

    tensors: the generator's. code: (code_dim,). short_side: px of the picture at working size.
    """
    condition = np.append(code, np.log(short_side / 256)).astype(np.float32)
    if len(code) != config.code_dim:
        raise ValueError(f"expected a code of {config.code_dim} numbers, got {len(code)}")
    return _fold(tensors, "residue.", condition)


def fold_colour(tensors: Tensors, code: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the per-pixel network for one code; see `apply_colour`."""
    return _fold(tensors, "colour.", code.astype(np.float32))


def apply_colour(
    weights: Tensors, colours: np.ndarray, matrix: np.ndarray, offset: np.ndarray
) -> np.ndarray:
    """The generator's per-pixel part on unit colours.

    weights: from `fold_colour`. colours: (N, 3) unit. matrix (3, 3), offset (3,): the linear map.
    Returns (N, 3) float32, not clipped.
    """
    colours = colours.astype(np.float32)
    image = colours * 2 - 1
    mapped = (colours @ matrix.astype(np.float32) + offset.astype(np.float32)) * 2 - 1
    features = np.concatenate([image, mapped], axis=1)
    for name in ("enter.conv", "middle.conv"):
        features = _silu(_pointwise(features, weights, name))
    return (mapped + _pointwise(features, weights, "leave") + 1) / 2


def _fold(tensors: Tensors, prefix: str, condition: np.ndarray) -> dict[str, np.ndarray]:
    folded = {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix) and ".film." not in name
    }
    for name in [name for name in folded if name.endswith(".conv.weight")]:
        layer = name.removesuffix(".conv.weight")
        film_weight = tensors[f"{prefix}{layer}.film.weight"]
        film_bias = tensors[f"{prefix}{layer}.film.bias"]
        scale, shift = np.split(film_weight @ condition + film_bias, 2)
        folded[name] = folded[name] * (1 + scale)[:, None, None, None]
        folded[f"{layer}.conv.bias"] = folded[f"{layer}.conv.bias"] * (1 + scale) + shift
    return {name: np.ascontiguousarray(value, np.float32) for name, value in folded.items()}


def _pointwise(features: np.ndarray, weights: Tensors, name: str) -> np.ndarray:
    result: np.ndarray = (
        features @ weights[f"{name}.weight"][:, :, 0, 0].T + weights[f"{name}.bias"]
    )
    return result


def _silu(values: np.ndarray) -> np.ndarray:
    # Clipped: exp overflows in float32 beyond 88, where the sigmoid is 0 anyway.
    result: np.ndarray = values / (1 + np.exp(-np.clip(values, -60, 60)))
    return result
