"""Painters at full size: crops at 100 % of 1024 px results, rendered as the product does.

    python full_size.py measure --photos DIR --creators DIR --styles NAME FILE ...
    python full_size.py show
    python full_size.py sheets --photos DIR --creators DIR --styles NAME FILE ... --out DIR

A style is a shipped one's name or a style file; DIR/NAME/*.jpg of --creators are the pictures of
the creator of that name, of which the last 30 % in hash order are held out. The photos are the test
photos of splits.py, brought down to a short side of 1024 px; those that are so large give crops.

Kernel distances (KID, on two frozen networks) and the sliced Wasserstein distance of patches are
between 256 px crops of results and of the creator's pictures at a short side of 1024 px. `way` is
the share of the way from the untouched photos to the creator's own other pictures. `peak` is the
power of the spectrum at the strides of the network over the median nearby, the largest of nine; the
bar is 3. `dots` is the strength of isolated dots on cheeks, `creator_dots` that of the creator's
own faces.
"""

import argparse
from pathlib import Path

import numpy as np
import photo_metrics
import torch
from look_recovery import ROOT, at_most, may_be_shown, run, write_sheet
from painters import NETWORKS, PATCHES
from records import append_record, file_hash, read_records
from splits import content_hash, load, painter_split, split

from stylegan_cli.colour import LUMA
from stylegan_cli.evaluation import embed, metrics
from stylegan_cli.evaluation.people import cheek_mask
from stylegan_cli.learning.losses import STRIDES, dot_strength
from stylegan_cli.networks.pixel_range import to_signed
from stylegan_cli.pictures import to_unit
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.stylizer import open_stylizer

RESULTS = ROOT / "results" / "full_size.jsonl"
MODEL = weights_dir() / "influ-base.safetensors"
SHORT_SIDE = 1024  # px, of results
CROP = 256  # px
HALVINGS = 5  # of the held-out pictures
NEARBY, PEAK = 12, 1  # bins of a spectrum, on each side of a stride's
SHOWN = ("way_lite0", "way_lite1", "patch_swd", "peak", "dots", "creator_dots", "luminance_ssim")


class Crops:
    """Pictures as squares of CROP px: the pixels, an embedding per network, whose they are."""

    def __init__(self, pictures):
        parts = [crops_of(picture) for picture in pictures]
        self.pixels = [crop for part in parts for crop in part]
        self.picture = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        self.count = len(parts)
        self.features = {network: embed(self.pixels, network) for network in NETWORKS}

    def of(self, pictures):
        """Places of the crops of these pictures."""
        return np.flatnonzero(np.isin(self.picture, pictures))


class Scale:
    """From the untouched photos (the ceiling) to the creator against themselves (the floor)."""

    def __init__(self, photos, held_out):
        self.held_out, everything = held_out, np.arange(len(photos.pixels))
        floor, self.others = [], []
        for number in range(HALVINGS):
            rng = numpy_generator(0, number, "halves of the held-out pictures")
            one, other = np.array_split(rng.permutation(held_out.count), 2)
            floor.append(self._distances(held_out, held_out.of(one), held_out.of(other)))
            self.others.append(held_out.of(other))
        self.floor = {name: float(np.mean([row[name] for row in floor])) for name in floor[0]}
        self.ceiling = self._mean(photos, everything)

    def place(self, results):
        """Distances of the results, and how far they have come."""
        ours = self._mean(results, np.arange(len(results.pixels)))
        ways = {
            f"way_{network}": photo_metrics.closed_gap(
                *(part[f"kid_{network}"] for part in (ours, self.ceiling, self.floor))
            )
            for network in NETWORKS
        }
        return ours | ways

    def _mean(self, seen, mine):
        rows = [self._distances(seen, mine, theirs) for theirs in self.others]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def _distances(self, seen, mine, theirs):
        """Of crops to held-out ones; `mine` and `theirs` are places."""
        found = {
            f"kid_{network}": metrics.kid(
                seen.features[network][mine], self.held_out.features[network][theirs]
            ).value
            for network in NETWORKS
        }
        pixels = [seen.pixels[k] for k in mine], [self.held_out.pixels[k] for k in theirs]
        return found | {"patch_swd": metrics.patch_swd(*pixels, patches=PATCHES)}


def crops_of(picture):
    """The squares of CROP px that fit into a picture, (H, W, 3), around its middle."""
    counts = [side // CROP for side in picture.shape[:2]]
    middle = picture[tuple(slice(side % CROP // 2, None) for side in picture.shape[:2])]
    corners = [(CROP * row, CROP * column) for row, column in np.ndindex(*counts)]
    return [middle[top : top + CROP, left : left + CROP] for top, left in corners]


def stride_peak(pictures, working_size):
    """Power at the network's strides over the median nearby, the largest of all directions.

    pictures: (H, W, 3), of a short side of SHORT_SIDE. working_size: px, that of the network's.
    """
    power = np.mean([_spectrum(picture) for picture in pictures], axis=0)
    peaks = []
    for stride in STRIDES:
        bin_ = round(min(working_size, SHORT_SIDE) / stride)
        for row, column in ((0, bin_), (bin_, 0), (bin_, bin_)):
            # Upright strokes fill one row of a spectrum, level ones a column; a weave is a point.
            across, down = (
                np.median(_around(power, row, column, *reach))
                for reach in ((PEAK, NEARBY), (NEARBY, PEAK))
            )
            peaks.append(_around(power, row, column, PEAK, PEAK).mean() / max(across, down))
    return float(max(peaks))


def _spectrum(picture):
    """Power of the luma of the middle square, SHORT_SIDE bins each way."""
    top, left = ((side - SHORT_SIDE) // 2 for side in picture.shape[:2])
    luma = to_unit(picture)[top:, left:][:SHORT_SIDE, :SHORT_SIDE] @ LUMA
    window = np.hanning(SHORT_SIDE)
    return np.abs(np.fft.fft2((luma - luma.mean()) * np.outer(window, window))) ** 2


def _around(power, row, column, rows, columns):
    reaches = ((row, rows), (column, columns))
    places = [np.arange(at - reach, at + reach + 1) % SHORT_SIDE for at, reach in reaches]
    return power[np.ix_(*places)]


def cheek_dots(pictures, sources):
    """Mean strength of isolated dots on the cheeks of all faces, times 1000; None without a face.

    sources: where the faces are looked for, a picture of the same size each.
    """
    strengths = []
    for picture, source in zip(pictures, sources, strict=True):
        faces = detect_faces(source)
        if faces:
            image = to_signed(torch.tensor(picture).permute(2, 0, 1)[None])
            strength = dot_strength(image)[0, 0].numpy()
            masks = [cheek_mask(face, picture.shape[:2]) for face in faces]
            strengths += [strength[mask].mean() for mask in masks if mask.any()]
    return round(1000 * float(np.mean(strengths)), 3) if strengths else None


def kept(results, photos):
    """What the results keep of the photos: structure and faces."""
    pairs = list(zip(results, photos, strict=True))
    shifts = [metrics.face_shift(*pair) for pair in pairs]
    found = sum(len(shift.shifts) for shift in shifts)
    return {
        "luminance_ssim": float(np.mean([metrics.luminance_ssim(*pair) for pair in pairs])),
        "faces_found": found,
        "faces": found + sum(shift.lost for shift in shifts),
    }


class Bench:
    """Photos and styles that were asked for."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.paths = split(arguments.photos)[2]
        self.photos = [at_most(path, SHORT_SIDE) for path in self.paths]
        self.large = [k for k, p in enumerate(self.photos) if min(p.shape[:2]) == SHORT_SIDE]

    def opened(self):
        """Each style with what identifies it in the results."""
        for style in self.arguments.styles:
            path = Path(style)
            is_file = path.suffix == ".safetensors"
            stylizer = open_stylizer(model=path) if is_file else open_stylizer(style)
            yield stylizer, file_hash(path if is_file else MODEL)

    def creator(self, name):
        """Held-out pictures of a creator at a short side of SHORT_SIDE, and all of them."""
        learned, held_out = painter_split(self.arguments.creators / name)
        at_scale = [load(path, SHORT_SIDE) for path in held_out]
        return at_scale, at_scale + [load(path, SHORT_SIDE) for path in learned]


def measure(arguments):
    """Record each style."""
    bench = Bench(arguments)
    photos, large = bench.photos, bench.large
    content, untouched = content_hash(arguments.photos), Crops([photos[k] for k in large])
    for stylizer, model in bench.opened():
        held_out, everything = bench.creator(stylizer.name)
        scale = Scale(untouched, Crops(held_out))
        results = [stylizer.stylize(photo) for photo in photos]
        shown, sources = ([side[k] for k in large] for side in (results, photos))
        info = stylizer.style.info
        size = SHORT_SIDE if info.strokes else info.working_size
        figures = scale.place(Crops(shown)) | kept(results, photos)
        figures |= {f"floor_{name}": value for name, value in scale.floor.items()}
        figures |= {f"ceiling_{name}": value for name, value in scale.ceiling.items()}
        figures |= {"peak": stride_peak(shown, size), "photo_peak": stride_peak(sources, size)}
        figures |= {"dots": cheek_dots(shown, sources), "photo_dots": cheek_dots(sources, sources)}
        figures |= {"creator_dots": cheek_dots(everything, everything)}
        record = {"style": stylizer.name, "refined": info.refined, "mode": info.mode}
        record |= {"strokes": info.strokes}
        record |= {"working_size": size, "model": model, "content": content}
        record |= {"crops": len(untouched.pixels)} | _rounded(figures)
        append_record(arguments.results, record)
        print(line(record), flush=True)


def _rounded(figures):
    return {k: round(v, 5) if isinstance(v, float) else v for k, v in figures.items()}


def sheets(arguments):
    """Crops at 100 % of results beside the photos and the creator's pictures, a sheet per style."""
    bench = Bench(arguments)
    chosen = [k for k in bench.large if may_be_shown(bench.paths[k])][: arguments.count]
    for stylizer, model in bench.opened():
        pictures, _ = bench.creator(stylizer.name)
        rows = []
        for number, k in enumerate(chosen):
            result = stylizer.stylize(bench.photos[k])
            sides = (bench.photos[k], result, pictures[number % len(pictures)])
            rows.append([_middle(side) for side in sides])
        path = arguments.out / f"{stylizer.name}-{model[:8]}.png"
        write_sheet(path, rows, ("photo", stylizer.name, "the creator's"), tile=2 * CROP)
        print(path, flush=True)


def _middle(picture):
    top, left = ((side - 2 * CROP) // 2 for side in picture.shape[:2])
    return picture[top : top + 2 * CROP, left : left + 2 * CROP]


def show(arguments):
    """Print what is in the results, the newest of each style and model."""
    records = read_records(arguments.results)
    for record in {(r["style"], r["model"]): r for r in records}.values():
        print(line(record))


def line(record):
    """One record as a line."""
    told = " ".join(f"{name} {record[name] or 0:.3f}" for name in SHOWN)
    kind = "refined" if record["refined"] else "instant"
    kind += ", strokes" if record.get("strokes") else ""
    title = f"{record['style']:12} {kind} {record['mode']} {record['working_size']} px"
    return f"{title:48} {told} faces {record['faces_found']}/{record['faces']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    axes = argparse.ArgumentParser(add_help=False)
    axes.add_argument("--photos", type=Path, required=True, metavar="DIR")
    axes.add_argument("--creators", type=Path, required=True, metavar="DIR", help="DIR/NAME/*.jpg")
    axes.add_argument("--styles", nargs="+", required=True, metavar="NAME|FILE")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", parents=[results, axes], help=measure.__doc__)
    command.set_defaults(run=measure)
    commands.add_parser("show", parents=[results], help=show.__doc__).set_defaults(run=show)
    command = commands.add_parser("sheets", parents=[axes], help=sheets.__doc__)
    command.add_argument("--count", type=int, default=6, metavar="N", help="photos at most")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=sheets)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
