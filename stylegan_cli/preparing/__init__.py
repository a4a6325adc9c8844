"""Raw pictures and clips → a checked, aligned, resized data set, with a manifest and a report."""

from stylegan_cli.preparing.config import PrepConfig
from stylegan_cli.preparing.manifest import MANIFEST_NAME, Entry, Reason, read_manifest
from stylegan_cli.preparing.preparation import PrepSummary, prepare
from stylegan_cli.preparing.report import REPORT_NAME

__all__ = [
    "MANIFEST_NAME",
    "REPORT_NAME",
    "Entry",
    "FacesRule",
    "PrepConfig",
    "PrepSummary",
    "Reason",
    "prepare",
    "read_manifest",
]
