"""A style as one ONNX graph: pixels in, pixels out, any size, everything inside.

The graph repeats `rendering` and `networks.generator` node by node, with operators of the ONNX
standard only, so that any runtime for it can apply the style.
"""

from collections.abc import Mapping

import numpy as np

from stylegan_cli.networks.architecture import GAIN
from stylegan_cli.networks.onnx_graphs import add_generator
from stylegan_cli.runtime.version import __version__
from stylegan_cli.sharing import graph_operations as operations
from stylegan_cli.sharing.graph_operations import FLOAT, Operations
from stylegan_cli.stylizer import Stylizer

OPSET, IR_VERSION = 18, 8
INPUT, OUTPUT = "pixels", "styled"
MIN_SHORT_SIDE = 16.0  # px; see Stylizer
UINT8 = 2  # onnx.TensorProto's

LEVELS = 255


def style_graph(stylizer: Stylizer) -> bytes:
    """The whole style as an ONNX model.

    Input `pixels` (height, width, 3) uint8, sRGB; output `styled`, alike. Any size from 1 x 1.
    """
    from onnx import helper

    graph = _LookBuilder(stylizer)
    styled = _look_up(graph, stylizer.lut)
    if stylizer.style.info.mode != "colour":
        styled = graph.of("Add", styled, _residual(graph, stylizer))
    rounded = graph.of("Clip", graph.of("Round", styled), 0.0, float(LEVELS))
    graph.add("Cast", [rounded], OUTPUT, to=UINT8)
    ends = [
        [helper.make_tensor_value_info(name, UINT8, ["height", "width", 3])]
        for name in (INPUT, OUTPUT)
    ]
    model = graph.model(graph.graph(*ends), OPSET, IR_VERSION)
    model.producer_name, model.producer_version = "influ", __version__
    model.doc_string = (
        f"{INPUT}: (height, width, 3) uint8, sRGB, any size. "
        f"{OUTPUT}: the same picture in the style."
    )
    info = stylizer.style.info
    told = {"style": info.name, "licence": info.licence, "base": stylizer.base.hash}
    helper.set_model_props(model, told)
    return bytes(model.SerializeToString())


class _LookBuilder(Operations):
    """A graph with a style's generator inside it, for pictures of every size.

    The residual is conditioned on the size of the picture, too: what folding would multiply the
    weights by multiplies features here, before and after each convolution.
    """

    def __init__(self, stylizer: Stylizer) -> None:
        super().__init__()
        self._tensors = stylizer.tensors
        self._code = stylizer.style.code
        self._colour: Mapping[str, np.ndarray] = stylizer.folded(256)
        self.log_size = ""

    def conv(self, features: str, layer: str, stride: int = 1) -> str:
        """The convolution called `layer`, with the style and the size of the picture in it."""
        if not layer.startswith("residual."):
            weights = [
                self.constant(self._colour[f"{layer}.{part}"]) for part in ("weight", "bias")
            ]
            return self.convolved(features, weights, 1, stride)
        weight = self._tensors[f"{layer}.weight"]
        layer = layer.removesuffix(".conv")
        if f"{layer}.style.weight" in self._tensors:
            return self._modulated(features, layer, weight, stride)
        return self._gated(features, layer, weight, stride)

    def _modulated(self, features: str, layer: str, weight: np.ndarray, stride: int) -> str:
        """As networks.folding's _fold_modulated."""
        count_out, count_in, side, _ = weight.shape
        scale, shift = self._condition(f"{layer}.style", [count_in, count_out])
        scale = self.of("Add", scale, 1.0)
        squares = np.square(weight).sum(axis=(2, 3)).T
        energy = self.of("MatMul", self.of("Mul", scale, scale), squares)
        norm = self.of("Sqrt", self.of("Add", energy, 1e-8))
        modulated = self.of("Mul", features, self._per_channel(scale))
        made = self.convolved(modulated, [self.constant(np.float32(GAIN) * weight)], side, stride)
        normed = self.of("Div", made, self._per_channel(norm))
        return self.of("Add", normed, self._per_channel(shift))

    def _gated(self, features: str, layer: str, weight: np.ndarray, stride: int) -> str:
        """As networks.folding's _fold_gated."""
        count_out, count_in, side, _ = weight.shape
        inner, outer, shift = self._condition(f"{layer}.gate", [count_in, count_out, count_out])
        modulated = self.of("Mul", features, self._per_channel(self.of("Add", inner, 1.0)))
        weights = [self.constant(weight), self.constant(self._tensors[f"{layer}.conv.bias"])]
        made = self.convolved(modulated, weights, side, stride)
        gated = self.of("Mul", made, self._per_channel(self.of("Add", outer, 1.0)))
        return self.of("Add", gated, self._per_channel(shift))

    def _condition(self, layer: str, counts: list[int]) -> list[str]:
        """What a layer makes of code and size, in parts of `counts` channels, (1, count) each."""
        weight, bias = self._tensors[f"{layer}.weight"], self._tensors[f"{layer}.bias"]
        fixed = (weight[:, :-1] @ self._code + bias).astype(np.float32)
        whole = self.of("Add", self.of("Mul", self.log_size, weight[None, :, -1]), fixed[None])
        names = [f"{layer}_{index}" for index in range(len(counts))]
        self.add("Split", [whole, self.constant(np.array(counts))], names, axis=1)
        return names

    def _per_channel(self, values: str) -> str:
        return self.of("Unsqueeze", values, np.array([2, 3]))


def _look_up(graph: Operations, lut: np.ndarray) -> str:
    """The table's colours of the input, trilinear, in whole levels, (H, W, 3) float32.

    In the order of rendering.lut, as float32 rounds in every step.
    """
    points = len(lut)
    position = np.arange(LEVELS + 1) * (points - 1) / LEVELS
    low = np.minimum(position.astype(np.int32), points - 2)
    past = (position - low).astype(np.float32)
    levels = graph.of("Cast", INPUT, to=6)  # int32: the smallest that every runtime gathers by
    single = [graph.of("Gather", levels, np.int64(channel), axis=2) for channel in range(3)]
    begin = [graph.of("Gather", low, plane) for plane in single]
    red, green, blue = (
        graph.of("Unsqueeze", graph.of("Gather", past, plane), np.array([2])) for plane in single
    )
    first = graph.of("Mul", begin[0], np.int32(points))
    first = graph.of("Mul", graph.of("Add", first, begin[1]), np.int32(points))
    first = graph.of("Add", first, begin[2])
    table = (np.clip(lut, 0, 1) * np.float32(LEVELS)).reshape(-1, 3)

    def corner(i: int, j: int, k: int) -> str:
        at = graph.of("Add", first, np.int32((i * points + j) * points + k))
        return graph.of("Gather", table, at)

    def between(one: str, two: str, share: str) -> str:
        return graph.of("Add", graph.of("Mul", graph.of("Sub", two, one), share), one)

    def along_red(j: int, k: int) -> str:
        return between(corner(0, j, k), corner(1, j, k), red)

    edges = [between(along_red(j, 0), along_red(j, 1), blue) for j in (0, 1)]
    return graph.of("Round", between(edges[0], edges[1], green))


def _residual(graph: _LookBuilder, stylizer: Stylizer) -> str:
    """What the style adds to the LUT's colours, in levels, (H, W, 3) float32."""
    planes = graph.of("Transpose", graph.cast(INPUT, FLOAT), perm=[2, 0, 1])
    planes = graph.of("Unsqueeze", planes, np.array([0]))
    sides = graph.sides(planes)
    small = operations.working_sides(graph, sides, stylizer.style.info.working_size)
    working = graph.of("Div", operations.bring_down(graph, planes, small), float(LEVELS))
    short = graph.of("Max", graph.cast(graph.of("Min", *small), FLOAT), MIN_SHORT_SIDE)
    graph.log_size = graph.of("Log", graph.of("Div", short, 256.0))
    bordered = operations.mirrored(graph, working)
    signed = graph.of("Sub", graph.of("Mul", bordered, 2.0), 1.0)
    outputs = add_generator(graph, stylizer.base.generator, signed)
    base_colour, residual = (operations.cropped(graph, output, small) for output in outputs)
    unit = graph.of("Div", graph.of("Add", base_colour, 1.0), 2.0)
    beyond = graph.of("Sub", unit, graph.of("Clip", unit, 0.0, 1.0))
    whole = graph.of("Add", graph.of("Div", residual, 2.0), beyond)
    slopes, level = operations.fit_residual(graph, working, whole)
    levels = graph.of("Mul", level, float(LEVELS))
    kept = [
        operations.enlarged_cubic(graph, plane, sides)
        for plane in operations.channels(graph, levels, 3)
    ]
    parts = operations.followed(graph, operations.channels(graph, planes, 3), slopes, sides)
    added = [graph.of("Add", *pair) for pair in zip(kept, parts, strict=True)]
    interleaved = graph.of("Transpose", graph.concat(added), perm=[0, 2, 3, 1])
    return graph.of("Squeeze", interleaved, np.array([0]))
