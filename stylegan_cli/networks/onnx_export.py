"""The networks as ONNX graphs without weights: what lets a style run without torch."""

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.networks.generator import FoldedGenerator
from stylegan_cli.networks.style_encoder import StyleEncoder

if TYPE_CHECKING:
    import onnx


def export_onnx(generator: GeneratorConfig, encoder: StyleEncoderConfig) -> dict[str, bytes]:
    """ONNX graphs `generator` (folded), `features` and `head` for every size of picture.

    They depend on the configs alone. Each weight is an initialiser of the parameter's own name
    whose data must be handed over.
    """
    height, width = (torch.export.Dim(name, min=1, max=8192) for name in ("height", "width"))
    count = torch.export.Dim("count", min=1, max=4096)
    folded, style_encoder = FoldedGenerator(generator), StyleEncoder(encoder)
    moments, statistics = (torch.rand(2, d) for d in (encoder.moments_dim, encoder.statistics_dim))
    batch = {0: count}
    return {
        "generator": _export(
            folded,
            {"image": torch.rand(1, 3, 64, 72)},
            ["base_colour", "residual"],
            {"image": {2: 8 * height, 3: 8 * width}},
        ),
        "features": _export(
            _Features(style_encoder),
            {"pictures": torch.rand(2, 3, 64, 48)},
            ["moments"],
            {"pictures": {0: count, 2: 16 * height, 3: 16 * width}},
        ),
        "head": _export(
            _Head(style_encoder),
            {"moments": moments, "statistics": statistics},
            ["code"],
            {"moments": batch, "statistics": batch},
        ),
    }


class _Features(nn.Module):
    """The part of a style encoder that reads pictures, its parameters named as in the whole."""

    def __init__(self, encoder: StyleEncoder) -> None:
        super().__init__()
        self.features = encoder.features

    def forward(self, pictures: Tensor) -> Tensor:
        return self.features(pictures)  # type: ignore[no-any-return]


class _Head(nn.Module):
    """The part of a style encoder that follows the pooling."""

    def __init__(self, encoder: StyleEncoder) -> None:
        super().__init__()
        self.head = encoder.head

    def forward(self, moments: Tensor, statistics: Tensor) -> Tensor:
        return self.head(moments, statistics)  # type: ignore[no-any-return]


def _clear_notes(model: "onnx.ModelProto") -> None:
    """Remove what the exporter notes of this machine: paths and stack traces."""
    graph = model.graph
    for noted in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del noted.metadata_props[:]
        noted.doc_string = ""
    for value in graph.value_info:
        del value.metadata_props[:]
        value.doc_string = ""


def _export(
    network: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: list[str],
    dynamic_shapes: Mapping[str, Mapping[int, object]],
) -> bytes:
    import onnx

    with torch.no_grad():
        # Zeros would be optimised away, and the weights to come are none.
        for tensor in network.state_dict().values():
            tensor.normal_(std=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's talk about its own future
        program = torch.onnx.export(
            network.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_shapes=dict(dynamic_shapes),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    graph = program.model_proto
    _clear_notes(graph)
    ours = set(network.state_dict())
    for tensor in graph.graph.initializer:
        if tensor.name in ours:
            tensor.ClearField("raw_data")
            tensor.ClearField("float_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="weights")
            ours.remove(tensor.name)
    if ours:
        raise RuntimeError(f"the exporter renamed or dropped {sorted(ours)}")
    return bytes(graph.SerializeToString())
