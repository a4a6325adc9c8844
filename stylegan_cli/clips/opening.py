"""Clips are opened here alone, safely: which files, which stream, which decoder."""

from pathlib import Path
from typing import Any

import av
import av.error
from av.codec.context import CodecContext
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from stylegan_cli.errors import ClipError, messages
from stylegan_cli.runtime.file_kind import media_of_file

# What files in one of the formats below are called; animated pictures belong to `pictures`.
CLIP_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".mj2", ".insv", ".lrv", ".360",
     ".mkv", ".mk3d", ".webm", ".avi", ".divx",
     ".ts", ".m2ts", ".mts", ".m2t", ".mpg", ".mpeg", ".mpe", ".m2p", ".vob", ".mod", ".tod",
     ".m1v", ".m2v", ".mpv", ".flv", ".wmv", ".asf", ".ogv", ".ogm", ".mxf", ".dv", ".dif", ".nut",
     ".ivf", ".obu", ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".y4m"}
)  # fmt: skip

# Playlists and scripts (hls, dash, concat...) name further files and URLs; none of them is here.
_READABLE_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,ivf,obu,nut,mxf,dv,"
    "yuv4mpegpipe,gif,apng"
)
_OPEN_OPTIONS = {"format_whitelist": _READABLE_FORMATS, "protocol_whitelist": "file"}


def is_clip(path: Path) -> bool:
    """Whether `path` is a file with moving pictures that can be read, by its content."""
    try:
        with open_clip(path) as container:
            picture_stream(container, path)
    except ClipError:
        return False
    return True


def open_clip(path: Path) -> InputContainer:
    """Open a local file and nothing else: no pattern, no URL, no file that names other files."""
    if not path.exists():
        raise ClipError(messages.does_not_exist(path))
    if not path.is_file():
        raise ClipError(messages.cannot_read(path, "it is not a file", "name a clip"))
    if path.stat().st_size == 0:
        raise ClipError(messages.cannot_read(path, "it is empty", messages.COPY_AGAIN))
    if media_of_file(path) == "picture":
        raise ClipError(
            messages.wrong_kind(path, "a picture", "a clip", "influ", "stylize", str(path))
        )
    try:
        return av.open(f"file:{path}", "r", options=_OPEN_OPTIONS, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise ClipError(_why_unreadable(path, error)) from error


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, av.error.PermissionError):
        return messages.cannot_read(path, "permission denied", "change its permissions")
    if media_of_file(path) == "clip":
        why = "it is cut short, and its index is missing"
        return messages.cannot_read(path, why, messages.COPY_AGAIN)
    why = "its format is not known here"
    return messages.cannot_read(path, why, "give an .mp4, .mov, .mkv, .webm or .avi")


def picture_stream(container: InputContainer, path: Path) -> VideoStream:
    """The stream of moving pictures, past any cover picture. Raises ClipError without one."""
    covers = 0
    for stream in container.streams.video:
        if stream.disposition & Disposition.attached_pic:
            covers += 1
        elif stream.codec_context is not None:
            return stream
    if container.streams.audio:
        also = " and a cover picture" if covers else ""
        raise ClipError(messages.cannot_read(path, f"it contains only sound{also}", "name a clip"))
    raise ClipError(
        messages.cannot_read(
            path, "it contains no moving pictures that can be decoded", "name a clip"
        )
    )


def picture_decoder(stream: VideoStream) -> Any:
    """The codec context to decode `stream` with; it keeps an alpha plane where there may be one."""
    context = stream.codec_context
    libraries = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
    tags = {name.lower(): value for name, value in stream.metadata.items()}
    if context.name in libraries and tags.get("alpha_mode") == "1":
        # FFmpeg's own VP8 and VP9 decoders drop the alpha plane.
        return CodecContext.create(libraries[context.name], "r")
    context.thread_type = "AUTO"
    return context
