"""influ: learn a creator's look from a folder of pictures and give it to photos and clips."""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylegan_cli.api import (
        LoadedStyle,
        load_style,
        make_style,
        read_picture,
        stylize_video,
        train,
        write_picture,
    )
    from stylegan_cli.errors import InfluError
    from stylegan_cli.pictures import Picture

__all__ = [
    "InfluError",
    "LoadedStyle",
    "Picture",
    "load_style",
    "make_style",
    "read_picture",
    "stylize_video",
    "train",
    "write_picture",
]

from stylegan_cli.runtime.version import __version__ as __version__

# Nothing leaves the machine. Libraries read these when they are loaded, so they are set before any
# module of the package imports one; children of this process inherit them.
os.environ |= {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's builds of 1.32 and later send usage events
    "HF_HUB_DISABLE_TELEMETRY": "1",  # comes with timm
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}

_ELSEWHERE = {"InfluError": "errors", "Picture": "pictures"}  # the others are in api


def __getattr__(name: str) -> Any:
    """The public names, loaded when they are asked for (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_ELSEWHERE.get(name, 'api')}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
