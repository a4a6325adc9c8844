"""The networks: generator, style encoder, discriminators and frozen features."""
