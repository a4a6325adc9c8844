"""influ: learn a creator's look from a folder of pictures and give it to photos and clips."""

import os

from stylegan_cli.runtime.version import __version__ as __version__

# Nothing leaves the machine. Libraries read these when they are loaded, so they are set before any
# module of the package imports one; children of this process inherit them.
os.environ |= {
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime's builds of 1.32 and later send usage events
    "HF_HUB_DISABLE_TELEMETRY": "1",  # comes with timm
    "DO_NOT_TRACK": "1",
}
