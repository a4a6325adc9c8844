"""A folder of pictures becomes a style in seconds, without training."""

from stylegan_cli.instant.choosing import with_mode_of_residue
from stylegan_cli.instant.making import make_style
from stylegan_cli.instant.reading import pictures_in, read_set, starter_photos
from stylegan_cli.instant.variety import measure_prior_spread

__all__ = [
    "make_style",
    "measure_prior_spread",
    "pictures_in",
    "read_set",
    "starter_photos",
    "with_mode_of_residue",
]
