"""The networks as ONNX graphs, built from their configs: what lets a style run without torch.

A model file holds no graph: whoever made it can't have anything run but these networks. Each weight
is an initialiser of the parameter's own name whose data must be handed over.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from stylegan_cli.networks.architecture import (
    BAND_GAIN,
    BANDS,
    LEAK,
    LIMIT,
    LUMA,
    GeneratorConfig,
    Shapes,
    StyleEncoderConfig,
    encoder_shapes,
    folded_shapes,
)

OPSET, IR_VERSION = 20, 10
_LEAST_VARIANCE = 1e-8


def generator_graph(config: GeneratorConfig) -> bytes:
    """A generator with a style folded in (networks.generator.FoldedGenerator).

    image: (1, 3, H, W) in [-1, 1], sides multiples of 8. Returns base_colour and residual, alike.
    """
    graph = _Graph(folded_shapes(config))
    mapped = graph.conv("image", "map")
    features = graph.concat(["image", mapped])
    for name in ("colour.conv_in", "colour.middle"):
        features = graph.activate(graph.conv(features, f"{name}.conv"))
    graph.add("Add", [mapped, graph.conv(features, "colour.conv_out.conv")], output="base_colour")
    packed = graph.unshuffle(graph.concat(["base_colour", "image"]), 6)
    seen = graph.concat([packed, _luma_bands(graph)])
    half = graph.activate(graph.conv(seen, "residual.conv_in.conv"))
    quarter = graph.activate(graph.conv(half, "residual.down_two.conv", stride=2))
    features = graph.activate(graph.conv(quarter, "residual.down_four.conv", stride=2))
    for index in range(config.blocks):
        inner = graph.activate(graph.conv(features, f"residual.blocks.{index}.first.conv"))
        inner = graph.conv(inner, f"residual.blocks.{index}.second.conv")
        summed = graph.add("Add", [features, inner])
        features = graph.add("Mul", [summed, graph.constant(np.float32(0.5**0.5))])
    for name, skipped in (("up_two", quarter), ("up_one", half)):
        enlarged = graph.conv(graph.enlarge(features), f"residual.{name}.conv")
        features = graph.activate(graph.add("Add", [enlarged, skipped]))
    features = graph.activate(graph.conv(features, "residual.finish.conv"))
    last = graph.conv(features, "residual.conv_out.conv")
    graph.add("DepthToSpace", [last], output="residual", blocksize=2, mode="CRD")
    sizes = [1, 3, "height", "width"]
    return graph.bytes({"image": sizes}, {"base_colour": sizes, "residual": sizes})


def features_graph(config: StyleEncoderConfig) -> bytes:
    """The part of a style encoder that reads pictures (networks.style_encoder.StyleFeatures).

    pictures: (N, 3, H, W) in [-1, 1], H and W even. Returns moments, (N, moments_dim).
    """
    graph = _Graph(_of_part(encoder_shapes(config), "features."))
    features = graph.unshuffle("pictures", 3)
    maps = []
    for index in range(len(config.channels)):
        stage = f"features.stages.{index}"
        features = graph.activate(graph.conv(features, f"{stage}.0", stride=2 if index else 1))
        features = graph.activate(graph.conv(features, f"{stage}.2"))
        maps.append(features)
    for index, seen in enumerate(tuple(maps)):
        maps.append(graph.activate(graph.conv(seen, f"features.probes.{index}.0")))
    axes, two = graph.constant(np.array([2, 3])), graph.constant(np.float32(2))
    squares = [graph.add("Pow", [seen, two]) for seen in maps]
    moments = [graph.add("ReduceMean", [seen, axes], keepdims=0) for seen in (*maps, *squares)]
    graph.concat(moments, output="moments")
    return graph.bytes(
        {"pictures": ["count", 3, "height", "width"]}, {"moments": ["count", config.moments_dim]}
    )


def head_graph(config: StyleEncoderConfig) -> bytes:
    """The part of a style encoder that follows the pooling (networks.style_encoder.StyleHead).

    moments: (B, moments_dim); statistics: (B, statistics_dim). Returns code, (B, code_dim).
    """
    graph = _Graph(_of_part(encoder_shapes(config), "head."))
    first, second = "moments.first", "moments.second"
    graph.add("Split", ["moments"], output=[first, second], axis=1, num_outputs=2)
    squared = graph.add("Pow", [first, graph.constant(np.float32(2))])
    variance = graph.add("Sub", [second, squared])
    least = graph.constant(np.float32(_LEAST_VARIANCE))
    spread = graph.add("Sqrt", [graph.add("Clip", [variance, least])])
    relative, log = graph.add("Div", [first, spread]), graph.add("Log", [spread])
    described = graph.concat([relative, log, "statistics"])
    scaled = graph.add("Mul", [graph.add("Sub", [described, "head.centre"]), "head.scale"])
    limits = [graph.constant(np.float32(limit)) for limit in (-LIMIT, LIMIT)]
    features = graph.linear(graph.add("Clip", [scaled, *limits]), "head.layers.0")
    norm = ["head.layers.1.weight", "head.layers.1.bias"]
    features = graph.add("LayerNormalization", [features, *norm], axis=-1, epsilon=1e-5)
    features = graph.linear(graph.silu(features), "head.layers.3")
    graph.linear(graph.silu(features), "head.layers.5", output="code")
    return graph.bytes(
        {"moments": ["count", config.moments_dim], "statistics": ["count", config.statistics_dim]},
        {"code": ["count", config.code_dim]},
    )


def _luma_bands(graph: "_Graph") -> str:
    """networks.generator.LumaBands of the image, without the packed channels."""
    weights = graph.constant(np.array(LUMA, np.float32).reshape(3, 1, 1))
    axis = graph.constant(np.array([1]))
    levels = [graph.add("ReduceSum", [graph.add("Mul", ["image", weights]), axis], keepdims=1)]
    for _ in range(BANDS):
        halved = graph.add("AveragePool", [levels[-1]], kernel_shape=[2, 2], strides=[2, 2])
        levels.append(halved)
    bands = [graph.add("Sub", [fine, graph.enlarge(coarse)]) for fine, coarse in pairwise(levels)]
    half = [graph.unshuffle(bands[0], 1)]
    for halvings, band in enumerate(bands[1:]):
        for _ in range(halvings):
            band = graph.enlarge(band)
        half.append(band)
    return graph.add("Mul", [graph.concat(half), graph.constant(np.float32(BAND_GAIN))])


def _of_part(shapes: Shapes, prefix: str) -> Shapes:
    return {name: shape for name, shape in shapes.items() if name.startswith(prefix)}


class _Graph:
    """An ONNX graph that grows node by node; each value has the number of its node as its name.

    weights: name and shape of the parameters, whose data stays outside.
    """

    def __init__(self, weights: Shapes) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[bytes, Any] = {}

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        output: str | Sequence[str] | None = None,
        **attributes: Any,
    ) -> str:
        """A node; its output's name, the first of several."""
        from onnx import helper

        name = f"{operator.lower()}_{len(self._nodes)}"
        outputs = [output or name] if output is None or isinstance(output, str) else output
        self._nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs[0]

    def constant(self, value: np.ndarray | np.generic) -> str:
        """An initialiser with data of its own; equal ones are one."""
        from onnx import numpy_helper

        array = np.asarray(value)
        key = repr((array.dtype.str, array.shape)).encode() + array.tobytes()
        name = f"constant_{len(self._constants)}"
        return str(self._constants.setdefault(key, numpy_helper.from_array(array, name)).name)

    def conv(self, features: str, layer: str, stride: int = 1) -> str:
        """The convolution called `layer`, padded so that it keeps the size at stride 1."""
        size = self._weights[f"{layer}.weight"][-1]
        return self.add(
            "Conv",
            [features, f"{layer}.weight", f"{layer}.bias"],
            kernel_shape=[size] * 2,
            strides=[stride] * 2,
            pads=[size // 2] * 4,
        )

    def linear(self, features: str, layer: str, output: str | None = None) -> str:
        """The fully connected layer called `layer`."""
        weights = [f"{layer}.weight", f"{layer}.bias"]
        return self.add("Gemm", [features, *weights], output, transB=1)

    def activate(self, features: str) -> str:
        """The leaky unit that follows each convolution."""
        return self.add("LeakyRelu", [features], alpha=LEAK)

    def silu(self, features: str) -> str:
        """A sigmoid linear unit."""
        return self.add("Mul", [features, self.add("Sigmoid", [features])])

    def concat(self, features: Sequence[str], output: str | None = None, axis: int = 1) -> str:
        """Channels one after the other."""
        return self.add("Concat", features, output, axis=axis)

    def enlarge(self, features: str) -> str:
        """At twice the size, bilinear."""
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.add("Resize", [features, "", scales], mode="linear")

    def unshuffle(self, features: str, channels: int) -> str:
        """2x2 pixels packed into channels, as torch's pixel_unshuffle orders them."""
        two, keep = self.constant(np.array([2])), self.constant(np.array([0]))
        height, width = (
            self.add("Div", [self.add("Shape", [features], start=axis, end=axis + 1), two])
            for axis in (2, 3)
        )
        few, many = (self.constant(np.array([count])) for count in (channels, 4 * channels))
        apart = self.concat([keep, few, height, two, width, two], axis=0)
        cut = self.add("Reshape", [features, apart])
        turned = self.add("Transpose", [cut], perm=[0, 1, 3, 5, 2, 4])
        packed = self.concat([keep, many, height, width], axis=0)
        return self.add("Reshape", [turned, packed])

    def bytes(self, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]]) -> bytes:
        """The whole as a model file's bytes. inputs, outputs: sizes by name, float32."""
        from onnx import TensorProto, helper

        def values(sizes: dict[str, list[Any]]) -> list[Any]:
            kind = TensorProto.FLOAT
            return [helper.make_tensor_value_info(name, kind, size) for name, size in sizes.items()]

        weights = []
        for name, shape in self._weights.items():
            weight = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value="weights")
            weights.append(weight)
        initialisers = [*weights, *self._constants.values()]
        graph = helper.make_graph(
            self._nodes, "influ", values(inputs), values(outputs), initialisers
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        return bytes(model.SerializeToString())
