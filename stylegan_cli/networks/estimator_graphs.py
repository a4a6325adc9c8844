"""The colour estimator's networks as ONNX graphs; see onnx_graphs."""

import numpy as np

from stylegan_cli.colour import LUMA
from stylegan_cli.networks.architecture import (
    CLIP_DEVIATIONS,
    COLOUR_MOMENTS,
    LUMA_KNOTS,
    VISION_CELL,
    VISION_MOMENTS,
    ColourEstimatorConfig,
    InvertedResidual,
    Shapes,
    colour_head_shapes,
    colour_statistics_shapes,
    vision_blocks,
)
from stylegan_cli.networks.onnx_builder import GraphBuilder


def colour_statistics_graph(config: ColourEstimatorConfig) -> bytes:
    """Colours of a picture by what is seen there: moments within clusters of frozen features.

    picture: (1, 3, H, W) unit; luma: (1, 1, H, W) in [-1, 1], its luma as a rank; sides multiples
    of 16. Returns statistics, (1, clusters + 1, COLOUR_MOMENTS + 1): for each cluster and, last,
    for the whole picture the sums of moments over its pixels, and its share of the picture. Moments
    are R, G, B, their products, and for each of LUMA_KNOTS bells over luma its weight and B and R
    less luma in it.
    """
    graph = GraphBuilder(colour_statistics_shapes(config))
    logits = graph.conv(_vision_features(graph), "vision.clusters")
    clusters = graph.add("Softmax", [logits], axis=1)
    pooled = graph.add(
        "AveragePool", [_colour_moments(graph)], kernel_shape=[VISION_CELL] * 2,
        strides=[VISION_CELL] * 2,
    )  # fmt: skip
    flat = graph.constant(np.array([0, 0, -1]))
    shares = graph.add("Reshape", [clusters, flat])
    moments = graph.add("Reshape", [pooled, flat])
    # The clusters' shares of a cell add up to one: their sum stands for the whole picture.
    whole = graph.add("ReduceSum", [shares, graph.constant(np.array([1]))], keepdims=1)
    turned = graph.add("Transpose", [graph.concat([moments, whole])], perm=[0, 2, 1])
    sums = graph.add("MatMul", [graph.concat([shares, whole]), turned])
    cells = graph.add("ReduceSum", [whole, graph.constant(np.array([2]))], keepdims=1)
    graph.add("Div", [sums, cells], output="statistics")
    return graph.bytes(
        {"picture": [1, 3, "height", "width"], "luma": [1, 1, "height", "width"]},
        {"statistics": [1, config.clusters + 1, COLOUR_MOMENTS + 1]},
    )


def colour_head_graph(config: ColourEstimatorConfig) -> bytes:
    """Statistics of a set of pictures → the LUT of its style (networks.colour_estimator).

    described: (1, config.inputs). Returns lut, (lut_size³, 3) unit, not clipped.
    """
    shapes = colour_head_shapes(config)
    graph = GraphBuilder({n: s for n, s in shapes.items() if not n.startswith("balance.")})
    scaled = graph.add("Mul", [graph.add("Sub", ["described", "head.centre"]), "head.scale"])
    limits = [graph.constant(np.float32(limit)) for limit in (-CLIP_DEVIATIONS, CLIP_DEVIATIONS)]
    features = graph.silu(graph.linear(graph.add("Clip", [scaled, *limits]), "head.first"))
    for name in ("second", "third"):
        inner = graph.silu(graph.linear(features, f"head.{name}"))
        features = graph.add("Add", [features, inner])
    weights = graph.linear(features, "head.last")
    points = config.lut_size**3
    rows = graph.constant(np.array([config.components, 3 * points]))
    components = graph.add("Reshape", ["lut.components", rows])
    moved = graph.add("MatMul", [weights, components])
    shape = graph.constant(np.array([points, 3]))
    graph.add("Add", [graph.add("Reshape", [moved, shape]), "lut.mean"], output="lut")
    return graph.bytes({"described": [1, config.inputs]}, {"lut": [points, 3]})


def vision_moments_graph(shapes: Shapes) -> bytes:
    """What a frozen network sees in a picture, wherever it is: textures and edges.

    shapes: of its tensors. luma: (1, 1, H, W) in [-1, 1]; sides multiples of 16. Returns moments,
    (1, VISION_MOMENTS): for each stage the mean of every channel over places, then the deviations.
    """
    graph = GraphBuilder(shapes)
    moments = []
    for features in _vision_stages(graph):
        mean = graph.add("GlobalAveragePool", [features])
        apart = graph.add("Sub", [features, mean])
        variance = graph.add("GlobalAveragePool", [graph.add("Mul", [apart, apart])])
        moments += [mean, graph.add("Sqrt", [variance])]
    graph.add("Flatten", [graph.concat(moments)], output="moments")
    return graph.bytes({"luma": [1, 1, "height", "width"]}, {"moments": [1, VISION_MOMENTS]})


def _vision_features(graph: GraphBuilder) -> str:
    """EfficientNet-Lite0 of `luma`: features at strides 8 and 16, (1, 152, H / 8, W / 8)."""
    *_, fine, coarse = _vision_stages(graph)
    return graph.concat([fine, graph.enlarge(coarse)])


def _vision_stages(graph: GraphBuilder) -> list[str]:
    """EfficientNet-Lite0 of `luma`: the last features at strides 2, 4, 8 and 16."""
    features = _clip_to_six(graph, _same_conv(graph, "luma", "vision.stem", 3, 2))
    stages = []
    for index, block in enumerate(vision_blocks()):
        if block.stride == 2:
            stages.append(features)
        features = _inverted_residual(graph, features, f"vision.blocks.{index}", block)
    return [*stages, features]


def _inverted_residual(
    graph: GraphBuilder, features: str, name: str, block: InvertedResidual
) -> str:
    inside, wide = features, block.channels_inside
    if wide != block.channels_in:
        inside = _clip_to_six(graph, graph.conv(inside, f"{name}.expand"))
    inside = _same_conv(graph, inside, f"{name}.depthwise", block.size, block.stride, wide)
    outside = graph.conv(_clip_to_six(graph, inside), f"{name}.project")
    kept = block.stride == 1 and block.channels_in == block.channels_out
    return graph.add("Add", [features, outside]) if kept else outside


def _same_conv(
    graph: GraphBuilder, features: str, layer: str, size: int, stride: int, group: int = 1
) -> str:
    """A convolution padded as TensorFlow does where even sides are halved: less at first."""
    before = (size - stride) // 2
    after = size - stride - before
    return graph.add(
        "Conv",
        [features, f"{layer}.weight", f"{layer}.bias"],
        kernel_shape=[size] * 2,
        strides=[stride] * 2,
        pads=[before, before, after, after],
        group=group,
    )


def _clip_to_six(graph: GraphBuilder, features: str) -> str:
    """A linear unit between 0 and 6."""
    limits = [graph.constant(np.float32(limit)) for limit in (0, 6)]
    return graph.add("Clip", [features, *limits])


def _colour_moments(graph: GraphBuilder) -> str:
    """What moments are taken of, for each pixel of `picture`: (1, COLOUR_MOMENTS, H, W)."""
    axis = graph.constant(np.array([1]))
    red, green, blue = (f"picture.{name}" for name in ("red", "green", "blue"))
    graph.add("Split", ["picture"], output=[red, green, blue], axis=1, num_outputs=3)
    pairs = ((red, red), (green, green), (blue, blue), (red, green), (green, blue), (red, blue))
    products = [graph.add("Mul", list(pair)) for pair in pairs]
    weights = graph.constant(LUMA.reshape(3, 1, 1))
    luma = graph.add("ReduceSum", [graph.add("Mul", ["picture", weights]), axis], keepdims=1)
    knots = np.linspace(0, 1, LUMA_KNOTS, dtype=np.float32).reshape(1, -1, 1, 1)
    width = graph.constant(np.float32(LUMA_KNOTS - 1))
    apart = graph.add("Mul", [graph.add("Sub", [luma, graph.constant(knots)]), width])
    bells = graph.add("Exp", [graph.add("Neg", [graph.add("Mul", [apart, apart])])])
    chroma = [graph.add("Mul", [bells, graph.add("Sub", [c, luma])]) for c in (blue, red)]
    return graph.concat(["picture", *products, bells, *chroma])
