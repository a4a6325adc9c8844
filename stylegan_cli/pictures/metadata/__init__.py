"""What a file says besides its pixels, kept as bytes wherever it can be."""

from stylegan_cli.pictures.metadata.metadata import NOTHING_KEPT, Kept, Metadata

__all__ = ["NOTHING_KEPT", "Kept", "Metadata"]
