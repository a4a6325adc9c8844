"""The networks: what a look is read with, painted with and judged by."""
