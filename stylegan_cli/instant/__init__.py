"""A folder of pictures becomes a style in seconds, without training."""

from stylegan_cli.instant.config import InstantConfig
from stylegan_cli.instant.encoding import pictures_in, read_set
from stylegan_cli.instant.photo_balance import PhotoBalance, without_stops
from stylegan_cli.instant.pipeline import make_style
from stylegan_cli.instant.render_mode import with_mode_of_residual
from stylegan_cli.instant.variation import measure_prior_code_factors

__all__ = [
    "InstantConfig",
    "PhotoBalance",
    "make_style",
    "measure_prior_code_factors",
    "pictures_in",
    "read_set",
    "with_mode_of_residual",
    "without_stops",
]
