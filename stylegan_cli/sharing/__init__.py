"""A style handed on: as a line of text, a .cube, a model file, a preview."""
