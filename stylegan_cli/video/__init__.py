"""A clip in, the same clip in a creator's look out: streaming, checked, never half written."""

from stylegan_cli.video.choices import STEADY, VideoConfig, parse_time, part_of, target_of
from stylegan_cli.video.stylizing import VideoResult, stylize_clip

__all__ = [
    "STEADY",
    "VideoConfig",
    "VideoResult",
    "parse_time",
    "part_of",
    "stylize_clip",
    "target_of",
]
