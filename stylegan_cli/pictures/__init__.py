"""Pictures: files in, files out, and everything that is true of any picture."""

from stylegan_cli.pictures.encoding import JPEG_QUALITY, encode_picture
from stylegan_cli.pictures.formats import (
    FORMATS,
    PICTURE_SUFFIXES,
    RAW_SUFFIXES,
    find_files,
    find_pictures,
    format_of,
    require_format,
)
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import NOTHING_KEPT, Kept, Metadata
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.pixels import Pixels, change_depth, from_unit, over_white, to_unit
from stylegan_cli.pictures.provenance import SYSTEM_PREFIX, AiLabel
from stylegan_cli.pictures.reading import (
    MAX_PIXELS,
    count_pixels,
    read_header,
    read_picture,
    read_rgb,
    read_rgb_or_warn,
)
from stylegan_cli.pictures.resizing import (
    resize,
    resize_short_side,
    resize_within,
    size_for_short_side,
)
from stylegan_cli.pictures.sheets import contact_sheet, side_by_side
from stylegan_cli.pictures.sources import find_own_pictures, is_named_like_result
from stylegan_cli.pictures.writing import write_picture

__all__ = [
    "FORMATS",
    "JPEG_QUALITY",
    "MAX_PIXELS",
    "NOTHING_KEPT",
    "PICTURE_SUFFIXES",
    "RAW_SUFFIXES",
    "SYSTEM_PREFIX",
    "AiLabel",
    "Frame",
    "Kept",
    "Metadata",
    "Picture",
    "Pixels",
    "change_depth",
    "contact_sheet",
    "count_pixels",
    "encode_picture",
    "find_files",
    "find_own_pictures",
    "find_pictures",
    "format_of",
    "from_unit",
    "is_named_like_result",
    "over_white",
    "read_header",
    "read_picture",
    "read_rgb",
    "read_rgb_or_warn",
    "require_format",
    "resize",
    "resize_short_side",
    "resize_within",
    "side_by_side",
    "size_for_short_side",
    "to_unit",
    "write_picture",
]
