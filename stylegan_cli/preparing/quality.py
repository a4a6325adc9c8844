"""How sharp a picture is, and how much two pictures are the same."""

import cv2
import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from stylegan_cli.pictures import resize_short_side

Pixels = npt.NDArray[np.uint8]

SHARPNESS_SIDE = 256  # px; the scale at which sharpness is measured
FAINTEST = 5.0  # levels of 255, the standard deviation of a picture that shows something
HASH_SIDE = 16  # a hash has this many bits, squared
MAX_DISTANCE = HASH_SIDE**2  # of two hashes

# Of 256 bits. Copies, recompressed to quality 50 or halved in size, differ by at most 8; trimmed,
# brightened and slightly turned ones by up to 24; different photos and paintings by 58 or more, but
# figures of one drawn set by 10 or so.
SAME_PICTURE = 8
RELATED_PICTURES = 24


def sharpness(pixels: Pixels) -> float:
    """Variance of the Laplacian in percent of the variance of the grey picture.

    The division keeps a dark or hazy picture from passing for a blurred one. Blurred portraits stay
    below 0.45, sharp ones start at 1.4; where there is only noise on nothing it is 0.
    pixels: (H, W, 3) uint8 RGB; comparable between pictures of SHARPNESS_SIDE.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float32)
    spread = float(grey.var())
    if spread < FAINTEST**2:
        return 0.0
    return 100.0 * float(cv2.Laplacian(grey, cv2.CV_32F).var()) / spread


def perceptual_hash(pixels: Pixels) -> int:
    """256 bits that hardly change with size, compression and brightness.

    The signs of the lowest frequencies of the grey picture, against their median.
    pixels: (H, W, 3) uint8 RGB.
    """
    small = resize_short_side(pixels, 4 * HASH_SIDE)
    return int(str(imagehash.phash(Image.fromarray(small), hash_size=HASH_SIDE)), 16)


def hash_distance(first: int, second: int) -> int:
    """Number of bits in which two hashes differ, 0..256."""
    return (first ^ second).bit_count()
