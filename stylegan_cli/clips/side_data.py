"""What a container and its frames say beside the pictures: turn, crop, field order, light."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import av.error
import av.logging
from av.container import InputContainer
from av.filter import Graph
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

_MAX_TYPES = 64  # of side data that FFmpeg tells apart; it has about half as many


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What PyAV does not tell of a stream of pictures, but FFmpeg's own description does.

    crop: pixels to cut off, left, right, top, bottom, as `clap` (ISO/IEC 14496-12) and PixelCrop
    (Matroska) say. fields: "top first" or "bottom first" of an interlaced stream, else None.
    dolby_vision: (profile, compatibility id), None without a record.
    """

    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    fields: str | None = None
    dolby_vision: tuple[int, int] | None = None


def stream_facts(container: InputContainer, stream: VideoStream) -> StreamFacts:
    """Read the facts of `stream` out of FFmpeg's description of the file."""
    head, side_data = _about(_described(container), stream.index)
    crop = re.search(r"^Frame Cropping: (\d+)/(\d+)/(\d+)/(\d+)$", side_data, re.MULTILINE)
    dolby = re.search(
        r"^DOVI configuration record:.* profile: (\d+),.* compatibility id: (\d+)",
        side_data,
        re.MULTILINE,
    )
    # "top coded first (swapped)" is shown with the bottom field first.
    fields = re.search(r"\((?:[^()]*, )?(top|bottom) (first|coded first)\b", head)
    order = None
    if fields is not None:
        is_top = (fields[1] == "top") == (fields[2] == "first")
        order = "top first" if is_top else "bottom first"
    left, right, top, bottom = (int(number) for number in crop.groups()) if crop else (0, 0, 0, 0)
    return StreamFacts(
        crop=(left, right, top, bottom),
        fields=order,
        dolby_vision=(int(dolby[1]), int(dolby[2])) if dolby else None,
    )


def data_kinds(container: InputContainer) -> dict[int, str]:
    """The tracks of data: number → the four letters that name the kind, as `gpmd` and `tmcd`."""
    line = re.compile(r"^  Stream #0:(\d+)\S*: Data: (\S+)(?: \((\S{4}) /)?", re.MULTILINE)
    return {int(found[1]): found[3] or found[2] for found in line.finditer(_described(container))}


def _described(container: InputContainer) -> str:
    """FFmpeg's description of a file, which it gives only as a message."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.INFO)
    try:
        described: Any = container  # PyAV's type stubs lack this method.
        description: str = described.dumps_format()
    finally:
        av.logging.set_level(before)
    return description


def _about(description: str, index: int) -> tuple[str, str]:
    """The line on one stream, and the lines of its side data, each without its indent."""
    parts = re.split(r"^  (?=Stream #0:)", description, flags=re.MULTILINE)
    part = next((part for part in parts if re.match(rf"Stream #0:{index}\b", part)), "")
    head, _, rest = part.partition("\n")
    # Lines of metadata hold a colon and are indented otherwise, so none of them passes for these.
    _, _, listed = rest.partition("    Side data:\n")
    lines = re.findall(r"^      (\S.*)$", listed, re.MULTILINE)
    return head, "\n".join(lines)


def side_data_of(frame: VideoFrame) -> Mapping[str, bytes]:
    """The side data of a frame by FFmpeg's name for it, without what PyAV has no name for."""
    try:
        items: Any = list(frame.side_data)
    except ValueError:
        items = list(_with_known_side_data(frame).side_data)
    return {item.type.name: bytes(item) for item in items}


def holds_captions(frame: VideoFrame) -> bool:
    """Whether closed captions come with a frame (ATSC A/53)."""
    try:
        items: Any = list(frame.side_data)
    except ValueError:
        return False  # Data without a name comes with films in 3D, which have none.
    return any(item.type.name == "A53_CC" for item in items)


def _with_known_side_data(frame: VideoFrame) -> VideoFrame:
    """`frame` without side data of a type newer than PyAV, such as the views of MV-HEVC."""
    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base,
    )
    known: set[Any] = {kind.value for kind in Type}
    unknown = [number for number in range(_MAX_TYPES) if number not in known]
    deletions = [graph.add("sidedata", f"mode=delete:type={number}") for number in unknown]
    graph.link_nodes(source, *deletions, graph.add("buffersink")).configure()
    graph.vpush(frame)
    return graph.vpull()
