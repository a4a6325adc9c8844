"""How fast this machine stylizes photos: what `influ bench` measures, and on which pictures."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import cv2
import numpy as np

from stylegan_cli.backends import installed_backends
from stylegan_cli.pictures import Picture, read_rgb, write_picture
from stylegan_cli.runtime.config import config_class, file_option
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.runtime.timing import Timing, time_runs
from stylegan_cli.styles import Mode, find_style, list_styles
from stylegan_cli.stylizer import Stylizer, StylizerConfig, open_configured_stylizer

Size = tuple[int, int]

# Standard deviation, of 255; without grain a photo would be easier to decode than real ones.
GRAIN = 4.0


@config_class
class ThroughputConfig:
    """What `influ bench` measures; sizes are (height, width)."""

    sizes: Annotated[tuple[Size, ...], file_option("Of the pictures, small ones first.")] = (
        (512, 512),
        (1024, 1024),
        (1080, 1920),
    )
    min_runs: Annotated[int, file_option("Of each stylizer at each size.", at_least=1)] = 3
    max_runs: Annotated[int, file_option("Where there is time.", at_least=1)] = 20
    limit_s: Annotated[
        float, file_option("No size is begun later, so that all ends within a minute.")
    ] = 40.0
    cold_size: Annotated[Size, file_option("Of the photo for a process that starts.")] = (
        1024,
        1024,
    )
    cold_starts: Annotated[int, file_option("How many processes start.", at_least=1)] = 3


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
    config: ThroughputConfig,
    *,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Throughput]:
    """The throughput of each stylizer at each size, small ones first.

    Fewer where the machine is so slow that `config.limit_s` pass before.
    """
    started = time.perf_counter()
    throughputs: list[Throughput] = []
    for size in config.sizes:
        pixels = picture_of(size)
        for stylizer in stylizers:
            if time.perf_counter() - started > config.limit_s:
                return throughputs
            throughputs.append(_measure_throughput(stylizer, pixels, config))
            on_progress(len(throughputs), len(config.sizes) * len(stylizers))
    return throughputs


def measure_cold_start(style_config: StylizerConfig, config: ThroughputConfig) -> Timing:
    """Of `influ stylize` for one photo, JPEG to JPEG: a whole process each time."""
    with TemporaryDirectory() as folder:
        photo = Path(folder) / "photo.jpg"
        write_picture(Picture(picture_of(config.cold_size), source_format="JPEG"), photo)
        command = [sys.executable, "-m", "stylegan_cli", "stylize", str(photo)]
        command += ["-o", str(photo.with_name("styled.jpg")), "--overwrite", "-q"]
        command += ["--backend", style_config.backend, "--device", style_config.device]
        command += ["--style", style_config.style] if style_config.style else []
        command += ["--model", str(style_config.model)] if style_config.model else []

        def start() -> None:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

        return time_runs(start, min_runs=config.cold_starts, max_runs=config.cold_starts)


def _measure_throughput(
    stylizer: Stylizer, pixels: np.ndarray, config: ThroughputConfig
) -> Throughput:
    mode = stylizer.style.info.mode
    height, width = pixels.shape[:2]
    return Throughput(
        style=stylizer.name,
        mode=mode,
        backend=None if mode == "colour" else stylizer.backend.name,
        size=(height, width),
        timing=time_runs(
            lambda: stylizer.stylize(pixels), min_runs=config.min_runs, max_runs=config.max_runs
        ),
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
