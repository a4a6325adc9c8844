"""`influ bench`: how fast this machine paints photos."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stylegan_cli.commands.common import (
    DEFAULT_STYLE,
    Device,
    Json,
    ModelFile,
    console,
    emit,
    emit_table,
    progress,
)

if TYPE_CHECKING:
    from stylegan_cli.evaluation.throughput import Throughput


def bench(
    style: Annotated[
        str | None,
        typer.Option(
            "--style",
            "-s",
            show_default=f"{DEFAULT_STYLE}, and one that draws",
            help="Whose look, by name, or a mix like toon:0.7,vangogh:0.3.",
        ),
    ] = None,
    model: ModelFile = None,
    backend: Annotated[
        Literal["auto", "onnx", "torch", "openvino"],
        typer.Option(help="What runs the network; auto is each that is there, but for torch."),
    ] = "auto",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure how fast this machine paints photos, in less than a minute.

    Pixels to pixels, warm, at three sizes; and one photo, JPEG to JPEG, by a process that starts
    from nothing.
    """
    from stylegan_cli.evaluation import throughput as speed

    with progress("measuring") as on_progress:
        stylizers = speed.open_stylizers(style, model=model, backend=backend, device=device)
        cold = speed.measure_cold_start(style, model=model, backend=backend, device=device)
        throughputs = speed.measure_throughput(stylizers, on_progress=on_progress)
    if left_out := len(speed.SIZES) * len(stylizers) - len(throughputs):
        console.print(f"{left_out} left out, because this machine takes too long for them.")
    height, width = speed.COLD_SIZE
    if as_json:
        start = {
            "style": stylizers[0].name,
            "width": width,
            "height": height,
            "seconds": round(cold.median_s, 3),
            "least_seconds": round(cold.least_s, 3),
        }
        rows = [_record(throughput) for throughput in throughputs]
        emit({"threads": stylizers[0].threads, "cold_start": start, "painting": rows}, as_json)
        return
    emit_table(
        ("style", "kind", "backend", "size", "ms", "at best", "megapixels a second"),
        [
            (
                throughput.style,
                throughput.mode,
                throughput.backend or "none needed",
                f"{throughput.size[1]}x{throughput.size[0]}",
                f"{1000 * throughput.timing.median_s:.1f}",
                f"{1000 * throughput.timing.least_s:.1f}",
                f"{throughput.megapixels_per_second:.1f}",
            )
            for throughput in throughputs
        ],
    )
    sys.stdout.write(
        f"\ninflu stylize, one photo of {width}x{height}, from start to end: {cold.median_s:.2f} s"
        f" ({stylizers[0].name}, threads: {stylizers[0].threads})\n"
    )


def _record(throughput: "Throughput") -> dict[str, object]:
    return {
        "style": throughput.style,
        "mode": throughput.mode,
        "backend": throughput.backend,
        "width": throughput.size[1],
        "height": throughput.size[0],
        "ms": round(1000 * throughput.timing.median_s, 2),
        "least_ms": round(1000 * throughput.timing.least_s, 2),
        "runs": len(throughput.timing.seconds),
        "megapixels_per_second": round(throughput.megapixels_per_second, 2),
    }
