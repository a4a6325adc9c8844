"""The only place that opens clips: what one holds, its frames in and out, the rest copied."""

from stylegan_cli.containers.description import (
    CLIP_SUFFIXES,
    ClipFrame,
    ClipInfo,
    Colours,
    Orientation,
    is_clip,
    read_info,
)
from stylegan_cli.containers.reading import ClipReader
from stylegan_cli.containers.scenes import is_other_scene, sample_frames, scene_thumbnail

__all__ = [
    "CLIP_SUFFIXES",
    "ClipFrame",
    "ClipInfo",
    "ClipReader",
    "Colours",
    "Orientation",
    "is_clip",
    "is_other_scene",
    "read_info",
    "sample_frames",
    "scene_thumbnail",
]
