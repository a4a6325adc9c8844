"""Make the pictures of the docs: `python docs/scripts/make_doc_pictures.py`.

They show photos that are CC0 (examples/CREDITS.md, stylegan_cli/starter/CREDITS.md). One more is
made where its source is named: --page web/results/1-own-style.png, which `make test-web` writes.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from stylegan_cli.pictures import Picture, contact_sheet, read_picture, resize_within, write_picture

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
STARTER = ROOT / "stylegan_cli" / "starter"
PHOTO = ROOT / "examples" / "photo.jpg"
TILE = 360  # px
sys.path.insert(0, str(ROOT / "benchmarks"))


def influ(*arguments: str | Path) -> None:
    """Run one `influ` command."""
    subprocess.run([sys.executable, "-m", "stylegan_cli", *map(str, arguments), "-q"], check=True)


def pixels(path: Path) -> np.ndarray:
    """A picture as uint8 (H, W, 3), 720 px at the longer side at most."""
    return np.asarray(resize_within(read_picture(path).pixels[..., :3], 720))


def save(rows: list[list[np.ndarray]], labels: list[str], name: str) -> None:
    """Write one sheet."""
    sheet = contact_sheet(rows, column_labels=labels, tile=TILE)
    write_picture(Picture(pixels=sheet), IMAGES / name, overwrite=True, quality=85)


def make_sheet() -> None:
    """sheet.jpg: one photo in every shipped style."""
    influ("sheet", PHOTO, "-o", IMAGES / "sheet.jpg", "--overwrite")


def make_learned(folder: Path) -> None:
    """learned.jpg: a photo, pictures that one hand edited, and the photo in the learned style."""
    from looks import KNOWN_LOOKS

    edited = folder / "creator"
    edited.mkdir()
    for path in sorted(STARTER.glob("*.jpg"))[:60:2]:
        looked = KNOWN_LOOKS["teal_orange"](pixels(path))
        write_picture(Picture(pixels=looked), edited / f"{path.stem}.png")
    style = folder / "learned.safetensors"
    influ("styles", "add", "learned", edited, "-o", style)
    result = folder / "result.png"
    influ("stylize", PHOTO, "--model", style, "-o", result)
    some = [pixels(path) for path in sorted(edited.glob("*.png"))[:3]]
    labels = ["your photo", "", "pictures of the creator", "", "your photo in this style"]
    save([[pixels(PHOTO), *some, pixels(result)]], labels, "learned.jpg")


def make_strokes(folder: Path) -> None:
    """strokes.jpg: the middle of a photo, and of the same in three styles with strokes."""
    photo = sorted((STARTER / "large").glob("*.jpg"))[0]
    sides = {"photo": photo}
    for style in ("engraving", "picturebook", "watercolour"):
        sides[style] = folder / f"{style}.png"
        influ("stylize", photo, "--style", style, "-o", sides[style])
    row = [middle(read_picture(path).pixels[..., :3]) for path in sides.values()]
    save([row], list(sides), "strokes.jpg")


def middle(whole: np.ndarray) -> np.ndarray:
    """The upper middle of a picture at 100 %, TILE px wide and high."""
    top, left = (whole.shape[0] - TILE) // 3, (whole.shape[1] - TILE) // 2
    return whole[top : top + TILE, left : left + TILE]


def make_page(shot: Path) -> None:
    """examples/page.jpg: the upper part of the page in a browser, 1000 px wide."""
    whole = pixels(shot)
    upper = whole[: whole.shape[1] * 961 // 1000]
    picture = Picture(resize_within(upper, 1000), source_format="JPEG")
    write_picture(picture, ROOT / "examples" / "page.jpg", quality=88, overwrite=True)


def main() -> None:
    """Make them all."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--page", type=Path, metavar="SHOT")
    arguments = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    make_sheet()
    with tempfile.TemporaryDirectory() as folder:
        make_learned(Path(folder))
        make_strokes(Path(folder))
    if arguments.page:
        make_page(arguments.page)


if __name__ == "__main__":
    main()
