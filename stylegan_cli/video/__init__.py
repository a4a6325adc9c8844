"""A clip in, the same clip in a creator's style out: streaming, checked, never half written."""

from stylegan_cli.video.clip_styles import StylizeFunction
from stylegan_cli.video.config import STEADY, VideoConfig, parse_rate, parse_time
from stylegan_cli.video.stylizing import VideoResult, stylize_clip

__all__ = [
    "STEADY",
    "StylizeFunction",
    "VideoConfig",
    "VideoResult",
    "parse_rate",
    "parse_time",
    "stylize_clip",
]
