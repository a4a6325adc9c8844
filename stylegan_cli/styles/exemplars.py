"""Exemplars of a creator: parts of their pictures that strokes are taken from.

A file has them as one JPEG, one below the other: as numbers they would be twenty times as large.
"""

import io

import numpy as np

from stylegan_cli.errors import StyleFileError

SIDE = 256  # px
MAX_EXEMPLARS = 128
QUALITY = 85


def encode_exemplars(pictures: np.ndarray) -> np.ndarray:
    """(N, SIDE, SIDE, 3) uint8 → the bytes of a JPEG, (M,) uint8."""
    from PIL import Image

    stream = io.BytesIO()
    column = Image.fromarray(pictures.reshape(-1, SIDE, 3))
    column.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return np.frombuffer(stream.getvalue(), np.uint8)


def decode_exemplars(encoded: np.ndarray) -> np.ndarray:
    """Back from `encode_exemplars`. Raises StyleFileError for other bytes."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(encoded.tobytes()), formats=("JPEG",)) as column:
            width, height = column.size
            if width != SIDE or height % SIDE or not 1 <= height // SIDE <= MAX_EXEMPLARS:
                raise ValueError(f"{width} x {height} px")
            pixels = np.asarray(column.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise StyleFileError(
            f"the exemplars of the style are damaged ({error}); get its file again"
        ) from error
    return pixels.reshape(-1, SIDE, SIDE, 3)
