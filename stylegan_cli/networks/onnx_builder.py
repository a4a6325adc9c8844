"""A builder of ONNX graphs: nodes, constants, and the layers that the networks are made of."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from stylegan_cli.networks.architecture import LEAK, Shapes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPSET, IR_VERSION = 20, 10
Sizes = dict[str, list[Any]]


class GraphBuilder:
    """An ONNX graph that grows node by node; each value has the number of its node as its name.

    weights: name and shape of the parameters, whose data stays outside. prefix: of all names, for
    a graph inside a graph.
    """

    def __init__(self, weights: Shapes, prefix: str = "") -> None:
        self._weights = weights
        self._prefix = prefix
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

        name = f"{self._prefix}{operator.lower()}_{len(self._nodes)}"
        outputs = [output or name] if output is None or isinstance(output, str) else output
        self._nodes.append(helper.make_node(operator, inputs, outputs, name, **attributes))
        return outputs[0]

    def constant(self, value: np.ndarray | np.generic) -> str:
        """An initialiser with data of its own; equal ones are one."""
        from onnx import numpy_helper

        array = np.asarray(value)
        key = repr((array.dtype.str, array.shape)).encode() + array.tobytes()
        name = f"{self._prefix}constant_{len(self._constants)}"
        return str(self._constants.setdefault(key, numpy_helper.from_array(array, name)).name)

    def conv(self, features: str, layer: str, stride: int = 1) -> str:
        """The convolution called `layer`, padded so that it keeps the size at stride 1."""
        size = self._weights[f"{layer}.weight"][-1]
        weights = (f"{layer}.weight", f"{layer}.bias")
        return self.convolved(features, weights, size, stride)

    def convolved(
        self,
        features: str,
        weights: Sequence[str],
        size: int,
        stride: int,
        output: str | None = None,
    ) -> str:
        """A convolution of `size` x `size`, padded so that it keeps the size at stride 1."""
        return self.add(
            "Conv",
            [features, *weights],
            output,
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

    def bytes(self, inputs: Sizes, outputs: Sizes) -> bytes:
        """The whole as a model file's bytes. inputs, outputs: sizes by name, float32."""
        from onnx import TensorProto, helper

        kind = TensorProto.FLOAT
        values = [
            [helper.make_tensor_value_info(name, kind, size) for name, size in sizes.items()]
            for sizes in (inputs, outputs)
        ]
        model = self.model(self.graph(*values), OPSET, IR_VERSION)
        return bytes(model.SerializeToString())

    def graph(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> "GraphProto":
        """All nodes as one graph. inputs, outputs: ONNX's ValueInfoProto."""
        from onnx import TensorProto, helper

        weights = []
        for name, shape in self._weights.items():
            weight = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
            weight.data_location = TensorProto.EXTERNAL
            weight.external_data.add(key="location", value="weights")
            weights.append(weight)
        initialisers = [*weights, *self._constants.values()]
        return helper.make_graph(self._nodes, "influ", inputs, outputs, initialisers)

    @staticmethod
    def model(graph: "GraphProto", opset: int, ir_version: int) -> "ModelProto":
        """A graph as a model of that set of operators."""
        from onnx import helper

        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)
