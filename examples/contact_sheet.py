"""Every example photo in every shipped look: the sheet at the top of the README.

python examples/contact_sheet.py [MODEL]
"""

import sys
from pathlib import Path

from stylegan_cli.pictures import Picture, contact_sheet, read_rgb, write_picture
from stylegan_cli.styles import list_styles
from stylegan_cli.stylizer import open_stylizer

HERE = Path(__file__).parent
PHOTOS = (
    "photo.jpg",
    "interfaces-071.jpg",
    "interfaces-082.jpg",
    "synthetic-f_14.jpg",
    "synthetic-f_43.jpg",
    "coffee.jpg",
)
TILE = 176  # px


def main() -> None:
    """Write examples/contact-sheet.jpg."""
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    names = [style.name for style in list_styles(model) if style.origin != "yours"]
    photos = [read_rgb(HERE / name, 384) for name in PHOTOS]
    columns = [photos]
    for name in names:
        stylizer = open_stylizer(name, model=model)
        columns.append([stylizer.paint(photo) for photo in photos])
    rows = [list(row) for row in zip(*columns, strict=True)]
    sheet = contact_sheet(rows, column_labels=["photo", *names], tile=TILE)
    target = HERE / "contact-sheet.jpg"
    write_picture(Picture(pixels=sheet), target, quality=88, overwrite=True)
    print(target)


if __name__ == "__main__":
    main()
