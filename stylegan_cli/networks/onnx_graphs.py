"""The networks as ONNX graphs, built from their configs: what lets a style run without torch.

A model file holds no graph: whoever made it can't have anything run but these networks. Each weight
is an initialiser of the parameter's own name whose data must be handed over.
"""

from itertools import pairwise

import numpy as np

from stylegan_cli.colour import LUMA_WEIGHTS
from stylegan_cli.networks.architecture import (
    BAND_GAIN,
    BANDS,
    CLIP_DEVIATIONS,
    GeneratorConfig,
    Shapes,
    StyleEncoderConfig,
    encoder_shapes,
    folded_shapes,
)
from stylegan_cli.networks.onnx_builder import GraphBuilder

_MIN_VARIANCE = 1e-8


def generator_graph(config: GeneratorConfig) -> bytes:
    """A generator with a style folded in (networks.generator.FoldedGenerator).

    image: (1, 3, H, W) in [-1, 1], sides multiples of 8. Returns base_colour and residual, alike.
    """
    graph = GraphBuilder(folded_shapes(config))
    add_generator(graph, config, "image", ("base_colour", "residual"))
    sizes = [1, 3, "height", "width"]
    return graph.bytes({"image": sizes}, {"base_colour": sizes, "residual": sizes})


def add_generator(
    graph: GraphBuilder,
    config: GeneratorConfig,
    image: str,
    outputs: tuple[str | None, str | None] = (None, None),
) -> tuple[str, str]:
    """The nodes of a generator, as in generator_graph; names of base_colour and residual."""
    mapped = graph.conv(image, "map")
    features = graph.concat([image, mapped])
    for name in ("colour.conv_in", "colour.middle"):
        features = graph.activate(graph.conv(features, f"{name}.conv"))
    toned = graph.conv(features, "colour.conv_out.conv")
    base_colour = graph.add("Add", [mapped, toned], output=outputs[0])
    packed = graph.unshuffle(graph.concat([base_colour, image]), 6)
    stacked = graph.concat([packed, _luma_bands(graph, image)])
    half = graph.activate(graph.conv(stacked, "residual.conv_in.conv"))
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
    added = graph.add("DepthToSpace", [last], output=outputs[1], blocksize=2, mode="CRD")
    return base_colour, added


def features_graph(config: StyleEncoderConfig) -> bytes:
    """The part of a style encoder that reads pictures (networks.style_encoder.StyleFeatures).

    pictures: (N, 3, H, W) in [-1, 1], H and W even. Returns moments, (N, moments_dim).
    """
    graph = GraphBuilder(_of_part(encoder_shapes(config), "features."))
    features = graph.unshuffle("pictures", 3)
    maps = []
    for index in range(len(config.channels)):
        stage = f"features.stages.{index}"
        features = graph.activate(graph.conv(features, f"{stage}.0", stride=2 if index else 1))
        features = graph.activate(graph.conv(features, f"{stage}.2"))
        maps.append(features)
    for index, features in enumerate(tuple(maps)):
        maps.append(graph.activate(graph.conv(features, f"features.probes.{index}.0")))
    axes, two = graph.constant(np.array([2, 3])), graph.constant(np.float32(2))
    squares = [graph.add("Pow", [features, two]) for features in maps]
    moments = [
        graph.add("ReduceMean", [features, axes], keepdims=0) for features in (*maps, *squares)
    ]
    graph.concat(moments, output="moments")
    return graph.bytes(
        {"pictures": ["count", 3, "height", "width"]}, {"moments": ["count", config.moments_dim]}
    )


def head_graph(config: StyleEncoderConfig) -> bytes:
    """The part of a style encoder that follows the pooling (networks.style_encoder.StyleHead).

    moments: (B, moments_dim); statistics: (B, statistics_dim). Returns code, (B, code_dim).
    """
    graph = GraphBuilder(_of_part(encoder_shapes(config), "head."))
    first, second = "moments.first", "moments.second"
    graph.add("Split", ["moments"], output=[first, second], axis=1, num_outputs=2)
    squared = graph.add("Pow", [first, graph.constant(np.float32(2))])
    variance = graph.add("Sub", [second, squared])
    least = graph.constant(np.float32(_MIN_VARIANCE))
    spread = graph.add("Sqrt", [graph.add("Clip", [variance, least])])
    relative, log = graph.add("Div", [first, spread]), graph.add("Log", [spread])
    described = graph.concat([relative, log, "statistics"])
    scaled = graph.add("Mul", [graph.add("Sub", [described, "head.centre"]), "head.scale"])
    limits = [graph.constant(np.float32(limit)) for limit in (-CLIP_DEVIATIONS, CLIP_DEVIATIONS)]
    features = graph.linear(graph.add("Clip", [scaled, *limits]), "head.layers.0")
    norm = ["head.layers.1.weight", "head.layers.1.bias"]
    features = graph.add("LayerNormalization", [features, *norm], axis=-1, epsilon=1e-5)
    features = graph.linear(graph.silu(features), "head.layers.3")
    graph.linear(graph.silu(features), "head.layers.5", output="code")
    return graph.bytes(
        {"moments": ["count", config.moments_dim], "statistics": ["count", config.statistics_dim]},
        {"code": ["count", config.code_dim]},
    )


def _luma_bands(graph: GraphBuilder, image: str) -> str:
    """networks.generator.LumaBands of the image, without the packed channels."""
    weights = graph.constant(np.array(LUMA_WEIGHTS, np.float32).reshape(3, 1, 1))
    axis = graph.constant(np.array([1]))
    levels = [graph.add("ReduceSum", [graph.add("Mul", [image, weights]), axis], keepdims=1)]
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
