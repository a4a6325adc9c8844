"""Frames to look at: clips of a camera that moves over photos, before and after `influ video`.

    python video_frames.py --styles creatorA toon --out results/frames.jpg

A clip for each photo (the examples', CC0, or --photos), for a second, 24 frames; of each, four
frames that follow each other and what each style makes of them.
"""

import argparse
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from look_recovery import write_sheet

from stylegan_cli.pictures import read_rgb

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PHOTOS = [EXAMPLES / name for name in ("synthetic-f_14.jpg", "interfaces-071.jpg", "coffee.jpg")]
FRAMES, RATE = 24, 24
SIZE = (480, 360)  # (width, height)
SHOWN = slice(12, 16)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", nargs="+", type=Path, default=PHOTOS, metavar="PHOTO")
    parser.add_argument("--styles", nargs="+", default=["creatorA", "toon"], metavar="NAME")
    parser.add_argument("--out", type=Path, required=True, metavar="JPG")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for photo in arguments.photos:
            clip = Path(folder) / f"{photo.stem}.mp4"
            write_clip(clip, read_rgb(photo))
            rows.append(frames_of(clip))
            for style in arguments.styles:
                styled = clip.with_stem(f"{photo.stem}-{style}")
                command = ["video", clip, "--out", styled, "--style", style]
                subprocess.run([sys.executable, "-m", "stylegan_cli", *command], check=True)
                rows.append(frames_of(styled))
    write_sheet(arguments.out, rows, (), tile=240)
    print(arguments.out)


def write_clip(path, photo):
    """A camera that comes nearer and goes to the right, a few pixels a frame."""
    height, width = photo.shape[:2]
    scale = min(width / SIZE[0], height / SIZE[1]) * 0.8
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(FRAMES):
            nearer = scale * (1 - 0.15 * number / FRAMES)
            left = (width - nearer * SIZE[0]) * number / FRAMES
            top = (height - nearer * SIZE[1]) / 2
            place = np.array([[nearer, 0, left], [0, nearer, top]], np.float32)
            way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            pixels = cv2.warpAffine(photo, place, SIZE, flags=way)
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def frames_of(path):
    with av.open(str(path)) as clip:
        return [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)][SHOWN]


if __name__ == "__main__":
    main()
