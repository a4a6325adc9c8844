"""What a Gaussian-process step adds to the colour estimator, on the tuning half of real films.

    python colour_correction.py --luts DIR --content DIR [--photos DIR ...] [--pictures 1 5 30 200]

The estimator's LUT is given to photos whose content is known, and their statistics are compared
with those of the creator's pictures. What is still missing is explained by a smooth change of the
LUT, as far as the photos' own variation does not explain it (generalised least squares with a
Gaussian process for a prior: Rasmussen & Williams 2006, chapter 2). --content is split by person
as in film_looks.py; --photos adds photos that nobody is judged on. Prints mean PSNR in dB.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from film_looks import MAX_GREY_RANGE, half_of, in_look, read_haldclut
from splits import load, photos_in, split

from stylegan_cli.colour import lut_corners, lut_grid
from stylegan_cli.instant.colour_estimation import SHRINKAGE, ColourEstimation
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pretraining.colour_tasks import EstimatorPhotos, _moments, cell_features
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.styles import read_model

MODEL = weights_dir() / "influ-base.safetensors"
ORDER = 5  # of the cosines of the colour cube, summed over its axes
LENGTH = 0.25  # of the squared exponential kernel, unit colours
CHROMA = 0.5  # deviation of a change of hue over that of a change of luma
AMPLITUDE = 0.04  # deviation of the change, unit
NOISE = 0.02  # deviation of a cluster's moment that photos do not explain
SETS = 500  # of photos, for their variation
SAMPLES = 96  # colours of each cluster, for derivatives


class Cosines:
    """Values (functions, points, 3) of smooth changes of a LUT, and their prior variances."""

    def __init__(self, size):
        grid = lut_grid(size).astype(np.float32)
        ranges = (range(ORDER + 1),) * 3
        orders = [o for o in np.stack(np.meshgrid(*ranges), -1).reshape(-1, 3) if sum(o) <= ORDER]
        waves = np.stack([np.prod(np.cos(np.pi * grid * order), axis=1) for order in orders])
        waves *= np.sqrt(2.0 ** np.count_nonzero(orders, axis=1))[:, None]
        variances = np.exp(-((np.pi * LENGTH) ** 2) / 2 * np.square(orders).sum(1))
        directions = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]], np.float32)
        directions *= np.sqrt(3) / np.linalg.norm(directions, axis=1, keepdims=True)
        shares = np.array([1, CHROMA**2, CHROMA**2])
        self.grey_count = len(waves)
        both = (waves[None, ..., None] * directions[:, None, None]).reshape(-1, *grid.shape)
        self.values = torch.from_numpy(both.astype(np.float32))
        weights = np.outer(shares / shares.sum(), variances / variances.sum()).ravel()
        self.variances = torch.from_numpy(AMPLITUDE**2 * weights).float()

    def of(self, is_grey):
        """The functions for a look, in luma alone for a black-and-white one, and variances."""
        if is_grey:
            return self.values[: self.grey_count], 3 * self.variances[: self.grey_count]
        return self.values, self.variances


class Population:
    """Photos as colours with the share of each cluster in each colour."""

    def __init__(self, domains, estimator):
        self.photos = EstimatorPhotos(domains, seed=0)
        weight, bias = (
            torch.from_numpy(np.array(estimator.tensors[f"vision.clusters.{name}"], np.float32))
            for name in ("weight", "bias")
        )
        network, rng = load_features("lite0"), np.random.default_rng(0)
        colours, shares = [], []
        for picture, features in zip(
            self.photos.pictures, cell_features(network, self.photos.pictures), strict=True
        ):
            share = torch.softmax(features @ weight[:, :, 0, 0].T + bias, -1)
            shares.append(torch.cat([share, torch.ones(len(share), 1)], 1))
            rows, columns = (side // 8 for side in picture.shape[:2])
            middles = picture.reshape(rows, 8, columns, 8, 3)[:, 4, :, 4].reshape(-1, 3)
            colours.append(middles / np.float32(255))
        self._shares, self._sizes = shares, [len(part) for part in colours]
        whole, known = np.concatenate(colours), torch.cat(shares)
        self._corners = _corners(whole)
        chances = known.numpy().astype(np.float64)
        chosen = [
            rng.choice(len(whole), SAMPLES, p=chances[:, k] / chances[:, k].sum())
            for k in range(known.shape[1])
        ]
        self._some = _corners(whole[np.concatenate(chosen)])
        domain = [self.photos.draw_set(rng) for _ in range(SETS)]
        self._sets = np.stack([rng.permutation(indices) for indices in domain])

    def statistics(self, lut):
        """Sums and masses of each photo in a LUT, (photos, clusters + 1, moments + 1)."""
        moments = _moments(_looked(lut[None], self._corners)[0])
        counted = torch.cat([moments, torch.ones(len(moments), 1)], 1).split(self._sizes)
        both = zip(self._shares, counted, strict=True)
        return torch.stack([share.T @ part / len(part) for share, part in both])

    def of_sets(self, statistics, count):
        """Moments of each of SETS sets of `count` photos."""
        repeated = np.resize(self._sets, (SETS, max(count, self._sets.shape[1])))[:, :count]
        return torch.stack([conditional(statistics[row].mean(0)) for row in repeated])

    def moments(self, luts):
        """Mean moments of each cluster in LUTs (N, points, 3), from a sample: (N, all moments)."""
        moments = _moments(_looked(luts, self._some))
        return moments.reshape(len(luts), -1, SAMPLES, moments.shape[-1]).mean(2).flatten(1)


def corrected(lut, observed, population, statistics, sets, cosines, is_grey):
    """The LUT after one step; observed: (clusters + 1, moments + 1) of the creator's pictures."""
    changes, variances = cosines.of(is_grey)
    step = 0.02
    forward, back = (population.moments(lut + sign * step * changes) for sign in (1, -1))
    slopes = ((forward - back) / (2 * step)).T
    mean = sets.mean(0)
    masses = statistics.mean(0)[:, -1].clamp(min=1e-4)
    noise = (NOISE**2 * (1 + 0.02 / masses)).repeat_interleave(len(mean) // len(masses))
    apart = (sets - mean) / len(sets) ** 0.5 / noise.sqrt()
    inner = torch.linalg.inv(torch.eye(len(apart)) + apart @ apart.T)

    def whitened(values):  # the inverse of the covariance times values, by Woodbury's identity
        scaled = values / noise[:, None]
        return scaled - (apart / noise.sqrt()).T @ (inner @ ((apart / noise.sqrt()) @ values))

    weighted = whitened(slopes)
    normal = slopes.T @ weighted + torch.diag(1 / variances)
    missing = (conditional(observed) - mean)[:, None]
    weights = torch.linalg.solve(normal, weighted.T @ missing)
    return (lut + (weights[..., None] * changes).sum(0)).clamp(0, 1)


def conditional(statistics):
    """Means of each cluster, as the head's inputs have them, (all moments,)."""
    sums, masses = statistics[:, :-1], statistics[:, -1:]
    return ((sums + SHRINKAGE * sums[-1:]) / (masses + SHRINKAGE)).flatten()


def _corners(colours):
    found = lut_corners(colours, 17)
    return [(torch.from_numpy(i), torch.from_numpy(s.astype(np.float32))) for i, s in found]


def _looked(luts, corners):
    return sum(luts[:, index] * share[:, None] for index, share in corners).clamp(0, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--luts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--content", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=Path, nargs="*", default=[], metavar="DIR")
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 5, 30, 200])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=2, help="only every so-manieth table")
    asked = parser.parse_args()
    torch.set_grad_enabled(False)
    estimator = read_model(MODEL).base.colour_estimator
    estimation = ColourEstimation(estimator, 1)
    _, creator, test = split(asked.content)
    others = [path for path in photos_in(asked.content) if path not in {*creator, *test}]
    others += [path for folder in asked.photos for path in photos_in(folder)]
    domains = {path.parent: [] for path in others}
    for path in others:
        domains[path.parent].append(load(path))
    population = Population(domains, estimator)
    rng, cosines = np.random.default_rng(0), Cosines(17)
    pixels = np.concatenate([rng.choice(load(path).reshape(-1, 3), 500) for path in test])
    corners, shown = _corners(pixels / np.float32(255)), [load(path) for path in creator]
    tables = [path for path in sorted(asked.luts.rglob("*.png")) if half_of(path) == "tuning"]
    found = {}
    for path in tables[:: asked.every]:
        table = read_haldclut(path)
        is_grey = bool(np.ptp(table, axis=-1).mean() < MAX_GREY_RANGE)
        truth = torch.from_numpy(in_look(pixels[None], table)[0] / np.float32(255))
        seen = [estimation.statistics(in_look(photo, table)) for photo in shown]
        for count in asked.pictures:
            for _ in range(asked.repeats if count < len(seen) else 1):
                chosen = [seen[k] for k in rng.permutation(len(seen))[:count]]
                lut = torch.from_numpy(estimation.lut(chosen).reshape(-1, 3).astype(np.float32))
                statistics = population.statistics(lut)
                sets = population.of_sets(statistics, count)
                observed = torch.from_numpy(np.stack(chosen).mean(0)).float()
                after = corrected(lut, observed, population, statistics, sets, cosines, is_grey)
                for name, result in (("before", lut), ("after", after)):
                    error = (_looked(result[None], corners)[0] - truth).square().mean()
                    place = (count, "black and white" if is_grey else "colour", name)
                    found.setdefault(place, []).append(-10 * float(error.log10()))
        print(path.stem, {k: round(float(np.mean(v)), 2) for k, v in found.items()}, flush=True)
    for place, values in sorted(found.items()):
        print(*place, f"{np.mean(values):.2f} dB ({len(values)})")


if __name__ == "__main__":
    main()
