"""Interlaced frames, whose odd and even rows were taken one after the other."""

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av.error
from av.filter import Graph
from av.video.frame import VideoFrame

INTERLACED_CODECS = ("libx264", "prores_ks")
_TICK = Fraction(1, 1000)


class Deinterlacer:
    """Makes whole frames of interlaced ones (bwdif, ITU-R BT.2073's Weston filter and yadif).

    Frames that are not interlaced go through as they are. count: how many were.
    """

    def __init__(self) -> None:
        self.count = 0
        self._graph: Graph | None = None
        self._shape: tuple[Any, ...] = ()
        self._times: deque[tuple[int | None, int | None, int]] = deque()
        self._number = 0

    def __call__(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """The frames that are ready, each at its time; a filter looks one frame ahead."""
        self.count += frame.interlaced_frame
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or shape != self._shape:
            yield from self.finish()
            self._shape = shape
            self._graph = _graph(frame, ["bwdif=mode=send_frame:deint=interlaced"])
        # The filter needs times, and counts in other ticks than the clip.
        self._times.append((frame.pts, frame.dts, frame.duration))
        frame.pts, frame.time_base = self._number, _TICK
        self._number += 1
        self._graph.vpush(frame)
        yield from self._ready(self._graph)

    def finish(self) -> Iterator[VideoFrame]:
        """The frames still held back."""
        graph, self._graph = self._graph, None
        if graph is not None:
            graph.vpush(None)
            yield from self._ready(graph)

    def _ready(self, graph: Graph) -> Iterator[VideoFrame]:
        while (frame := _pulled(graph)) is not None:
            frame.pts, frame.dts, frame.duration = self._times.popleft()
            yield frame


class FieldSplitter:
    """Puts the upper field of each frame above the lower one, and back."""

    def __init__(self, *, order: str | None = None) -> None:
        """order: "top first" or "bottom first" to join fields again, None to take them apart."""
        self._filters = ["il=l=d:c=d"]
        if order is not None:
            mode = "tff" if order == "top first" else "bff"
            self._filters = ["il=l=i:c=i", f"setfield=mode={mode}"]
        self._graph: Graph | None = None

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The frame, taken apart or joined."""
        if self._graph is None:
            self._graph = _graph(frame, self._filters)
        pts, time_base, duration = frame.pts, frame.time_base, frame.duration
        self._graph.vpush(frame)
        result = _pulled(self._graph)
        if result is None:
            raise ValueError("a frame got lost")
        result.pts, result.duration = pts, duration
        if time_base is not None:
            result.time_base = time_base
        return result


def field_order(frame: VideoFrame) -> str:
    """Which field of an interlaced frame is shown first: "top first" or "bottom first"."""
    # PyAV does not tell, but a filter that lets through what begins with the upper field does.
    graph = _graph(frame, ["select=eq(interlace_type\\,TOPFIRST)"])
    graph.vpush(frame)
    return "bottom first" if _pulled(graph) is None else "top first"


def _graph(frame: VideoFrame, filters: list[str]) -> Graph:
    graph = Graph()
    graph.threads = 1  # Others have work for the rest of the processor meanwhile.
    nodes = [
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=frame.time_base or _TICK,
        )
    ]
    for text in filters:
        name, _, options = text.partition("=")
        nodes.append(graph.add(name, options))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> VideoFrame | None:
    try:
        return graph.vpull()
    except (av.error.BlockingIOError, av.error.EOFError):
        return None
