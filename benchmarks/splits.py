"""Which photo is content, whose look is learned, which is test: split by person, in fixed order."""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

LEARNED_TENTHS = 7  # of a painter's pictures; the rest is held out from everything


def photos_in(root):
    """The photos of a content folder: its own, ROOT/*.jpg, or ROOT/SET/*.jpg where it has none."""
    root = Path(root)
    return sorted(root.glob("*.jpg")) or sorted(root.glob("*/*.jpg"))


def split(root, test_count=40, creator_count=200):
    """(content, creator, test) lists of paths below the content folder.

    Order comes from a hash of the name, so adding pictures moves few others.
    """
    paths = sorted(photos_in(root), key=_name_hash)
    test, pool = paths[:test_count], paths[test_count:]
    half = len(pool) // 2
    return pool[:half], pool[half : half + creator_count], test


def mismatched_split(root, test_count=40, creator_count=200):
    """The same test photos, but content from one kind of people and the creator's from another."""
    content, creator, test = split(root, test_count, creator_count)
    officials = [path for path in content if path.parent.name == "officials"]
    synthetic = [path for path in creator if path.parent.name == "synthetic"]
    return officials, synthetic, test


def painter_split(folder):
    """(learned from, held out) paths of a painter's folder: the last 30 % in hash order."""
    paths = [path for path in Path(folder).iterdir() if path.suffix in (".jpg", ".png")]
    paths.sort(key=_name_hash)
    count = len(paths) * LEARNED_TENTHS // 10
    return paths[:count], paths[count:]


def content_hash(root):
    """A short hash of every photo's name and bytes: results with one hash saw the same data."""
    digest = hashlib.sha256()
    for path in photos_in(root):
        digest.update(f"{path.parent.name}/{path.name}".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def load(path, short_side=256):
    """uint8 RGB (H, W, 3) with the given short side, antialiased."""
    with Image.open(path) as file:
        image = file.convert("RGB")
    scale = short_side / min(image.size)
    size = round(image.width * scale), round(image.height * scale)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS))


def _name_hash(path):
    return hashlib.sha256(f"{path.parent.name}/{path.name}".encode()).hexdigest()
