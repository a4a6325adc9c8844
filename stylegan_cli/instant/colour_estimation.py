"""The per-pixel part of a look as a table, estimated from two sets of pictures without pairs.

The generalised method of moments (Hansen 1982) with a Gaussian prior. What is compared are moments
of colour within slots, clusters of what a frozen vision network sees: skin with skin, sky with sky,
so that what a creator's people wear does not pass for the look. The table is a mean and principal
components of many looks. How far moments of two sets differ without any look is measured on the
content photos, for as many pictures as the creator has: few pictures leave much to the prior, many
leave little, and nothing has to be switched.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.colour import LUMA, apply_lut, lut_corners, transfer_lut
from stylegan_cli.instant.encoding import evenly_from
from stylegan_cli.instant.slots import PixelSample, SlotEncoder
from stylegan_cli.networks.architecture import PRIOR_LUT_SIZE
from stylegan_cli.styles.model import Tensors

log = logging.getLogger(__name__)

MAX_CONTENT = 240  # photos
MIN_CONTENT = 100  # photos; of fewer nobody knows how far sets differ without a look
CONTENT_PIXELS = 96  # of each photo
COVARIANCE_PIXELS = 24  # of each photo: that few leave the noise of chance in the covariance
CREATOR_PIXELS = 24_000  # of all pictures together, at most MAX_PIXELS of each
MAX_PIXELS = 512

LUMA_KNOTS = 6  # of the bands of luma that brightness and chroma are told in
SHARED_VARIANCE = 0.9  # of a moment's variance that moments share; the rest is each one's own
MODEL_VARIANCE = 1e-4  # of what tables can't say
LEAST_MASS = 1e-3  # of pixels; a slot with fewer says nothing
LEAST_RATIO = 0.2  # of a slot's mass in the content to that in the creator's pictures
HEAVY_TAILS = 0.75  # power of the prior's variances: real looks are less even than drawn ones
GROWING_TRUST = (8, 20, 50, 100)  # pictures that the first steps count at most
MAX_STEPS = 8
SETTLED = 2e-3  # root mean square of a step, unit colours
HALF_TRANSPORTED = 200  # pictures from which half of the whole distribution's difference is met


@dataclass(frozen=True, slots=True)
class _Moments:
    """values: (K + 1, D) within slots. masses: (K + 1,). influences: (N, K + 1, D) by picture."""

    values: np.ndarray
    masses: np.ndarray
    influences: np.ndarray


@dataclass(frozen=True, slots=True)
class Estimate:
    """lut: (17, 17, 17, 3) unit. is_likelier: than the rival, by pictures kept aside."""

    lut: np.ndarray
    is_likelier: bool


class ColourEstimator:
    """Estimates tables with a base's colour prior (architecture.colour_prior_shapes)."""

    def __init__(self, prior: Tensors, threads: int) -> None:
        self._encoder = SlotEncoder(prior, threads)
        scales = prior["luts.scales"][:, None, None]
        stored = prior["luts.components"].reshape(len(scales), -1, 3).astype(np.float32)
        self._components: np.ndarray = (stored - 128) * scales
        self._mean = prior["luts.mean"].reshape(-1, 3).astype(np.float32)
        variances = prior["luts.variances"].astype(np.float64)
        flattened = variances**HEAVY_TAILS
        self._variances = flattened * variances.sum() / flattened.sum()

    def estimate(
        self, creator: Sequence[np.ndarray], content: Sequence[np.ndarray], rival: np.ndarray
    ) -> Estimate:
        """The table that makes of the content what the creator shows, beside a rival table.

        creator, content: uint8 pictures (H, W, 3). rival: (K, K, K, 3) unit.
        """
        photos = evenly_from(content, MAX_CONTENT)
        pixels = max(CONTENT_PIXELS, min(MAX_PIXELS, CREATOR_PIXELS // len(creator)))
        wanted = self._encoder.sample(creator, pixels)
        before = self._encoder.sample(photos, CONTENT_PIXELS)
        lut = self._lut(self._fit(self._problem(wanted, before)))
        own = other = 0.0
        halves = [_part(wanted, slice(start, None, 2)) for start in (0, 1)]
        for half, aside in (halves, reversed(halves)):
            of_half = self._lut(self._fit(self._problem(half, before)))
            rest = self._problem(aside, before)
            own, other = own + rest.misfit(of_half), other + rest.misfit(rival)
        log.info("moments of pictures kept aside: %.5f off, rival %.5f off", own, other)
        return Estimate(_transported(lut, wanted, before), own < other)

    def _problem(self, creator: PixelSample, content: PixelSample) -> "_Problem":
        return _Problem(creator, content, self._mean, self._components)

    def _lut(self, weights: np.ndarray) -> np.ndarray:
        moved = np.tensordot(weights.astype(np.float32), self._components, 1)
        return np.clip(self._mean + moved, 0, 1).reshape(*(PRIOR_LUT_SIZE,) * 3, 3)

    def _fit(self, problem: "_Problem") -> np.ndarray:
        """Weights of the components: the mode of the posterior, by Gauss-Newton steps.

        The first steps trust the creator's moments like those of few pictures.
        """
        counts = [min(problem.count, count) for count in GROWING_TRUST]
        weights = np.zeros(len(self._variances))
        for count in counts + [problem.count] * (MAX_STEPS - len(counts)):
            step = problem.step(weights, self._variances, count)
            weights = weights + step
            if count == problem.count and np.sqrt(np.square(step).sum() / 3) < SETTLED:
                break
        return weights


class _Problem:
    """Moments of the content in a look, as a function of the look's weights."""

    def __init__(
        self,
        creator: PixelSample,
        content: PixelSample,
        mean: np.ndarray,
        components: np.ndarray,
    ) -> None:
        self.count = len(creator.colours)
        self._photos, self._pixels = content.colours.shape[:2]
        self._slots = content.slots.reshape(-1, content.slots.shape[-1])
        self._wanted = _moments(_features_of(creator.colours), creator.slots)
        self._photo = content.colours.reshape(-1, 3)
        self._mean = _looked_up(mean, self._photo)
        moves = _looked_up(components.transpose(1, 2, 0), self._photo)
        self._moves = np.ascontiguousarray(moves.transpose(1, 0, 2))

    def step(self, weights: np.ndarray, variances: np.ndarray, count: int) -> np.ndarray:
        """A step towards the posterior's mode, halved until it comes nearer; 0 where none does.

        count: pictures that the creator's moments are trusted like.
        """
        colours = self._colours(weights)
        found = self._found(colours)
        kept, precision = self._precision(colours, found, count)
        jacobian = self._jacobian(colours)[kept].reshape(-1, len(weights)).astype(np.float64)

        def missing(found: _Moments) -> np.ndarray:
            gap: np.ndarray = (self._wanted.values - found.values)[kept].ravel()
            return gap

        def energy(found: _Moments, weights: np.ndarray) -> float:
            gap = missing(found)
            return float(gap @ precision(gap) + np.sum(weights**2 / variances))

        weighted = precision(jacobian)
        normal = jacobian.T @ weighted + np.diag(1 / variances)
        slope = weighted.T @ missing(found) - weights / variances
        step: np.ndarray = np.linalg.solve(normal, slope)
        now = energy(found, weights)
        for _ in range(3):
            tried = weights + step
            if energy(self._found(self._colours(tried)), tried) < now:
                return step
            step = step / 2
        return np.zeros_like(step)

    def misfit(self, lut: np.ndarray) -> float:
        """Mean squared gap of the moments in a look, each slot by its mass."""
        found = self._found(apply_lut(self._photo, lut))
        gaps = np.square(self._wanted.values - found.values).mean(1)
        return float(np.average(gaps, weights=self._wanted.masses))

    def _precision(
        self, colours: np.ndarray, found: _Moments, count: int
    ) -> tuple[np.ndarray, "_Precision"]:
        """Which slots say something, (K + 1,), and how precisely their moments are known."""
        kept = np.minimum(found.masses, self._wanted.masses) > LEAST_MASS
        return kept, _Precision(self._noise(colours, found, count)[:, kept])

    def _colours(self, weights: np.ndarray) -> np.ndarray:
        """(pixels, 3), unclipped."""
        colours: np.ndarray = self._mean + (self._moves @ weights.astype(np.float32)).T
        return colours

    def _found(self, colours: np.ndarray, pixels: int | None = None) -> _Moments:
        """Moments of the content in the look, of all or of the first `pixels` of each photo."""
        features = _features_of(np.clip(colours, 0, 1).reshape(self._photos, self._pixels, 3))
        slots = self._slots.reshape(self._photos, self._pixels, -1)
        return _moments(features[:, :pixels], slots[:, :pixels])

    def _noise(self, colours: np.ndarray, found: _Moments, count: int) -> np.ndarray:
        """(photos, K + 1, D): rows whose products add up to the covariance of the moments' gap.

        A slot that the creator shows less of than the content is known less well.
        """
        ratio = found.masses / np.maximum(self._wanted.masses, LEAST_MASS / 10)
        scale = np.sqrt(np.maximum(ratio, LEAST_RATIO) / count + 1 / self._photos)
        influences = self._found(colours, COVARIANCE_PIXELS).influences
        rows: np.ndarray = influences * (scale / np.sqrt(self._photos))[:, None]
        return rows

    def _jacobian(self, colours: np.ndarray) -> np.ndarray:
        """(K + 1, D, components): how the moments follow the weights."""
        slopes = _slopes_of(np.clip(colours, 0, 1))
        # A clipped colour would never come back by itself.
        slopes *= np.where((colours >= 0) & (colours <= 1), 1, 0.1)[:, None, :]
        shares = self._slots / (self._slots.sum(0) + 1e-6)
        total = np.zeros((shares.shape[1] * slopes.shape[1], self._moves.shape[2]), np.float32)
        for channel in range(3):
            weighted = shares[:, :, None] * slopes[:, None, :, channel]
            total += weighted.reshape(len(shares), -1).T @ self._moves[channel]
        return total.reshape(shares.shape[1], slopes.shape[1], -1)


class _Precision:
    """The inverse of a covariance of rank one per photo and a diagonal (Woodbury's identity)."""

    def __init__(self, rows: np.ndarray) -> None:
        rows = rows.reshape(len(rows), -1).astype(np.float64)
        diagonal = (1 - SHARED_VARIANCE) * np.square(rows).sum(0) + MODEL_VARIANCE
        self._inverse = 1 / diagonal
        shared = np.sqrt(SHARED_VARIANCE) * rows
        self._scaled = shared * self._inverse
        self._small = np.linalg.inv(np.eye(len(rows)) + self._scaled @ shared.T)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """values: (moments,) or (moments, M)."""
        scaled = (self._inverse * values.T).T
        result: np.ndarray = scaled - self._scaled.T @ (self._small @ (self._scaled @ values))
        return result


def _part(sample: PixelSample, pictures: slice) -> PixelSample:
    return PixelSample(sample.colours[pictures], sample.slots[pictures])


def _moments(features: np.ndarray, slots: np.ndarray) -> _Moments:
    """Means of features (N, P, D) within slots (N, P, K + 1)."""
    pixels = features.shape[1]
    own_masses = slots.mean(1)
    sums = slots.transpose(0, 2, 1) @ features / pixels
    masses = own_masses.mean(0)
    values = sums.mean(0) / (masses[:, None] + 1e-6)
    gaps = sums - values * own_masses[..., None]
    return _Moments(values, masses, gaps / (masses[:, None] + 1e-6))


def _bands(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of luma to each knot in widths, (..., LUMA_KNOTS), and a bell around each."""
    luma = colours @ LUMA
    distance = (luma[..., None] - np.linspace(0, 1, LUMA_KNOTS, dtype=np.float32)) * (
        LUMA_KNOTS - 1
    )
    return distance, np.exp(-np.square(distance))


def _features_of(colours: np.ndarray) -> np.ndarray:
    """What moments are taken of, (..., 9 + 3 LUMA_KNOTS): colours, products, bands of luma."""
    red, green, blue = np.moveaxis(colours, -1, 0)
    products = np.stack([red**2, green**2, blue**2, red * green, green * blue, red * blue], -1)
    _, bells = _bands(colours)
    luma = colours @ LUMA
    chroma = [bells * (channel - luma)[..., None] for channel in (blue, red)]
    return np.concatenate([colours, products, bells, *chroma], -1).astype(np.float32)


def _slopes_of(colours: np.ndarray) -> np.ndarray:
    """Derivatives of `_features_of` by the colours (N, 3): (N, 9 + 3 LUMA_KNOTS, 3)."""
    red, green, blue = colours.T
    unit = np.eye(3, dtype=np.float32)
    rows = [np.tile(axis, (len(colours), 1)) for axis in unit]
    rows += [2 * c[:, None] * axis for c, axis in zip((red, green, blue), unit, strict=True)]
    for first, second in ((0, 1), (1, 2), (0, 2)):
        rows.append(
            colours[:, [second]] * unit[first][None] + colours[:, [first]] * unit[second][None]
        )
    distance, bells = _bands(colours)
    by_luma = -2 * distance * bells * (LUMA_KNOTS - 1)
    luma = colours @ LUMA
    rows += list((by_luma[..., None] * LUMA).transpose(1, 0, 2))
    for channel, axis in ((blue, unit[2]), (red, unit[0])):
        chroma = (channel - luma)[:, None]
        slopes = (by_luma * chroma)[..., None] * LUMA + bells[..., None] * (axis - LUMA)
        rows += list(slopes.transpose(1, 0, 2))
    return np.stack(rows, 1).astype(np.float32)


def _looked_up(points: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Values (PRIOR_LUT_SIZE³, ...) of a table's points at unit colours (N, 3): (N, ...)."""
    result = np.zeros((len(colours), *points.shape[1:]), np.float32)
    for index, share in lut_corners(colours, PRIOR_LUT_SIZE):
        result += share.reshape(-1, *(1,) * (points.ndim - 1)) * points[index]
    return result


def _transported(lut: np.ndarray, creator: PixelSample, content: PixelSample) -> np.ndarray:
    """`lut`, moved towards where the whole distribution is the creator's, the more pictures."""
    count = len(creator.colours)
    moved = np.clip(apply_lut(content.colours.reshape(-1, 3), lut), 0, 1)
    transport = transfer_lut(moved, creator.colours.reshape(-1, 3))
    nodes = lut.reshape(-1, 3)
    share = 1 / (1 + (HALF_TRANSPORTED / count) ** 2)
    met: np.ndarray = nodes + share * (apply_lut(nodes, transport) - nodes)
    clipped: np.ndarray = np.clip(met, 0, 1).reshape(lut.shape)
    return clipped
