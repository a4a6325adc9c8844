"""A style on a picture at full size: a colour LUT and a residual."""

from stylegan_cli.rendering.rendering import (
    GUIDE_NOISE,
    GUIDE_SHARE,
    Finish,
    bake_lut,
    bring_down,
    enlarge_residual,
    fit_residual,
    look_up,
    render,
    render_at_full_size,
    run_generator,
    whole_residual,
    working_copy,
    working_size,
)

__all__ = [
    "GUIDE_NOISE",
    "GUIDE_SHARE",
    "Finish",
    "bake_lut",
    "bring_down",
    "enlarge_residual",
    "fit_residual",
    "look_up",
    "render",
    "render_at_full_size",
    "run_generator",
    "whole_residual",
    "working_copy",
    "working_size",
]
