"""`influ bench`: how fast this machine stylizes photos."""

import sys
from typing import Annotated

from stylegan_cli.commands.common import Json, console, emit, emit_table, progress
from stylegan_cli.commands.options import Without
from stylegan_cli.evaluation import throughput
from stylegan_cli.stylizer import StylizerConfig


def bench(
    style_config: Annotated[
        StylizerConfig,
        Without(
            *("references", "strength", "grain", "halation", "strokes", "seed", "preserve_colour"),
            *("even", "detail", "precision"),
        ),
    ],
    config: throughput.ThroughputConfig,
    as_json: Json = False,
) -> None:
    """Measure how fast this machine stylizes photos, in less than a minute.

    Measures pixels to pixels at three sizes after a warm-up, and JPEG to JPEG in a new process.
    Without --style, it measures the default style and a drawn one. Without --backend, it measures
    every installed backend except torch.
    """
    with progress("measuring") as on_progress:
        stylizers = throughput.open_stylizers(style_config)
        cold = throughput.measure_cold_start(style_config, config)
        throughputs = throughput.measure_throughput(stylizers, config, on_progress=on_progress)
    if left_out := len(config.sizes) * len(stylizers) - len(throughputs):
        console.print(f"{left_out} left out, because this machine takes too long for them.")
    height, width = config.cold_size
    if as_json:
        start = {
            "style": stylizers[0].name,
            "width": width,
            "height": height,
            "seconds": round(cold.median_s, 3),
            "min_seconds": round(cold.min_s, 3),
        }
        rows = [_record(one) for one in throughputs]
        emit({"threads": stylizers[0].threads, "cold_start": start, "stylizing": rows}, as_json)
        return
    emit_table(
        ("style", "kind", "backend", "size", "ms", "at best", "megapixels a second"),
        [
            (
                one.style,
                one.mode,
                one.backend or "none needed",
                f"{one.size[1]}x{one.size[0]}",
                f"{1000 * one.timing.median_s:.1f}",
                f"{1000 * one.timing.min_s:.1f}",
                f"{one.megapixels_per_second:.1f}",
            )
            for one in throughputs
        ],
    )
    sys.stdout.write(
        f"\ninflu stylize, one photo of {width}x{height}, from start to end: {cold.median_s:.2f} s"
        f" ({stylizers[0].name}, threads: {stylizers[0].threads})\n"
    )


def _record(one: throughput.Throughput) -> dict[str, object]:
    return {
        "style": one.style,
        "mode": one.mode,
        "backend": one.backend,
        "width": one.size[1],
        "height": one.size[0],
        "ms": round(1000 * one.timing.median_s, 2),
        "min_ms": round(1000 * one.timing.min_s, 2),
        "runs": len(one.timing.seconds),
        "megapixels_per_second": round(one.megapixels_per_second, 2),
    }
