"""The only place that opens clips: what one holds, its frames in and out, the rest copied."""

from stylegan_cli.containers.checking import ClipRecord, record_clip
from stylegan_cli.containers.description import (
    CLIP_SUFFIXES,
    ClipFrame,
    ClipInfo,
    Colours,
    Orientation,
    is_clip,
    read_info,
)
from stylegan_cli.containers.encoders import EncoderOptions
from stylegan_cli.containers.reading import ClipReader
from stylegan_cli.containers.scenes import is_other_scene, sample_frames, scene_thumbnail
from stylegan_cli.containers.tracks import ClipPacket
from stylegan_cli.containers.writing import WRITABLE_SUFFIXES, ClipWriter, check_suffix

__all__ = [
    "CLIP_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "ClipFrame",
    "ClipInfo",
    "ClipPacket",
    "ClipReader",
    "ClipRecord",
    "ClipWriter",
    "Colours",
    "EncoderOptions",
    "Orientation",
    "check_suffix",
    "is_clip",
    "is_other_scene",
    "read_info",
    "record_clip",
    "sample_frames",
    "scene_thumbnail",
]
