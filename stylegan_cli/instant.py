"""Pictures → style in one forward pass: look encoder, colour map, calibration, variety."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from stylegan_cli.backends import Backend, Painter, open_backend
from stylegan_cli.colour import (
    apply_table,
    colour_distance,
    lattice,
    linear_map,
    look_statistics,
    sample_colours,
    table_corners,
    transfer_table,
)
from stylegan_cli.devices import resolve_threads
from stylegan_cli.errors import DataError, PictureError
from stylegan_cli.networks.architecture import READ_SHORT_SIDE, READ_TILE
from stylegan_cli.networks.folding import apply_colour, fold_style, merge_deltas
from stylegan_cli.pictures import find_pictures, read_rgb, size_for_short_side, to_unit
from stylegan_cli.randomness import numpy_generator
from stylegan_cli.rendering import (
    bring_down,
    enlarge_residue,
    fit_residue,
    run_painter,
    whole_residue,
)
from stylegan_cli.resources import starter_dir
from stylegan_cli.style_file import Base, Mode, Style, StyleInfo

log = logging.getLogger(__name__)

READ_LONG_SIDE = 384  # px; longer pictures are cut to their middle
SET_COLOURS = 24_000
CALIBRATION_PICTURES = 24

HEARING_SHARE = 0.5  # of the difference between a look and what is heard of its results
HEARD_PICTURES = 12

# Calibration is trusted with many pictures, and less the further it wants to move colours: a base
# errs by a few percent, two unlike sets of people by a tenth and more.
TRUSTED_PICTURES = 20
FEWEST_FOR_CALIBRATION = 3  # pictures; fewer would be trusted to less than a hundredth
CALIBRATION_POINTS = 15  # per channel, of a table; 20 kB in a style file
TRUSTED_SHIFT = 0.12  # root mean square, unit colours
DRAWN_RESIDUE = 0.03  # root mean square, unit; of a look whose colours are half the closed form's
TWICINGS = 5  # a kernel regression of what is left (Tukey 1977), so that it smooths less
FEW_COLOURS = 0.1  # of SET_COLOURS at a point of a table that are too few to go by

# Short sides of working copies in px, the cheapest first.
PHOTOGRAPHIC_SIZES = (256, 384)
LEARNT_SIZE = 512  # the largest that pre-training shows
DRAWN_SIZES = (LEARNT_SIZE, 768)

# Root mean square, unit. To leave out a residue this small costs 0.1 dB of a result that is 32 dB
# from the truth, and instant styles are rarely closer.
QUIET_RESIDUE = 0.004
PHOTOGRAPHIC_PSNR = 36.0  # dB of a residue rebuilt from a working copy against the residue itself
SAME_DRAWING_PSNR = 30.0  # dB of what is painted larger than learnt, brought down again

VARIETY_RANK = 4
VARIETY_SHRINK = 0.7
FEWEST_FOR_VARIETY = 5
MOST_FOR_VARIETY = 32


@dataclass(frozen=True, slots=True)
class LookSet:
    """A creator's pictures as the look encoder meets them.

    moments: (N, moments_dim), one row per picture. colours: (M, 3) unit, an equal share of each.
    """

    moments: np.ndarray
    colours: np.ndarray

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.moments)

    def colours_of(self, index: int) -> np.ndarray:
        """The share of one picture, (M / N, 3)."""
        return np.array_split(self.colours, self.count)[index]


def make_style(
    name: str,
    pictures: Sequence[Path],
    base: Base,
    backend: Backend,
    *,
    content: Sequence[Path] | None = None,
    licence: str = "",
    variety: int = VARIETY_RANK,
    need_all: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Style:
    """The style of `pictures`, read in one forward pass.

    content: photos the creator might have started from; the base's own statistics and the starter
    photos where None. variety: directions of the creator's variety, at most.
    need_all: stop at a picture that can't be read instead of leaving it out.
    Raises DataError where no picture can be read, PictureError where all are needed.
    """
    creator = read_set(pictures, backend, on_progress, need_all=need_all)
    if content is None:
        before = to_unit(base.content_colours)
        photos = _read_all(starter_photos()[:CALIBRATION_PICTURES])
    else:
        photos = _read_all(content)
        before = sample_colours(photos, SET_COLOURS, numpy_generator(0, 0, "content colours"))
    matrix, offset = linear_map(before, creator.colours)
    tensors = base.generator_tensors

    def fold(code: np.ndarray, short_side: int = READ_SHORT_SIDE) -> dict[str, np.ndarray]:
        return fold_style(tensors, base.generator, matrix, offset, code, short_side)

    def paint(code: np.ndarray) -> list[_Painted]:
        return _paint_photos(backend.painter(fold(code)), _some_of(photos, HEARD_PICTURES))

    code = _settle_code(creator, before, backend, paint)
    mode, size = choose_rendering(lambda side: backend.painter(fold(code, side)))
    calibration = None
    if creator.count >= FEWEST_FOR_CALIBRATION:
        folded = fold(code)
        shown = _some_of(photos, CALIBRATION_PICTURES)
        painted = _paint_photos(backend.painter(folded), shown)
        # Without a residue the per-pixel part is all, and every content colour can be asked.
        residue = np.zeros_like(before) if mode == "colour" else _residue_of(before, painted)
        colours = _Colours(before, apply_colour(folded, before), residue)
        calibration = _calibrate(colours, creator)
    info = StyleInfo(
        name=name,
        display_name=name,
        pictures=creator.count,
        licence=licence,
        working_size=size,
        mode=mode,
    )
    return Style(
        info=info,
        base_hash=base.hash,
        matrix=matrix,
        offset=offset,
        code=code,
        calibration=calibration,
        spread=_variety(base, backend, creator, before, variety),
    )


def read_set(
    pictures: Sequence[Path],
    backend: Backend,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    need_all: bool = False,
) -> LookSet:
    """Read a creator's pictures; unreadable ones are named in the log and left out.

    Raises DataError where none is left, PictureError for the first one where all are needed.
    """
    return _look_set(_read_all(pictures, on_progress, need_all), backend)


def _look_set(arrays: Sequence[np.ndarray], backend: Backend) -> LookSet:
    """uint8 pictures (H, W, 3) as the look encoder meets them."""
    moments = np.stack([backend.moments(_tiles(array)).mean(0) for array in arrays])
    rng = numpy_generator(0, 0, "creator colours")
    share = -(-SET_COLOURS // len(arrays))
    colours = np.concatenate([sample_colours([array], share, rng) for array in arrays])
    return LookSet(moments, colours)


def pictures_in(place: Path) -> list[Path]:
    """The pictures of a folder and the folders in it; or the one picture that `place` is.

    Raises DataError where there are none.
    """
    if place.is_file():
        return [place]
    found = find_pictures(place, recursive=True)
    if not found:
        raise DataError(f"{place} holds no pictures; name a folder of photos or paintings")
    return found


def starter_photos() -> list[Path]:
    """The shipped CC0 photos, in their fixed order."""
    return sorted(starter_dir().glob("*.jpg"))


def measure_prior_spread(base: Base, backend: Backend) -> np.ndarray:
    """The encoder's own noise: how codes of single photos without any look spread, as a root.

    Returns (rank, code_dim): directions scaled by their standard deviation.
    """
    photos = read_set(starter_photos()[:MOST_FOR_VARIETY], backend)
    codes = _single_codes(backend, photos, to_unit(base.content_colours))
    _, scale, directions = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    root = directions * (scale / np.sqrt(len(codes)))[:, None]
    return np.asarray(root[: 2 * VARIETY_RANK], np.float32)


def _read_all(
    paths: Sequence[Path],
    on_progress: Callable[[int, int], None] | None = None,
    need_all: bool = False,
) -> list[np.ndarray]:
    def read(path: Path) -> np.ndarray | None:
        try:
            return read_rgb(path, READ_SHORT_SIDE)
        except PictureError as error:
            if need_all:
                raise
            log.warning("%s", error)
            return None

    arrays = []
    with ThreadPoolExecutor(resolve_threads()) as pool:
        for done, array in enumerate(pool.map(read, paths), start=1):
            if array is not None:
                arrays.append(array)
            if on_progress:
                on_progress(done, len(paths))
    if not arrays:
        raise DataError("none of the pictures can be read; name a folder of photos or paintings")
    return arrays


def _some_of(photos: Sequence[np.ndarray], count: int) -> Sequence[np.ndarray]:
    """`count` of them at most, evenly apart: a folder's first ones are often alike."""
    return photos[:: max(1, len(photos) // count)][:count]


def _tiles(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) → (N, 3, READ_TILE, READ_TILE) float32 in [-1, 1]: tiles that cover it."""
    height, width = (max(READ_TILE, min(side, READ_LONG_SIDE)) for side in picture.shape[:2])
    top, left = (max(0, side - READ_LONG_SIDE) // 2 for side in picture.shape[:2])
    middle = picture[top : top + height, left : left + width]
    if middle.shape[:2] != (height, width):
        middle = cv2.resize(middle, (width, height), interpolation=cv2.INTER_CUBIC)
    tiles = [
        middle[y : y + READ_TILE, x : x + READ_TILE]
        for y in _tile_starts(height)
        for x in _tile_starts(width)
    ]
    return np.ascontiguousarray(to_unit(np.stack(tiles)).transpose(0, 3, 1, 2) * 2 - 1)


def _tile_starts(side: int) -> list[int]:
    """Where tiles begin that cover `side` px: evenly apart, overlapping a little."""
    starts = np.linspace(0, side - READ_TILE, -(-side // READ_TILE))
    return [round(start) for start in starts]


def _code(
    backend: Backend, moments: np.ndarray, after: np.ndarray, before: np.ndarray, count: int
) -> np.ndarray:
    statistics = look_statistics(after, before, count)
    code: np.ndarray = backend.code(moments[None], statistics[None])[0]
    return code


def _settle_code(
    creator: LookSet,
    before: np.ndarray,
    backend: Backend,
    paint: Callable[[np.ndarray], list["_Painted"]],
) -> np.ndarray:
    """The code of a set, moved by what is heard of its own results: half of what they lack.

    What is read is shrunk towards the average look, as every estimate is, and so would be what is
    painted. paint: photos in the look of a code. before: (N, 3) unit content colours.
    """
    wanted = _code(backend, creator.moments.mean(0), creator.colours, before, creator.count)
    results = [np.clip(one.toned + one.residue, 0, 1) for one in paint(wanted)]
    heard = _look_set([(255 * result + 0.5).astype(np.uint8) for result in results], backend)
    read = _code(backend, heard.moments.mean(0), heard.colours, before, creator.count)
    settled: np.ndarray = wanted + HEARING_SHARE * (wanted - read)
    return settled


@dataclass(frozen=True, slots=True)
class _Painted:
    """A photo and what the network makes of it, all (H, W, 3) unit."""

    photo: np.ndarray
    toned: np.ndarray
    residue: np.ndarray


def _paint_photos(painter: Painter, photos: Sequence[np.ndarray]) -> list[_Painted]:
    units = [to_unit(photo) for photo in photos]
    return [_Painted(unit, *run_painter(painter, unit)) for unit in units]


@dataclass(frozen=True, slots=True)
class _Colours:
    """Content colours and what the network makes of each, all (N, 3).

    photo: unit. toned: the per-pixel part. residue: what is added to it.
    """

    photo: np.ndarray
    toned: np.ndarray
    residue: np.ndarray


def _calibrate(colours: _Colours, creator: LookSet) -> np.ndarray:
    """A (K, K, K, 3) table for the per-pixel part that moves the results' colours to the creator's.

    Shrunk toward doing nothing where there is little to trust. The less a look draws, the more of
    what it does to colours is the closed form's: with many pictures that is nearer the truth.
    """
    results = np.clip(colours.toned + colours.residue, 0, 1)
    moved_by = _colour_transfer(results, creator.colours)
    moved = float(np.sqrt(np.mean((apply_table(results, moved_by) - results) ** 2)))
    trust = 1 / (1 + (TRUSTED_PICTURES / creator.count) ** 2) / (1 + (moved / TRUSTED_SHIFT) ** 2)
    nodes = lattice(CALIBRATION_POINTS)
    shrunk = nodes + trust * (apply_table(nodes, moved_by) - nodes)
    calibration: np.ndarray = shrunk.reshape(*(CALIBRATION_POINTS,) * 3, 3)
    log.info("calibration moves colours by %.3f and is trusted to %.0f %%", moved, 100 * trust)
    closed_form = apply_table(colours.photo, _colour_transfer(colours.photo, creator.colours))
    energy = float(np.sqrt(np.mean(colours.residue**2)))
    share = trust / (1 + (energy / DRAWN_RESIDUE) ** 2)
    found = apply_table(colours.toned, calibration)
    wanted = found + share * (closed_form - colours.residue - found)
    for _ in range(TWICINGS):
        missing = wanted - apply_table(colours.toned, calibration)
        calibration += _smooth_table(colours.toned, missing)
    return calibration.astype(np.float32)


def _colour_transfer(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A table that carries unit colours (N, 3) to the distribution of others.

    The linear map, or a table of the whole distribution where that is closer on pixels kept aside.
    """
    rng = numpy_generator(0, 0, "calibration")
    source, target = rng.permutation(source), rng.permutation(target)

    def missed(fit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        table = fit(source[::2], target[::2])
        return colour_distance(apply_table(source[1::2], table), target[1::2])

    closest: np.ndarray = min(_linear_table, _whole_table, key=missed)(source, target)
    return closest


def _linear_table(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    matrix, offset = linear_map(source, target)
    table: np.ndarray = (lattice(2) @ matrix + offset).reshape(2, 2, 2, 3)
    return table


def _whole_table(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return transfer_table(source, target, size=CALIBRATION_POINTS)


def _smooth_table(colours: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K, K, K, 3): the mean of `values` (N, 3) around each point; nothing far from all colours.

    Kernel regression of Nadaraya and Watson, with a Gaussian of one point's width.
    """
    from scipy.ndimage import gaussian_filter

    points = CALIBRATION_POINTS
    sums = np.zeros((points**3, 4))
    weighted = np.column_stack([values, np.ones(len(values))])
    for index, share in table_corners(colours, points):
        np.add.at(sums, index, share[:, None] * weighted)
    blurred = [gaussian_filter(channel.reshape((points,) * 3), 1) for channel in sums.T]
    means: np.ndarray = np.stack(blurred[:3], -1) / (blurred[3][..., None] + FEW_COLOURS)
    return means


def _residue_of(colours: np.ndarray, painted: Sequence[_Painted]) -> np.ndarray:
    """What the residue adds to unit colours (N, 3): as to the most similar pixel of painted photos.

    A few photos stand for all the content in what a residue does to a colour. They can't in how
    often a colour is seen: what tells 24 people from 200 others would be taken for the look.
    """
    from scipy.spatial import KDTree

    rng = numpy_generator(0, 0, "painted colours")
    share = -(-2 * SET_COLOURS // len(painted))
    pixels, residues = [], []
    for one in painted:
        chosen = rng.integers(0, one.photo.shape[0] * one.photo.shape[1], share)
        pixels.append(one.photo.reshape(-1, 3)[chosen])
        residues.append(one.residue.reshape(-1, 3)[chosen])
    _, nearest = KDTree(np.concatenate(pixels)).query(colours, workers=-1)
    found: np.ndarray = np.concatenate(residues)[nearest]
    return found


def choose_rendering(painter_at: Callable[[int], Painter]) -> tuple[Mode, int]:
    """Mode and working size (short side, px) of a look, as photos kept for it ask.

    painter_at: the look's painter for pictures of a short side in px.
    `colour` where there is hardly a residue; `photographic` where it follows the picture, at the
    smallest size that shows it; else `drawn`, at the largest size at which the network still
    draws the same picture.
    """
    photos = [read_rgb(path, LEARNT_SIZE) for path in judging_photos()]
    pictures, residues = zip(*_painted_at(painter_at, photos, LEARNT_SIZE), strict=True)
    energy = float(np.sqrt(np.mean([np.mean(residue**2) for residue in residues])))
    if energy < QUIET_RESIDUE:
        return "colour", PHOTOGRAPHIC_SIZES[-1]
    for size in PHOTOGRAPHIC_SIZES:
        rebuilt = [
            enlarge_residue(
                fit_residue(bring_down(photo, picture.shape[:2]), residue, exact=False), photo
            )
            for photo, (picture, residue) in zip(
                photos, _painted_at(painter_at, photos, size), strict=True
            )
        ]
        found = _psnr(rebuilt, residues)
        log.info("residue of %.3f, rebuilt from %d px at %.1f dB", energy, size, found)
        if found >= PHOTOGRAPHIC_PSNR:
            return "photographic", size
    best = LEARNT_SIZE
    for size in DRAWN_SIZES[1:]:
        larger = [read_rgb(path, size) for path in judging_photos()]
        drawn = [
            bring_down(picture, wanted.shape[:2])
            for (picture, _), wanted in zip(
                _painted_at(painter_at, larger, size), pictures, strict=True
            )
        ]
        found = _psnr(drawn, pictures)
        log.info("painted at %d px, the same picture to %.1f dB", size, found)
        if found >= SAME_DRAWING_PSNR:
            best = size
    return "drawn", best


def judging_photos() -> list[Path]:
    """The shipped photos that choose how a look is rendered, 768 px and more."""
    return sorted((starter_dir() / "judging").glob("*.jpg"))


def _painted_at(
    painter_at: Callable[[int], Painter], photos: Sequence[np.ndarray], short_side: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Result and residue of each photo painted at `short_side`, unit."""
    painter = painter_at(short_side)
    painted = []
    for photo in photos:
        height, width = photo.shape[:2]
        size = size_for_short_side(height, width, short_side)
        toned, residue = run_painter(painter, bring_down(photo, size))
        residue = whole_residue(toned, residue)
        painted.append((np.clip(np.clip(toned, 0, 1) + residue, 0, 1), residue))
    return painted


def _psnr(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    error = np.mean([np.mean((f - w) ** 2) for f, w in zip(found, wanted, strict=True)])
    return float(-10 * np.log10(max(1e-10, error)))


def with_mode_of_residue(style: Style, base: Base) -> Style:
    """`style` with the mode and size that its residue asks for by now: refined looks may draw."""
    tensors, backend = merge_deltas(base.generator_tensors, style.deltas), open_backend(base)

    def painter_at(short_side: int) -> Painter:
        parts = (style.matrix, style.offset, style.code)
        return backend.painter(fold_style(tensors, base.generator, *parts, short_side))

    mode, size = choose_rendering(painter_at)
    return dataclasses.replace(
        style, info=dataclasses.replace(style.info, mode=mode, working_size=size)
    )


def _variety(
    base: Base, backend: Backend, creator: LookSet, before: np.ndarray, rank: int
) -> np.ndarray:
    """Root of the spread of the creator's single pictures, less the encoder's own noise.

    Returns (rank, code_dim). A creator of few pictures gets a share of the base's prior.
    """
    if creator.count < FEWEST_FOR_VARIETY:
        return VARIETY_SHRINK * base.prior_spread[:rank]
    codes = _single_codes(backend, creator, before)
    noise = base.prior_spread.T @ base.prior_spread
    spread = np.cov(codes.T) - noise
    values, vectors = np.linalg.eigh(spread)
    kept = np.argsort(values)[::-1][:rank]
    root = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
    return np.asarray(VARIETY_SHRINK * root.T, np.float32)


def _single_codes(backend: Backend, pictures: LookSet, before: np.ndarray) -> np.ndarray:
    """The code of each picture by itself, (N, code_dim), for MOST_FOR_VARIETY at most."""
    return np.stack(
        [
            _code(backend, pictures.moments[i], pictures.colours_of(i), before, pictures.count)
            for i in range(min(pictures.count, MOST_FOR_VARIETY))
        ]
    )
