"""Base and two unpaired sets → refined styles."""
