"""An instant style as one line of text that can be pasted into a message.

    influ1:  base64( checksum | base | what it is | numbers )

The numbers are the code, the colour map, the variety and the calibration, each rounded to a step.
Film grain, halation and strokes are left out. How coarse the steps may be is measured: the first of
`RUNGS` whose results stay within `FAITHFUL_DB` of the style's own. The calibration is fitted last,
on few points, to what the style does with the base's content colours, so that it takes back what
rounding did to the colours.
"""

import base64
import binascii
import dataclasses
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.colour import apply_lut, lut_grid, lut_weights
from stylegan_cli.errors import ConfigError, StyleFileError, UsageError
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import Pixels, read_rgb, to_unit
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing import entropy_coding as integer_coding
from stylegan_cli.styles import MAX_CODE_FACTORS, Base, Mode, Style, StyleInfo
from stylegan_cli.styles.mixing import find_style_or_mix
from stylegan_cli.stylizer import Stylizer

PREFIX, VERSION = "influ", 1
FAITHFUL_DB = 41.0  # over the measured photos; about 40 on others
MEASURED_PHOTOS, MEASURED_SIZE = 16, 128  # px, short side
MAX_TEXT = 1 << 14
MAX_LICENCE = 1000  # bytes

MAP_STEP, COARSE_STEP, FINE_STEP = 1 / 64, 1 / 48, 1 / 40
COARSE_POINTS, COARSE_PULL, FINE_PULL = 3, 0.002, 0.3
FITTED_COLOURS = 8192
EVEN_POINTS = 9  # per channel, of the colours that stand for all that no photo shows

_HEAD = struct.Struct(">I4sBBHHBH")  # checksum, base, rung, mode, size, pictures, rows, licence
_HASH = 8  # hex digits of the base's
_MODES: tuple[Mode, ...] = ("colour", "photographic", "drawn")


@dataclass(frozen=True, slots=True)
class Rung:
    """One precision: the step of the code, and the points per channel of the calibration."""

    code_step: float
    points: int


RUNGS = tuple(
    Rung(*rung)
    for rung in (
        (0.4, 3),
        (0.3, 3),
        (0.2, 3),
        (0.2, 5),
        (0.14, 5),
        (0.14, 7),
        (0.1, 7),
        (0.1, 9),
        (0.07, 9),
        (0.04, 9),
    )
)


@dataclass(frozen=True, slots=True)
class Line:
    """A style's text, and how near its results are to the style's own, in dB."""

    text: str
    psnr_db: float


def code_of(name: str, model: Path | None = None) -> tuple[Style, Line]:
    """The style or mix of that name, and its line. Raises what finding and writing it raise."""
    base, style = find_style_or_mix(name, model)
    return style, write_line(style, base, open_backend(base))


def write_line(style: Style, base: Base, backend: Backend) -> Line:
    """The shortest line that keeps the style.

    Raises UsageError for a refined style, and for one that no line is precise enough for.
    """
    if style.deltas:
        raise UsageError(
            f"'{style.name}' is refined: its changes of the network do not fit into a line; "
            f"use `influ styles pack {style.name}`"
        )
    if len(style.info.licence.encode()) > MAX_LICENCE:
        raise UsageError(
            f"the licence note of '{style.name}' is too long for a line; "
            f"use `influ styles pack {style.name}`"
        )
    photos = [read_rgb(path, MEASURED_SIZE) for path in measured_photos()]
    wanted = _stylized(base, style, backend, photos)
    for rung in range(len(RUNGS)):
        data = _packed(style, base, rung)
        rounded = _unpacked(data, style.name, base)
        error = np.mean((_stylized(base, rounded, backend, photos) - wanted) ** 2)
        psnr_db = -10 * np.log10(max(float(error), 1e-10))
        if psnr_db >= FAITHFUL_DB:
            return Line(_text_of(data), psnr_db)
    raise UsageError(
        f"'{style.name}' is too intricate for a line; use `influ styles pack {style.name}`"
    )


def read_line(text: str, name: str, base: Base) -> Style:
    """The style that `text` describes, called `name`; white space in it does not count.

    Raises StyleFileError for text that is none, has a typo or belongs to another base.
    """
    bare = "".join(text.split()).strip("'\"`")
    kind, _, body = bare.partition(":")
    version = kind.removeprefix(PREFIX)
    if not kind.startswith(PREFIX) or not version.isdecimal() or len(bare) > MAX_TEXT:
        raise StyleFileError(
            f"this is no style's code: one begins with {PREFIX}{VERSION}: and is written by "
            "`influ styles code NAME`"
        )
    if version != str(VERSION):
        raise StyleFileError(
            f"the code has version {version}, and this influ reads {VERSION}; update stylegan-cli"
        )
    try:
        data = base64.b64decode(body + "=" * (-len(body) % 4), validate=True)
        (checksum,) = struct.unpack_from(">I", data)
    except (binascii.Error, ValueError, struct.error) as error:
        raise _mistyped() from error
    if checksum != zlib.crc32(data[4:]) or len(data) < _HEAD.size:
        raise _mistyped()
    return _unpacked(data, name, base)


def _text_of(data: bytes) -> str:
    return f"{PREFIX}{VERSION}:{base64.b64encode(data).decode().rstrip('=')}"


def measured_photos() -> list[Path]:
    """The starter photos that decide how coarse a line may be."""
    photos = starter_photos()
    return photos[:: max(1, len(photos) // MEASURED_PHOTOS)][:MEASURED_PHOTOS]


def _mistyped() -> StyleFileError:
    return StyleFileError(
        "the code has a typo or is not whole: its checksum is wrong; copy all of it again"
    )


def _packed(style: Style, base: Base, rung: int) -> bytes:
    """The style in bytes, rounded to a rung of the ladder."""
    steps = RUNGS[rung]
    blocks = [
        _rounded(style.code, steps.code_step),
        _rounded(_map_numbers(style.matrix, style.offset), MAP_STEP),
        _rounded(style.code_factors, steps.code_step / 2),
    ]
    matrix, offset = _map_of(_restored(blocks[1], MAP_STEP))
    code = _restored(blocks[0], steps.code_step)
    rounded = dataclasses.replace(style, matrix=matrix, offset=offset, code=code)
    moves = _fitted_moves(style, rounded, base, steps.points)
    blocks += [moves.coarse, moves.fine]
    info = style.info
    licence = info.licence.encode()
    fields = (rung, _MODES.index(info.mode), info.working_size, min(info.pictures, 0xFFFF))
    head = _HEAD.pack(
        0, bytes.fromhex(base.hash[:_HASH]), *fields, len(style.code_factors), len(licence)
    )
    body = head[4:] + licence + integer_coding.encode(blocks)
    return zlib.crc32(body).to_bytes(4, "big") + body


def _unpacked(data: bytes, name: str, base: Base) -> Style:
    """The style in bytes whose checksum is right. Raises StyleFileError, as `read_line` does."""
    _, made_on, rung, mode, size, pictures, rows, licence_size = _HEAD.unpack_from(data)
    if made_on.hex() != base.hash[:_HASH]:
        raise StyleFileError(
            f"the code was made on the base {made_on.hex()}, not on {base.hash[:_HASH]}; "
            "name the model it belongs to with --model, or ask for a code made with this version"
        )
    body = data[_HEAD.size :]
    dim = base.generator.code_dim
    try:
        steps = RUNGS[rung]
        info = StyleInfo(
            name=name,
            display_name=name,
            pictures=pictures,
            licence=body[:licence_size].decode(),
            working_size=size,
            mode=_MODES[mode],
        )
    except (IndexError, ConfigError, UnicodeDecodeError) as error:
        raise _mistyped() from error
    if rows > MAX_CODE_FACTORS:
        raise _mistyped()
    lengths = [dim, 12, rows * dim, 3 * COARSE_POINTS**3, 3 * steps.points**3]
    code, colour_map, code_factors, coarse, fine = integer_coding.decode(
        body[licence_size:], lengths
    )
    matrix, offset = _map_of(_restored(colour_map, MAP_STEP))
    return Style(
        info=info,
        base_hash=base.hash,
        matrix=matrix,
        offset=offset,
        code=_restored(code, steps.code_step),
        code_factors=_restored(code_factors, steps.code_step / 2).reshape(rows, dim),
        calibration=_Moves(coarse, fine).lut(steps.points),
    )


def _map_numbers(matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Twelve numbers that are mostly near 0: a transport map is symmetric and near doing nothing.

    Six of the matrix's symmetric part, three of the rest, three of the offset.
    """
    symmetric, rest = (matrix + matrix.T) / 2 - np.eye(3), (matrix - matrix.T) / 2
    return np.concatenate([symmetric[np.triu_indices(3)], rest[np.triu_indices(3, 1)], offset])


def _map_of(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and offset from what `_map_numbers` gives."""
    symmetric, rest = np.zeros((3, 3), np.float32), np.zeros((3, 3), np.float32)
    symmetric[np.triu_indices(3)] = numbers[:6]
    rest[np.triu_indices(3, 1)] = numbers[6:9]
    above = symmetric - np.diag(np.diag(symmetric))
    matrix = np.eye(3, dtype=np.float32) + symmetric + above.T + rest - rest.T
    return matrix, numbers[9:].copy()


@dataclass(frozen=True, slots=True)
class _Moves:
    """A calibration as how far colours move: on few points, and what more points add to that."""

    coarse: list[int]
    fine: list[int]

    def lut(self, points: int) -> np.ndarray:
        """(points, points, points, 3) unit."""
        nodes = lut_grid(points)
        moved = nodes + _apply_moves(nodes, self.coarse, COARSE_STEP)
        lut: np.ndarray = moved + _restored(self.fine, FINE_STEP).reshape(-1, 3)
        return lut.reshape(points, points, points, 3)


def _fitted_moves(style: Style, rounded: Style, base: Base, points: int) -> _Moves:
    """The moves after which `rounded` gives `style`'s colours, by least squares.

    On few points over the base's content colours and evenly spread ones, then on many over the
    content colours alone, drawn to adding nothing: a point that no photo needs costs no letters.
    """
    drawn = numpy_generator(0, 0, "colours of a line").permutation(base.content_colours)
    colours = np.concatenate([to_unit(drawn[:FITTED_COLOURS]), lut_grid(EVEN_POINTS)])
    base_colour, wanted = (_base_colour(candidate, base, colours) for candidate in (rounded, style))
    if style.calibration is not None:
        wanted = apply_lut(wanted, style.calibration)
    gaps = wanted - base_colour
    coarse = _rounded(_least_squares(base_colour, gaps, COARSE_POINTS, COARSE_PULL), COARSE_STEP)
    gaps -= _apply_moves(base_colour, coarse, COARSE_STEP)
    photos = slice(0, min(FITTED_COLOURS, len(drawn)))
    fine = _least_squares(base_colour[photos], gaps[photos], points, FINE_PULL)
    return _Moves(coarse, _rounded(fine, FINE_STEP))


def _apply_moves(colours: np.ndarray, coarse: Sequence[int], step: float) -> np.ndarray:
    lut = _restored(coarse, step).reshape(COARSE_POINTS, COARSE_POINTS, COARSE_POINTS, 3)
    return apply_lut(colours, lut)


def _least_squares(colours: np.ndarray, gaps: np.ndarray, points: int, pull: float) -> np.ndarray:
    """The (points³, 3) table whose trilinear look-up at `colours` is nearest to `gaps`.

    pull: how strongly each point is drawn to 0, in shares of the colours that fall to a point.
    """
    weights = lut_weights(colours, points)
    normal = weights.T @ weights
    normal[np.diag_indices(points**3)] += pull * len(colours) / points**3
    moves: np.ndarray = np.linalg.solve(normal, weights.T @ gaps)
    return moves


def _base_colour(style: Style, base: Base, colours: np.ndarray) -> np.ndarray:
    folded = fold_style(
        base.generator_tensors,
        base.generator,
        style.matrix,
        style.offset,
        style.code,
        MEASURED_SIZE,
    )
    base_colour: np.ndarray = np.clip(apply_colour(folded, colours), 0, 1)
    return base_colour


def _stylized(base: Base, style: Style, backend: Backend, photos: Sequence[Pixels]) -> np.ndarray:
    """Every value of the stylized photos, unit, in one row."""
    stylizer = Stylizer(base, style, backend, grain=0.0, halation=0.0, strokes=0.0)
    return np.concatenate([to_unit(stylizer.stylize(photo)).ravel() for photo in photos])


def _rounded(values: np.ndarray, step: float) -> list[int]:
    most = integer_coding.LARGEST
    numbers: list[int] = np.clip(np.round(values.ravel() / step), -most, most).astype(int).tolist()
    return numbers


def _restored(numbers: Sequence[int], step: float) -> np.ndarray:
    return np.asarray(numbers, np.float32) * np.float32(step)
