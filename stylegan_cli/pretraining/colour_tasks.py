"""Simulated creators for the colour estimator: statistics of photos in a random look, and its LUT.

What a look does to the statistics of a picture is counted on all photos of a set with the clusters
of the photos as they are, which costs little; how the look moves pixels between clusters is
measured on a few and added.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import IterableDataset, get_worker_info

from stylegan_cli.colour import LUMA
from stylegan_cli.instant.colour_estimation import at_estimator_size, rank_of_luma
from stylegan_cli.networks.architecture import LUMA_KNOTS, VISION_CELL
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pretraining.colour_looks import LUT_SIZE, SmoothVariation
from stylegan_cli.runtime.randomness import numpy_generator

SET_PICTURES = 96  # of a simulated creator
KEPT_PICTURES = 32  # of them whose own statistics are kept, for smaller sets
SHIFTED_PICTURES = 3  # of them whose clusters are found in the look
PIXEL_STRIDE = 4  # of the pixels of a picture, each row and column, that are counted
CROPS = 3  # of each photo, beside the whole
SMALLEST_CROP = 0.55  # of a photo's sides
MIXED_LOOKS = 0.5  # share of looks that are between two
CAMERAS = 6  # of each photo, that balance is learned from
OTHER_CAMERA = 0.25  # share of creators whose camera meters and balances by its own
NO_CAMERA = torch.ones(3)
CONTENT_PHOTOS = 1000  # that a sample of content has, at most
CONTENT_SAMPLES = 128  # colours of each
LOOKS, CELLS = 3, 80  # of each photo that clusters are found with
DIRECTIONS = 32  # of frozen features that clusters are found in
RIDGE = 0.05  # of the variance of features, added to their variance between looks
SOFTNESS = 0.15  # of a cluster's edge, in squares of its width
FEATURE_STAGES = (2, 3)  # of the frozen network, at strides 8 and 16


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of image content: a projection of frozen features (channels, K), offset (K,)."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True)
class ColourTask:
    """A simulated creator. Statistics: see estimator_graphs.colour_statistics_graph.

    of_pictures: (KEPT_PICTURES, clusters + 1, moments + 1) float16. of_set: alike, of all.
    shift: alike, to be added to both. lut: (LUT_SIZE³, 3) unit.
    """

    of_pictures: Tensor
    of_set: Tensor
    shift: Tensor
    lut: Tensor


class EstimatorPhotos:
    """Photos at the estimator's size, with crops, by domain."""

    def __init__(self, photos: Mapping[str, Sequence[np.ndarray]], seed: int) -> None:
        rng = numpy_generator(seed, 0, "crops of photos")
        self.pictures: list[np.ndarray] = []
        self.domains: list[np.ndarray] = []
        for pictures in photos.values():
            first = len(self.pictures)
            for picture in pictures:
                self.pictures.append(at_estimator_size(picture))
                self.pictures += [at_estimator_size(_crop(picture, rng)) for _ in range(CROPS)]
            self.domains.append(np.arange(first, len(self.pictures)))

    def draw_set(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of SET_PICTURES pictures: of all domains, mostly of one, or of one alone."""
        evenness = (3.0, 0.5, 0.1)[int(rng.choice(3, p=[0.6, 0.25, 0.15]))]
        sizes = np.array([len(domain) for domain in self.domains], float)
        shares = rng.dirichlet(evenness * len(sizes) * sizes / sizes.sum() + 1e-3)
        chosen = rng.choice(len(sizes), SET_PICTURES, p=shares)
        indices = [rng.choice(self.domains[domain]) for domain in chosen]
        return np.array(indices)


class ColourTasks(IterableDataset[ColourTask]):
    """Tasks without end; each depends on (seed, index) alone, worker K of N draws every N-th.

    looks: (N, LUT_SIZE³, 3), which tasks take or mix. first: the index to begin with.
    """

    def __init__(
        self,
        photos: EstimatorPhotos,
        clusters: Clusters,
        looks: np.ndarray,
        seed: int,
        first: int = 0,
    ) -> None:
        self._photos, self._looks = photos, looks
        self._seed, self._first = seed, first
        self._weight = torch.from_numpy(clusters.weight).float()
        self._bias = torch.from_numpy(clusters.bias).float()
        self._variation = SmoothVariation()

    def __iter__(self) -> Iterator[ColourTask]:
        use_one_thread()
        worker = get_worker_info()
        start, step = (worker.id, worker.num_workers) if worker else (0, 1)
        pictures = self._photos.pictures
        pixels = [_cells(picture) for picture in pictures]
        shares = list(self._shares(pictures))
        index = self._first + start
        while True:
            yield self._draw(numpy_generator(self._seed, index, "colour task"), pixels, shares)
            index += step

    def _draw(
        self, rng: np.random.Generator, pixels: Sequence[Tensor], shares: Sequence[Tensor]
    ) -> ColourTask:
        look = self._variation.vary(rng, _mix(rng, self._looks))
        lut = torch.from_numpy(look)
        camera = torch.from_numpy(_draw_camera(rng))
        chosen = self._photos.draw_set(rng)
        own = _statistics_of(sorted(set(chosen)), pixels, shares, lut, camera)
        shown = [int(index) for index in rng.permutation(list(own))[:SHIFTED_PICTURES]]
        looked = [_in_look(self._photos.pictures[index], lut, camera) for index in shown]
        found = self._shares(looked)
        shifts = [
            _statistics(_cells(picture), share) - own[index]
            for index, picture, share in zip(shown, looked, found, strict=True)
        ]
        statistics = torch.stack([own[index] for index in chosen])
        return ColourTask(
            of_pictures=statistics[:KEPT_PICTURES].half(),
            of_set=statistics.mean(0),
            shift=torch.stack(shifts).mean(0),
            lut=lut,
        )

    @cached_property
    def _network(self) -> torch.nn.Module:
        return load_features("lite0")

    def _shares(self, pictures: Sequence[np.ndarray]) -> Iterator[Tensor]:
        """How much of each cell belongs to each cluster and, last, to the whole picture.

        (cells, K + 1), for each picture.
        """
        for features in cell_features(self._network, pictures):
            clusters = torch.softmax(features @ self._weight + self._bias, -1)
            yield _with_ones(clusters)


def use_one_thread() -> None:
    """From now on in this process, so that sums round alike however a run was resumed."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def find_clusters(photos: EstimatorPhotos, looks: np.ndarray, count: int, seed: int) -> Clusters:
    """Clusters of frozen features in the directions that looks move least.

    Linear discriminant analysis (Fisher 1936): variance between cells over variance of one cell
    between looks. Then k-means, made soft.
    """
    from scipy.cluster.vq import kmeans2, vq
    from scipy.linalg import eigh

    rng = numpy_generator(seed, 0, "clusters")
    network = load_features("lite0")
    plain, moved = [], []
    for picture in photos.pictures[:: CROPS + 1]:
        drawn = [torch.from_numpy(_mix(rng, looks)) for _ in range(LOOKS)]
        shown = [picture, *(_in_look(picture, look, NO_CAMERA) for look in drawn)]
        features = np.stack([cells.numpy() for cells in cell_features(network, shown)])
        cells = rng.permutation(features.shape[1])[:CELLS]
        plain.append(features[0, cells])
        moved.append((features[1:, cells] - features[:1, cells]).reshape(-1, features.shape[2]))
    cells_of_all, moves = np.concatenate(plain), np.concatenate(moved)
    centre, covariance = cells_of_all.mean(0), np.cov(cells_of_all.T)
    within = moves.T @ moves / len(moves) / 2 + RIDGE * np.diag(np.diag(covariance))
    _, vectors = eigh(covariance, within)
    directions = vectors[:, ::-1][:, :DIRECTIONS]
    projected = (cells_of_all - centre) @ directions
    centroids, _ = kmeans2(projected, count, iter=30, minit="++", seed=rng)
    _, distances = vq(projected, centroids)
    sharpness = 1 / (SOFTNESS * np.median(distances**2))
    # Minus the squared distance to a centroid, but for what all centroids share.
    weight = sharpness * directions @ centroids.T
    bias = -centre @ weight - sharpness / 2 * np.square(centroids).sum(1)
    return Clusters(weight.astype(np.float32), bias.astype(np.float32))


def sample_content(
    photos: EstimatorPhotos, clusters: Clusters, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Colours (P, CONTENT_SAMPLES, 3) uint8 of whole photos, and a cluster (P, CONTENT_SAMPLES).

    A colour's cluster is drawn by how much of its cell belongs to each.
    """
    rng = numpy_generator(seed, 0, "sample of content")
    whole = photos.pictures[:: CROPS + 1]
    whole = whole[:: -(-len(whole) // CONTENT_PHOTOS)]
    tasks = ColourTasks(photos, clusters, np.zeros((1, LUT_SIZE**3, 3)), seed)
    colours, found = [], []
    for picture, shares in zip(whole, tasks._shares(whole), strict=True):
        order = rng.permutation(len(shares))
        cells = np.resize(order, CONTENT_SAMPLES)
        levels = np.cumsum(shares[cells, :-1].numpy(), axis=1)
        drawn = (levels < rng.random((len(cells), 1)) * levels[:, -1:]).sum(1)
        places = np.unravel_index(cells, [side // VISION_CELL for side in picture.shape[:2]])
        row, column = (VISION_CELL * np.stack(places)) + rng.integers(
            VISION_CELL, size=(2, len(cells))
        )
        colours.append(picture[row, column])
        found.append(drawn.astype(np.uint8))
    return np.stack(colours), np.stack(found)


def miscalibrated_photos(
    photos: EstimatorPhotos, clusters: Clusters, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Photos with wrong exposure and white balance: gains of linear light (3,) and statistics."""
    rng = numpy_generator(seed, 0, "photos that are off")
    tasks = ColourTasks(photos, clusters, np.zeros((1, LUT_SIZE**3, 3)), seed)
    for picture, shares in zip(photos.pictures, tasks._shares(photos.pictures), strict=True):
        cells = _cells(picture)
        for _ in range(CAMERAS):
            stops = rng.normal(0, 0.7) + np.array([1, 0, -1]) * rng.normal(0, 0.3)
            camera = np.exp2(stops + rng.normal(0, 0.1, 3)).astype(np.float32)
            taken = _apply_camera_gains(cells, torch.from_numpy(camera))
            yield camera, _statistics(taken, shares).numpy()


def cell_features(network: torch.nn.Module, pictures: Sequence[np.ndarray]) -> Iterator[Tensor]:
    """Frozen features of each cell of VISION_CELL px, (cells, channels), for each picture."""
    for picture in pictures:
        rank = torch.from_numpy(rank_of_luma(picture))
        with torch.no_grad():
            stages = network(rank.expand(1, 3, -1, -1) * 2 - 1)
        fine, coarse = (stages[index] for index in FEATURE_STAGES)
        enlarged = functional.interpolate(coarse, scale_factor=2, mode="bilinear")
        yield torch.cat([fine, enlarged], 1)[0].flatten(1).T


def _crop(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    share = rng.uniform(SMALLEST_CROP, 1)
    height, width = (max(1, int(side * share)) for side in picture.shape[:2])
    top = rng.integers(picture.shape[0] - height + 1)
    left = rng.integers(picture.shape[1] - width + 1)
    cut = picture[top : top + height, left : left + width]
    return np.ascontiguousarray(cut[:, ::-1] if rng.random() < 0.5 else cut)


def _mix(rng: np.random.Generator, looks: np.ndarray) -> np.ndarray:
    """One of the looks, or something between two of them, float32."""
    one, other = looks[rng.integers(len(looks), size=2)].astype(np.float32)
    share = np.float32(rng.uniform(0, 1) if rng.random() < MIXED_LOOKS else 1)
    mixed: np.ndarray = share * one + (1 - share) * other
    return mixed


def _draw_camera(rng: np.random.Generator) -> np.ndarray:
    """Gains of linear light: nearly always one, else exposure and white balance of a camera."""
    if rng.random() >= OTHER_CAMERA:
        return np.ones(3, np.float32)
    return np.float32(2 ** rng.uniform(-0.5, 0.5)) * np.exp(
        rng.normal(0, 0.06, 3), dtype=np.float32
    )


def _in_look(picture: np.ndarray, lut: Tensor, camera: Tensor) -> np.ndarray:
    colours = torch.from_numpy(picture).reshape(-1, 3).float() / 255
    looked = _look_up(lut, _apply_camera_gains(colours, camera)) * 255 + 0.5
    styled: np.ndarray = looked.byte().numpy().reshape(picture.shape)
    return styled


def _apply_camera_gains(colours: Tensor, camera: Tensor) -> Tensor:
    if bool((camera == 1).all()):
        return colours
    taken: Tensor = (colours**2.2 * camera).clamp(0, 1) ** (1 / 2.2)
    return taken


def _look_up(lut: Tensor, colours: Tensor) -> Tensor:
    """Unit colours (..., 3) after a LUT (LUT_SIZE³, 3), as colour.apply_lut has them."""
    volume = lut.reshape(*(LUT_SIZE,) * 3, 3).permute(3, 0, 1, 2)[None]
    places = colours.reshape(1, 1, 1, -1, 3).flip(-1) * 2 - 1
    found = functional.grid_sample(volume, places, align_corners=True, padding_mode="border")
    looked: Tensor = found[0, :, 0, 0].T.reshape(colours.shape).clamp(0, 1)
    return looked


def _statistics_of(
    indices: Sequence[int],
    pixels: Sequence[Tensor],
    shares: Sequence[Tensor],
    lut: Tensor,
    camera: Tensor,
) -> dict[int, Tensor]:
    """Statistics of some photos in a look, with the clusters of the photos as they are."""
    taken = _apply_camera_gains(torch.cat([pixels[index] for index in indices]), camera)
    moments = _with_ones(_moments(_look_up(lut, taken)).mean(1))
    parts = moments.split([len(pixels[index]) for index in indices])
    return {
        index: shares[index].T @ part / len(part)
        for index, part in zip(indices, parts, strict=True)
    }


def _cells(picture: np.ndarray) -> Tensor:
    """Unit colours of each cell, (cells, pixels, 3)."""
    height, width = (side // VISION_CELL for side in picture.shape[:2])
    apart = picture.reshape(height, VISION_CELL, width, VISION_CELL, 3)
    first = PIXEL_STRIDE // 2
    some = apart[:, first::PIXEL_STRIDE, :, first::PIXEL_STRIDE].transpose(0, 2, 1, 3, 4)
    return torch.from_numpy(some.reshape(height * width, -1, 3) / np.float32(255))


def _statistics(cells: Tensor, shares: Tensor) -> Tensor:
    """estimator_graphs.colour_statistics_graph on colours (cells, pixels, 3)."""
    statistics: Tensor = shares.T @ _with_ones(_moments(cells).mean(1)) / len(cells)
    return statistics


def _with_ones(rows: Tensor) -> Tensor:
    return functional.pad(rows, (0, 1), value=1.0)


def _moments(colours: Tensor) -> Tensor:
    """(..., 3) → (..., COLOUR_MOMENTS)."""
    red, green, blue = colours.unbind(-1)
    pairs = ((red, red), (green, green), (blue, blue), (red, green), (green, blue), (red, blue))
    products = torch.stack([one * other for one, other in pairs], -1)
    luma = (colours @ torch.from_numpy(LUMA))[..., None]
    knots = torch.linspace(0, 1, LUMA_KNOTS)
    bells = torch.exp(-(((luma - knots) * (LUMA_KNOTS - 1)) ** 2))
    chroma = [bells * (channel[..., None] - luma) for channel in (blue, red)]
    return torch.cat([colours, products, bells, *chroma], -1)
