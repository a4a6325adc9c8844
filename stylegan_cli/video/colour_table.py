"""A look's per-pixel part, for frame after frame of 8 bits."""

from stylegan_cli.colour_table import ColourTable

__all__ = ["ColourTable"]
