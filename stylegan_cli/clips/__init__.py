"""The only place that opens clips: what one holds, its frames in and out, the rest copied."""

from stylegan_cli.clips.colour_tags import YCGCO, ColourTags
from stylegan_cli.clips.description import ClipFrame, ClipInfo, Orientation, read_info
from stylegan_cli.clips.encoders import EncoderOptions
from stylegan_cli.clips.encoding import (
    WRITABLE_SUFFIXES,
    ClipPlan,
    FrameEncoder,
    check_suffix,
    plan_clip,
)
from stylegan_cli.clips.failures import explained
from stylegan_cli.clips.opening import CLIP_SUFFIXES, is_clip
from stylegan_cli.clips.packet_files import append_packet, read_packets, read_times
from stylegan_cli.clips.planes import YuvCodes, planes_of
from stylegan_cli.clips.reading import ClipReader
from stylegan_cli.clips.scenes import is_other_scene, sample_frames, scene_thumbnail
from stylegan_cli.clips.tone_mapping import ToneMapper, shown
from stylegan_cli.clips.tracks import ClipPacket, Track, clip_tags
from stylegan_cli.clips.verification import ClipRecord, record_clip
from stylegan_cli.clips.writing import ClipWriter

__all__ = [
    "CLIP_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "YCGCO",
    "ClipFrame",
    "ClipInfo",
    "ClipPacket",
    "ClipPlan",
    "ClipReader",
    "ClipRecord",
    "ClipWriter",
    "ColourTags",
    "EncoderOptions",
    "FrameEncoder",
    "Orientation",
    "ToneMapper",
    "Track",
    "YuvCodes",
    "append_packet",
    "check_suffix",
    "clip_tags",
    "explained",
    "is_clip",
    "is_other_scene",
    "plan_clip",
    "planes_of",
    "read_info",
    "read_packets",
    "read_times",
    "record_clip",
    "sample_frames",
    "scene_thumbnail",
    "shown",
]
