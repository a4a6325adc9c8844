"""Endless random looks: what the base learns from. Arrays in, arrays out."""

from stylegan_cli.looks.description import DESCRIPTION_DIM, describe
from stylegan_cli.looks.drawing import Look, draw_look

__all__ = ["DESCRIPTION_DIM", "Look", "describe", "draw_look"]
