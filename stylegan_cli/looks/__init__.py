"""Endless random looks: what the base learns from. Arrays in, arrays out."""

from stylegan_cli.looks.drawing import Look, draw_look

__all__ = ["Look", "draw_look"]
