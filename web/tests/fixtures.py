"""What the command makes of some pictures, for the page to make the same.

`python fixtures.py FOLDER [--all]`: FOLDER gets the page with its model (`page/`), photos, their
results in several styles, and with --all a folder of pictures and the style that the command
makes of them.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from stylegan_cli.backends import open_backend
from stylegan_cli.instant import make_style
from stylegan_cli.instant.render_mode import render_mode_photos
from stylegan_cli.pictures import read_rgb
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.page_export import page_model, write_page
from stylegan_cli.styles import read_model, shipped_model, write_style
from stylegan_cli.stylizer import Stylizer

SHORT = ("creatorA", "toon")
PICTURES = 30  # enough for two steps of refinement and a calibration
SHOWN = "toon"
LARGE = ((1160, 870), (1730, 1301), (2048, 1536), (2400, 1600), (3264, 2448), (4000, 3000))


def main(folder: Path, everything: bool) -> None:
    """Write all fixtures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model = read_model(shipped_model())
    backend = open_backend(model.base)
    write_page(page_model(model), folder / "page", overwrite=True)
    portrait = np.asarray(Image.open(render_mode_photos()[0]).convert("RGB"))[:601]
    small = np.asarray(Image.open(starter_photos()[1]).convert("RGB"))[:200, :231]
    for name, photo in (("photo", portrait), ("small", small)):
        save(photo, folder / f"{name}.png")
        for style in model.styles:
            if everything or style.name in SHORT:
                stylized = Stylizer(model.base, style, backend).stylize(photo)
                save(stylized, folder / f"{name}-{style.name}.png")
    half = Stylizer(model.base, model.style(SHORT[0]), backend, 0.5).stylize(portrait)
    save(half, folder / f"half-{SHORT[0]}.png")
    if not everything:
        return
    pictures = folder / "pictures"
    pictures.mkdir(exist_ok=True)
    style = Stylizer(model.base, model.style(SHOWN), backend)
    for index, path in enumerate(starter_photos()[10 : 10 + PICTURES]):
        save(style.stylize(read_rgb(path, 256)), pictures / f"{index:02}.png")
    save_large(folder / "large")
    for name, place in (("learnt", pictures), ("large", folder / "large")):
        style = make_style(name, sorted(place.iterdir()), model.base, backend)
        write_style(style, folder / f"{name}.safetensors", overwrite=True)


def save_large(folder: Path) -> None:
    """Pictures as cameras write them: JPEGs of 1 to 12 megapixels, upright and turned."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    options = [{"subsampling": 2}, {"subsampling": 0}, {"progressive": True}, {"exif": exif}]
    for index, (width, height) in enumerate(LARGE):
        photo = Image.open(starter_photos()[index]).convert("RGB").resize((width, height))
        grain = rng.normal(0, 6, (height, width, 1))
        pixels = (np.asarray(photo) + grain).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.jpg", quality=92, **options[index % 4])


def save(pixels: np.ndarray, path: Path) -> None:
    """Write (H, W, 3) uint8 pixels as PNG."""
    Image.fromarray(pixels).save(path)


main(Path(sys.argv[1]), "--all" in sys.argv)
