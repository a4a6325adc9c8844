"""influ: learn a creator's look from a folder of pictures and give it to photos and clips."""

__version__ = "0.1.0"
