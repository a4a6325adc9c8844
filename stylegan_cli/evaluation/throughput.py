"""How fast this machine stylises photos: what `influ bench` measures, and on which pictures."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from stylegan_cli.backends import installed_backends
from stylegan_cli.pictures import Picture, read_rgb, write_picture
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.runtime.timing import Timing, time_runs
from stylegan_cli.styles import Mode, find_style, list_styles
from stylegan_cli.stylizer import Stylizer, StylizerConfig, open_configured_stylizer

Size = tuple[int, int]

SIZES: tuple[Size, ...] = ((512, 512), (1024, 1024), (1080, 1920))  # (height, width)
COLD_SIZE: Size = (1024, 1024)
COLD_STARTS = 3
LIMIT_S = 40.0  # no size is begun later than this, so that all ends within a minute
# Standard deviation, of 255; without grain a photo would be easier to decode than real ones.
GRAIN = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """How long a style takes for pixels of one size in memory, warm.

    backend: None where the style is colour alone, so that no network runs.
    """

    style: str
    mode: Mode
    backend: str | None
    size: Size
    timing: Timing

    @property
    def megapixels_per_second(self) -> float:
        """Of the median run."""
        return self.size[0] * self.size[1] / 1e6 / self.timing.median_s


def picture_of(size: Size) -> np.ndarray:
    """A starter photo, cut and enlarged to `size`, with the grain of a sensor; uint8 (H, W, 3)."""
    height, width = size
    small = read_rgb(starter_photos()[0])
    scale = min(side / wanted for side, wanted in zip(small.shape, size, strict=False))
    rows, columns = (max(1, round(wanted * scale)) for wanted in size)
    top, left = (small.shape[0] - rows) // 2, (small.shape[1] - columns) // 2
    cut = small[top : top + rows, left : left + columns]
    smooth = cv2.resize(cut, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = numpy_generator(0, 0, "grain").standard_normal((height, width, 1), np.float32)
    grainy = smooth + GRAIN * grain
    return np.clip(grainy, 0, 255, out=grainy).astype(np.uint8)


def open_stylizers(config: StylizerConfig) -> list[Stylizer]:
    """Every style to measure, on every backend to measure it on.

    style: this one alone; None is the default creator and, where there is one, a drawn one.
    backend: `auto` is all that are installed and need no torch. A style that is colour alone runs
    no network, so it is opened once. Raises what `open_configured_stylizer` raises.
    """
    backends = installed_backends() if config.backend == "auto" else [config.backend]
    found: list[Stylizer] = []
    for style in [config.style] if config.style else _styles_of(config.model):
        for name in backends:
            found.append(open_configured_stylizer(replace(config, style=style, backend=name)))
            if found[-1].style.info.mode == "colour":
                break
    return found


def measure_throughput(
    stylizers: Sequence[Stylizer],
    *,
    limit_s: float = LIMIT_S,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Throughput]:
    """The throughput of each stylizer at each of SIZES, small ones first.

    Fewer where the machine is so slow that `limit_s` pass before.
    """
    started = time.perf_counter()
    throughputs: list[Throughput] = []
    for size in SIZES:
        pixels = picture_of(size)
        for stylizer in stylizers:
            if time.perf_counter() - started > limit_s:
                return throughputs
            throughputs.append(_measure_throughput(stylizer, pixels))
            on_progress(len(throughputs), len(SIZES) * len(stylizers))
    return throughputs


def measure_cold_start(config: StylizerConfig) -> Timing:
    """Of `influ stylize` for one photo of COLD_SIZE, JPEG to JPEG: a whole process each time."""
    with TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        write_picture(Picture(picture_of(COLD_SIZE), source_format="JPEG"), photo)
        command = [sys.executable, "-m", "stylegan_cli", "stylize", str(photo)]
        command += ["-o", str(photo.with_name("styled.jpg")), "--overwrite", "-q"]
        command += ["--backend", config.backend, "--device", config.device]
        command += ["--style", config.style] if config.style else []
        command += ["--model", str(config.model)] if config.model else []

        def start() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        return time_runs(start, least=COLD_STARTS, most=COLD_STARTS)


def _measure_throughput(stylizer: Stylizer, pixels: np.ndarray) -> Throughput:
    mode = stylizer.style.info.mode
    height, width = pixels.shape[:2]
    return Throughput(
        style=stylizer.name,
        mode=mode,
        backend=None if mode == "colour" else stylizer.backend.name,
        size=(height, width),
        timing=time_runs(lambda: stylizer.stylize(pixels)),
    )


def _styles_of(model: Path | None) -> list[str]:
    """The default creator, and another who draws, where there is one."""
    _, default = find_style(None, model)
    drawn = [
        found.name
        for found in list_styles(model)
        if found.fits and found.info.mode == "drawn" and found.name != default.name
    ]
    return [default.name, *drawn[:1]]
