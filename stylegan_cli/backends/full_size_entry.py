"""The generator's graph with the residual's first layer on full-size pixels: the same, and quicker.

The network packs 2x2 pixels into channels and then convolves by 3x3, which is to convolve the
pixels themselves by 6x6 in steps of 2. ONNX Runtime takes longer to pack than to convolve.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

WEIGHT, BIAS = "residual.conv_in.conv.weight", "residual.conv_in.conv.bias"
# Named like the layer itself, so that they are treated like it.
FINE, COARSE = "residual.conv_in.fine", "residual.conv_in.coarse"


def enter_at_full_size(graph: bytes) -> bytes:
    """An ONNX graph of FoldedGenerator, weights inside, that packs no pixels."""
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load_from_string(graph)
    made = {output: node for node in model.graph.node for output in node.output}
    values = {value.name: value for value in model.graph.initializer}
    entering = next(node for node in model.graph.node if WEIGHT in node.input)
    packed, scaled = made[entering.input[0]].input
    bands, gain = made[scaled].input
    finest, *coarser = made[bands].input

    def unpacked(name: str) -> str:
        while made[name].op_type in ("Reshape", "Transpose"):
            name = made[name].input[0]
        return name

    weight = numpy_helper.to_array(values[WEIGHT]).copy()
    pixels = weight.shape[1] - len(coarser) - 4  # channels of packed pixels; 4 are the finest band
    weight[:, pixels:] *= numpy_helper.to_array(values[gain])
    fine, coarse = np.split(weight, [pixels + 4], axis=1)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), name)
        for name, value in ((FINE, _unpacked_weight(fine)), (COARSE, coarse))
    )
    nodes = []
    for node in model.graph.node:
        if node.name != entering.name:
            nodes.append(node)
            continue
        full, half, first, second = (f"{FINE}.in", f"{COARSE}.in", f"{FINE}.out", f"{COARSE}.out")
        six: dict[str, Any] = {"kernel_shape": [6, 6], "strides": [2, 2], "pads": [2] * 4}
        three: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1] * 4}
        nodes += [
            helper.make_node("Concat", [unpacked(packed), unpacked(finest)], [full], full, axis=1),
            helper.make_node("Conv", [full, FINE, BIAS], [first], first, **six),
            helper.make_node("Concat", coarser, [half], half, axis=1),
            helper.make_node("Conv", [half, COARSE], [second], second, **three),
            helper.make_node("Add", [first, second], entering.output, "residual.conv_in.sum"),
        ]
    _keep_needed(model.graph, nodes)
    return bytes(model.SerializeToString())


def _unpacked_weight(weight: np.ndarray) -> np.ndarray:
    """(O, 4 C, 3, 3) on packed pixels to (O, C, 6, 6) on the pixels (torch's pixel_unshuffle)."""
    out, packed = weight.shape[:2]
    apart = weight.reshape(out, packed // 4, 2, 2, 3, 3)  # pixel's row and column, kernel's
    return apart.transpose(0, 1, 4, 2, 5, 3).reshape(out, packed // 4, 6, 6)


def _keep_needed(graph: Any, nodes: Sequence[Any]) -> None:
    """`nodes` as those of `graph`, without any that no output depends on."""
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(nodes):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    values = [value for value in graph.initializer if value.name in needed]
    for field, left in ((graph.node, kept[::-1]), (graph.initializer, values)):
        del field[:]
        field.extend(left)
    del graph.value_info[:]  # tells of what is gone, too
