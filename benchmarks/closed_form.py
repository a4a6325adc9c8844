"""Closed-form baselines of the look-recovery benchmark: what a look costs without any learning.

    python closed_form.py --content DIR             # table over all looks
    python closed_form.py --content DIR film toon

DIR/SET/*.jpg are photos of people, split by person (see splits.py). The creator's pictures are the
look applied to the second half of the pool; the content is the first half. Prints PSNR in dB to the
true look on the test photos for doing nothing, the set-level linear map (Monge-Kantorovich) and a
17x17x17 table from iterative distribution transfer (Pitie et al. 2007), computed from the two sets.
Needs numpy, scipy, pillow, opencv; nothing of the product is used here, so that the baseline stays
what it is when the product changes.
"""

import argparse

import numpy as np
from looks import LOOKS
from scipy.linalg import sqrtm
from scipy.ndimage import map_coordinates
from scipy.stats import special_ortho_group
from splits import load, split


def pixels(images, count=200_000, seed=0):
    rows = np.concatenate([image.reshape(-1, 3)[::13] for image in images])
    return rows.astype(np.float64)[np.random.default_rng(seed).permutation(len(rows))[:count]] / 255


def linear_map(source, target):
    """Matrix T and offset t: `x @ T + t` has the target's mean and covariance."""
    regular = 1e-5 * np.eye(3)
    cov_s, cov_t = np.cov(source.T) + regular, np.cov(target.T) + regular
    root = sqrtm(cov_s).real
    inverse = np.linalg.inv(root)
    matrix = inverse @ sqrtm(root @ cov_t @ root).real @ inverse
    return matrix, target.mean(0) - source.mean(0) @ matrix


def transfer_lut(source, target, size=17, rotations=30, step=0.7):
    """(size, size, size, 3) colour table carrying the source's distribution to the target's."""
    grid = np.linspace(0, 1, size)
    lut_grid = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), -1).reshape(-1, 3)
    matrix, offset = linear_map(source, target)
    source, lut_grid = source @ matrix + offset, lut_grid @ matrix + offset
    quantiles = np.linspace(0, 100, 200)
    for seed in range(rotations):
        rotation = special_ortho_group.rvs(3, random_state=seed)
        source, target_turned, lut_grid = source @ rotation, target @ rotation, lut_grid @ rotation
        for axis in range(3):
            old = np.percentile(source[:, axis], quantiles)
            new = np.percentile(target_turned[:, axis], quantiles)
            for values in (source[:, axis], lut_grid[:, axis]):
                values += step * (moved(values, old, new) - values)
        source, lut_grid = source @ rotation.T, lut_grid @ rotation.T
    return lut_grid.reshape(size, size, size, 3)


def moved(values, old, new):
    """Values carried from the old quantiles to the new; beyond the ends, by the same distance."""
    inside = np.interp(values, old, new)
    low = np.where(values < old[0], values - old[0] + new[0], inside)
    return np.where(values > old[-1], values - old[-1] + new[-1], low)


def apply_lut(image, lut):
    places = (image.reshape(-1, 3) / 255 * (len(lut) - 1)).T
    channels = [map_coordinates(lut[..., c], places, order=1) for c in range(3)]
    return np.stack(channels, 1).reshape(image.shape)


def psnr(result, truth):
    return 10 * np.log10(1 / max(1e-10, np.mean((np.clip(result, 0, 1) - truth) ** 2)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("looks", nargs="*", choices=[*LOOKS, []], metavar="LOOK")
    parser.add_argument("--content", required=True, metavar="DIR", help="photos, DIR/SET/*.jpg")
    arguments = parser.parse_args()
    content, creator, test = ([load(p) for p in part] for part in split(arguments.content))
    source = pixels(content)
    print(f"{'look':12} {'nothing':>8} {'linear':>8} {'table':>8}   dB, {len(test)} test photos")
    for name in arguments.looks or LOOKS:
        look = LOOKS[name]
        target = pixels([look(image) for image in creator])
        matrix, offset = linear_map(source, target)
        lut = transfer_lut(source, target)
        rows = []
        for image in test:
            truth, x = look(image) / 255, image / 255
            results = x, x @ matrix + offset, apply_lut(image, lut)
            rows.append([psnr(result, truth) for result in results])
        means = np.mean(rows, axis=0)
        print(f"{name:12} " + " ".join(f"{value:8.2f}" for value in means), flush=True)


if __name__ == "__main__":
    main()
