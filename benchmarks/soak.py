"""Memory, handles and time over many pictures, clips and styles, to a results file.

    python benchmarks/soak.py [--photos 10000] [--clips 200] [--styles 2000] [--out FILE]

Each part runs in this process through the functions that the commands call. Memory and open handles
are read after a tenth of the work and at its end: what grows with the work is a leak.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
from PIL import Image

from stylegan_cli.pictures import read_picture, write_picture
from stylegan_cli.styles import find_style, list_styles, user_style_path, write_style
from stylegan_cli.stylizer import open_stylizer
from stylegan_cli.video import VideoConfig, stylize_clip

RESULTS = Path(__file__).with_name("results") / "soak.jsonl"


def memory_mb() -> float:
    """What this process has in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def handles() -> int:
    """Files that this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def measured(name: str, steps: Iterator[object], count: int) -> dict[str, object]:
    """Do `count` steps; memory and handles after a tenth and at the end."""
    began_s, used_s = time.monotonic(), time.process_time()
    list(islice(steps, max(1, count // 10)))
    early = memory_mb(), handles()
    list(steps)
    return {
        "part": name,
        "count": count,
        "memory_mb_after_a_tenth": round(early[0], 1),
        "memory_mb_at_the_end": round(memory_mb(), 1),
        "handles_after_a_tenth": early[1],
        "handles_at_the_end": handles(),
        "seconds": round(time.monotonic() - began_s, 1),
        "cpu_ms_each": round(1000 * (time.process_time() - used_s) / count, 2),
    }


def photos(folder: Path, count: int) -> Iterator[None]:
    """Read, stylize and write small photos."""
    stylizer = open_stylizer("noir", precision="f32", threads=1)
    rng = np.random.default_rng(0)
    source = folder / "a.jpg"
    Image.fromarray(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(source)
    for _ in range(count):
        write_picture(
            stylizer.stylize_picture(read_picture(source)), folder / "b.jpg", overwrite=True
        )
        yield


def clips(folder: Path, count: int) -> Iterator[None]:
    """Stylize clips of a second."""
    source = folder / "a.mp4"
    with av.open(source, "w") as clip:
        pictures = clip.add_stream("libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 96, 64, "yuv420p"
        for number in range(10):
            pixels = np.full((64, 96, 3), 20 * number, np.uint8)
            clip.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels)))
        clip.mux(pictures.encode(None))
    stylizer = open_stylizer("noir", precision="f32", threads=1)
    for _ in range(count):
        stylize_clip(source, folder / "b.mp4", stylizer, VideoConfig(overwrite=True))
        yield


def styles(folder: Path, count: int) -> Iterator[None]:
    """List ten times as many styles as there are steps in a tenth of the work."""
    os.environ["INFLU_STYLES"] = str(folder / "styles")
    _, style = find_style("noir")
    for number in range(count):
        named = replace(style, info=replace(style.info, name=f"s{number}"))
        write_style(named, user_style_path(named.name))
        yield
    began_s = time.process_time()
    found = len(list_styles())
    sys.stdout.write(f"{found} styles listed in {time.process_time() - began_s:.2f} s of CPU\n")


PARTS: dict[str, Callable[[Path, int], Iterator[None]]] = {
    "photos": photos,
    "clips": clips,
    "styles": styles,
}


def main() -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, count in (("photos", 10_000), ("clips", 200), ("styles", 2000)):
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--out", type=Path, default=RESULTS)
    told = parser.parse_args()
    for name, part in PARTS.items():
        count = getattr(told, name)
        if not count:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = measured(name, part(Path(folder), count), count)
        line = json.dumps(result)
        sys.stdout.write(f"{line}\n")
        with told.out.open("a") as file:
            file.write(f"{line}\n")


if __name__ == "__main__":
    main()
