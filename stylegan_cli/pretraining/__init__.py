"""Random looks → base."""
