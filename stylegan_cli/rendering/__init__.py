"""A style on a picture at full size: a colour LUT and a residual."""

from stylegan_cli.rendering.compose import (
    Finish,
    render,
    render_at_full_size,
    whole_residual,
)
from stylegan_cli.rendering.guided_maps import (
    enlarge_residual,
    fit_residual,
)
from stylegan_cli.rendering.lut import (
    bake_lut,
    look_up,
)
from stylegan_cli.rendering.tiles import (
    run_generator,
)
from stylegan_cli.rendering.working_copy import (
    bring_down,
    make_working_copy,
    resized,
    working_size,
)

__all__ = [
    "Finish",
    "bake_lut",
    "bring_down",
    "enlarge_residual",
    "fit_residual",
    "look_up",
    "make_working_copy",
    "render",
    "render_at_full_size",
    "resized",
    "run_generator",
    "whole_residual",
    "working_size",
]
