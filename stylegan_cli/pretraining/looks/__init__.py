"""Endless random looks: what the base learns from. Arrays in, arrays out."""

from stylegan_cli.pretraining.looks.drawing import Look, draw_grade, draw_look
from stylegan_cli.pretraining.looks.parameters import PARAMETERS_DIM, describe

__all__ = ["PARAMETERS_DIM", "Look", "describe", "draw_grade", "draw_look"]
