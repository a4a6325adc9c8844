"""What rendering does to pictures, as nodes of an ONNX graph: the same arithmetic, any size.

A plane is (1, C, H, W) float32; a side is (1,) int64, known only when the graph runs.
"""

from typing import Any

import numpy as np

from stylegan_cli.networks.architecture import STRIDE, Shapes
from stylegan_cli.networks.onnx_builder import GraphBuilder
from stylegan_cli.rendering.config import DEFAULTS
from stylegan_cli.rendering.guided_maps import GUIDE_NOISE, GUIDE_SHARE

MAX_HALVINGS = 24
FLOAT, INT64, DOUBLE = 1, 7, 11  # onnx.TensorProto's
CUBIC = -0.75  # the kernel's slope at 1 px (OpenCV's INTER_CUBIC)
MIN_COVERED = 1e-3  # px; what a result covers less of is left out (OpenCV's INTER_AREA)
_ROWS, _COLUMNS = 2, 3  # axes of planes

Value = str | int | float | np.ndarray | np.generic


class Operations(GraphBuilder):
    """A graph whose nodes take numbers beside values."""

    def __init__(self, weights: Shapes | None = None, prefix: str = "") -> None:
        super().__init__(weights or {}, prefix)

    def of(self, operator: str, *inputs: Value, **attributes: Any) -> str:
        """A node; int stands for int64, float for float32."""
        return self.add(operator, [self._named(value) for value in inputs], **attributes)

    def _named(self, value: Value) -> str:
        if isinstance(value, str):
            return value
        if type(value) is float:  # float64 is a kind of float, too
            return self.constant(np.float32(value))
        return self.constant(np.asarray(value))

    def cast(self, value: str, kind: int) -> str:
        """The same numbers as FLOAT, INT64 or DOUBLE."""
        return self.of("Cast", value, to=kind)

    def side(self, planes: str, axis: int) -> str:
        """How long an axis is, (1,) int64."""
        return self.of("Shape", planes, start=axis, end=axis + 1)

    def sides(self, planes: str) -> tuple[str, str]:
        """Height and width of planes."""
        return self.side(planes, _ROWS), self.side(planes, _COLUMNS)

    def places(self, count: str) -> str:
        """0 to count - 1, int64; count: (1,)."""
        return self.of("Range", 0, self.of("Squeeze", count), 1)


def working_sides(graph: Operations, sides: tuple[str, str], short_side: int) -> tuple[str, str]:
    """As rendering.working_size."""
    height, width = (graph.cast(side, DOUBLE) for side in sides)
    fits = graph.of("Div", np.float64(short_side), graph.of("Min", height, width))
    share = graph.of("Div", np.float64(DEFAULTS.max_working_pixels), graph.of("Mul", height, width))
    scale = graph.of("Min", np.array([1.0]), fits, graph.of("Sqrt", share))

    def scaled(side: str) -> str:
        rounded = graph.cast(graph.of("Round", graph.of("Mul", side, scale)), INT64)
        return graph.of("Max", rounded, np.array([1]))

    return scaled(height), scaled(width)


def bring_down(graph: Operations, planes: str, sides: tuple[str, str]) -> str:
    """As rendering.bring_down, on any scale: halves first, then the area of each pixel."""
    own = [graph.cast(side, DOUBLE) for side in graph.sides(planes)]
    powers = 2.0 ** np.arange(MAX_HALVINGS)
    ratios = [
        graph.of("Div", graph.of("Ceil", graph.of("Div", side, powers)), graph.cast(wanted, DOUBLE))
        for side, wanted in zip(own, sides, strict=True)
    ]
    halves = graph.of("GreaterOrEqual", graph.of("Min", *ratios), np.float64(3))
    count = graph.of("ReduceSum", graph.cast(halves, INT64), np.array([0]), keepdims=0)
    halved = graph.of("Loop", count, np.array(True), planes, body=_halving(planes))
    for axis, wanted in zip((_ROWS, _COLUMNS), sides, strict=True):
        halved = _area(graph, halved, axis, wanted)
    return halved


def _halving(name: str) -> Any:
    """The body of a loop that halves planes, as graph."""
    from onnx import TensorProto, helper

    body = Operations(prefix=f"{name}_halves_")
    names = [body.add("Identity", [f"{name}_go"]), f"{name}_whole"]
    halved = names[1]
    for axis in (_ROWS, _COLUMNS):
        half = body.of("Div", body.of("Add", body.side(halved, axis), 1), 2)
        halved = _area(body, halved, axis, half)
    values = [
        helper.make_tensor_value_info(f"{name}_turn", TensorProto.INT64, []),
        helper.make_tensor_value_info(f"{name}_go", TensorProto.BOOL, []),
        helper.make_tensor_value_info(names[1], TensorProto.FLOAT, [None] * 4),
    ]
    outputs = [
        helper.make_tensor_value_info(names[0], TensorProto.BOOL, []),
        helper.make_tensor_value_info(halved, TensorProto.FLOAT, [None] * 4),
    ]
    return body.graph(values, outputs)


def _area(graph: Operations, planes: str, axis: int, wanted: str) -> str:
    """Planes with an axis brought down to `wanted`: means over what each pixel covers."""
    own = graph.side(planes, axis)
    whole = graph.cast(own, DOUBLE)
    step = graph.of("Div", whole, graph.cast(wanted, DOUBLE))
    start = graph.of("Mul", graph.cast(graph.places(wanted), DOUBLE), step)
    start = graph.of("Unsqueeze", start, np.array([1]))
    end = graph.of("Min", graph.of("Add", start, step), whole)
    taps = graph.places(graph.of("Add", graph.cast(graph.of("Ceil", step), INT64), 1))
    first = graph.cast(graph.of("Floor", start), INT64)
    place = graph.of("Add", first, taps)  # (wanted, taps)
    left = graph.cast(place, DOUBLE)
    covered = graph.of(
        "Sub",
        graph.of("Min", graph.of("Add", left, np.float64(1)), end),
        graph.of("Max", left, start),
    )
    counts = graph.of("Greater", covered, np.float64(MIN_COVERED))
    share = graph.of("Div", covered, graph.of("Sub", end, start))
    share = graph.cast(graph.of("Where", counts, share, np.float64(0)), FLOAT)
    return _weighed(graph, planes, axis, place, share)


def _weighed(graph: Operations, planes: str, axis: int, place: str, share: str) -> str:
    """Planes with an axis of weighed sums. place, share: (N, taps), of what, and how much of it.

    What lies beyond the edge is the edge.
    """
    last = graph.of("Sub", graph.side(planes, axis), 1)
    inside = graph.of("Max", graph.of("Min", place, last), 0)
    if axis == _ROWS:
        share = graph.of("Unsqueeze", share, np.array([2]))
    taken = graph.of("Mul", graph.of("Gather", planes, inside, axis=axis), share)
    return graph.of("ReduceSum", taken, np.array([axis + 1]), keepdims=0)


def mirrored(graph: Operations, planes: str) -> str:
    """Planes with the border that rendering.tiles gives them, up to a multiple of STRIDE."""
    for axis in (_ROWS, _COLUMNS):
        side = graph.side(planes, axis)
        length = graph.of("Add", side, 2 * DEFAULTS.border + STRIDE - 1)
        length = graph.of("Mul", graph.of("Div", length, STRIDE), STRIDE)
        at = graph.of("Abs", graph.of("Sub", graph.places(length), DEFAULTS.border))
        last = graph.of("Sub", side, 1)
        back = graph.of("Sub", graph.of("Mul", last, 2), at)
        long_enough = graph.of("Greater", side, graph.of("Sub", length, side))
        beyond = graph.of("And", long_enough, graph.of("GreaterOrEqual", at, side))
        at = graph.of("Where", beyond, back, at)
        at = graph.of("Max", graph.of("Min", at, last), 0)
        planes = graph.of("Gather", planes, at, axis=axis)
    return planes


def cropped(graph: Operations, planes: str, sides: tuple[str, str]) -> str:
    """What lies inside the border, `sides` high and wide."""
    begin = np.array([DEFAULTS.border, DEFAULTS.border])
    end = graph.of("Add", graph.concat(sides, axis=0), begin)
    return graph.of("Slice", planes, begin, end, np.array([_ROWS, _COLUMNS]))


def enlarged(graph: Operations, planes: str, sides: tuple[str, str]) -> str:
    """Planes stretched to `sides`, linear, as OpenCV does it."""
    count = graph.of("Shape", planes, start=0, end=2)
    sizes = graph.concat([count, *sides], axis=0)
    return graph.add("Resize", [planes, "", "", sizes], mode="linear")


def enlarged_cubic(graph: Operations, planes: str, sides: tuple[str, str]) -> str:
    """Planes stretched to `sides`, cubic, as OpenCV does it; runtimes' own Resize is slow."""
    for axis, wanted in ((_COLUMNS, sides[1]), (_ROWS, sides[0])):
        side = graph.cast(graph.side(planes, axis), DOUBLE)
        step = graph.of("Div", side, graph.cast(wanted, DOUBLE))
        at = graph.of("Add", graph.cast(graph.places(wanted), DOUBLE), np.float64(0.5))
        at = graph.of("Sub", graph.of("Mul", at, step), np.float64(0.5))
        below, last = graph.of("Floor", at), graph.of("Sub", graph.side(planes, axis), 1)
        parts: list[str] = []
        for tap in (-1, 0, 1, 2):
            place = graph.of("Add", below, np.float64(tap))
            share = _cubic(graph, graph.cast(graph.of("Abs", graph.of("Sub", at, place)), FLOAT))
            if axis == _ROWS:
                share = graph.of("Unsqueeze", share, np.array([1]))
            inside = graph.of("Max", graph.of("Min", graph.cast(place, INT64), last), 0)
            part = graph.of("Mul", graph.of("Gather", planes, inside, axis=axis), share)
            parts.append(graph.of("Add", parts.pop(), part) if parts else part)
        planes = parts.pop()
    return planes


def _cubic(graph: Operations, away: str) -> str:
    """The share of a pixel `away` from 0 to 2 px (Keys 1981, eq. 4, with a = CUBIC)."""

    def polynomial(*factors: float) -> str:
        value = graph.of("Mul", away, factors[0])
        for factor in factors[1:-1]:
            value = graph.of("Mul", graph.of("Add", value, factor), away)
        return graph.of("Add", value, factors[-1])

    near = polynomial(CUBIC + 2, -(CUBIC + 3), 0.0, 1.0)
    far = polynomial(CUBIC, -5 * CUBIC, 8 * CUBIC, -4 * CUBIC)
    return graph.of("Where", graph.of("LessOrEqual", away, 1.0), near, far)


def channels(graph: Operations, planes: str, count: int) -> list[str]:
    """Single planes, (1, 1, H, W) each."""
    names = [f"{planes}_{index}" for index in range(count)]
    graph.add("Split", [planes], names, axis=1, num_outputs=count)
    return names


def fit_residual(graph: Operations, working: str, residual: str) -> tuple[list[str], str]:
    """As rendering.fit_residual; slopes [3 i + c] from channel i to channel c, and level.

    working, residual: (1, 3, h, w) unit. Slopes are single coarse planes, level (1, 3, h, w).
    """
    sides = graph.sides(working)
    short = graph.cast(graph.of("Min", *sides), FLOAT)
    radius = graph.of("Round", graph.of("Div", short, float(round(1 / GUIDE_SHARE))))
    radius = graph.cast(graph.of("Max", radius, 2.0), INT64)
    grid = tuple(graph.of("Max", graph.of("Div", side, radius), 1) for side in sides)
    guide, target = channels(graph, working, 3), channels(graph, residual, 3)
    products = [("Mul", guide[i], guide[i]) for i in range(3)]
    products += [("Mul", guide[i], guide[i - 1]) for i in range(3)]
    products += [("Mul", guide[i], plane) for i in range(3) for plane in target]
    stacked = graph.concat([*guide, *target, *(graph.of(*product) for product in products)])
    coarse = _smooth(graph, bring_down(graph, stacked, (grid[0], grid[1])))
    means = channels(graph, coarse, 21)
    slopes = _slopes(graph, means[:3], means[3:6], means[6:9], means[9:12], means[12:])
    slopes = [_smooth(graph, slope) for slope in slopes]
    known = followed(graph, guide, slopes, sides)
    rest = [graph.of("Sub", plane, part) for plane, part in zip(target, known, strict=True)]
    return slopes, graph.concat(rest)


def followed(
    graph: Operations, picture: list[str], slopes: list[str], sides: tuple[str, str]
) -> list[str]:
    """The part of a residual that follows the picture, a plane per channel."""
    result = []
    for c in range(3):
        parts = [
            graph.of("Mul", picture[i], enlarged(graph, slopes[3 * i + c], sides)) for i in range(3)
        ]
        result.append(graph.of("Add", graph.of("Add", parts[0], parts[1]), parts[2]))
    return result


def _smooth(graph: Operations, planes: str) -> str:
    edges = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    padded = graph.of("Pad", planes, edges, mode="edge")
    return graph.of("AveragePool", padded, kernel_shape=[3, 3], strides=[1, 1])


def _slopes(
    graph: Operations,
    mean_x: list[str],
    mean_y: list[str],
    squares: list[str],
    mixed: list[str],
    products: list[str],
) -> list[str]:
    """The guided filter's slopes, [3 i + c] (He, Sun & Tang 2013, eq. 14)."""
    m: dict[tuple[int, int], str] = {}
    for i in range(3):
        j = (i - 1) % 3
        variance = graph.of("Sub", squares[i], graph.of("Mul", mean_x[i], mean_x[i]))
        m[i, i] = graph.of("Add", variance, GUIDE_NOISE)
        entry = graph.of("Sub", mixed[i], graph.of("Mul", mean_x[i], mean_x[j]))
        m[i, j] = m[j, i] = entry

    def adjugate(i: int, j: int) -> str:
        one = graph.of("Mul", m[(i + 1) % 3, (j + 1) % 3], m[(i + 2) % 3, (j + 2) % 3])
        two = graph.of("Mul", m[(i + 1) % 3, (j + 2) % 3], m[(i + 2) % 3, (j + 1) % 3])
        return graph.of("Sub", one, two)

    cofactors = {place: adjugate(*place) for place in m}
    terms = [graph.of("Mul", m[0, j], cofactors[0, j]) for j in range(3)]
    determinant = graph.of("Add", graph.of("Add", terms[0], terms[1]), terms[2])
    inverse = {place: graph.of("Div", value, determinant) for place, value in cofactors.items()}
    cross = [
        [
            graph.of("Sub", products[3 * i + c], graph.of("Mul", mean_x[i], mean_y[c]))
            for c in range(3)
        ]
        for i in range(3)
    ]
    slopes = []
    for i in range(3):
        for c in range(3):
            parts = [graph.of("Mul", inverse[i, j], cross[j][c]) for j in range(3)]
            slopes.append(graph.of("Add", graph.of("Add", parts[0], parts[1]), parts[2]))
    return slopes
