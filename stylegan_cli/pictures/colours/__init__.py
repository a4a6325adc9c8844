"""What the numbers of a picture's pixels mean: into sRGB, where styles work, and back."""

from stylegan_cli.pictures.colours.coding import Cicp
from stylegan_cli.pictures.colours.colours import SRGB, Colours, Recolour, restore, to_srgb
from stylegan_cli.pictures.colours.profiles import (
    PROFILE_ERRORS,
    is_srgb,
    linear_of_srgb,
    profile_space,
    srgb_of_linear,
)

__all__ = [
    "PROFILE_ERRORS",
    "SRGB",
    "Cicp",
    "Colours",
    "Recolour",
    "is_srgb",
    "linear_of_srgb",
    "profile_space",
    "restore",
    "srgb_of_linear",
    "to_srgb",
]
