"""Four example photos in every shipped look: the sheet at the top of the README.

python examples/contact_sheet.py [MODEL]
"""

import sys
from pathlib import Path

import numpy as np

from stylegan_cli.pictures import Picture, contact_sheet, read_rgb, write_picture
from stylegan_cli.styles import list_styles
from stylegan_cli.stylizer import open_stylizer

HERE = Path(__file__).parent
PHOTOS = ("photo.jpg", "interfaces-071.jpg", "synthetic-f_43.jpg", "coffee.jpg")
STYLES_IN_A_ROW = 10
TILE = 160  # px


def main() -> None:
    """Write examples/contact-sheet.jpg."""
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    names = [style.name for style in list_styles(model) if style.origin != "yours"]
    photos = [read_rgb(HERE / name, 384) for name in PHOTOS]
    bands = []
    for begin in range(0, len(names), STYLES_IN_A_ROW):
        some = names[begin : begin + STYLES_IN_A_ROW]
        columns = [photos]
        for name in some:
            stylizer = open_stylizer(name, model=model)
            columns.append([stylizer.stylize(photo) for photo in photos])
        rows = [list(row) for row in zip(*columns, strict=True)]
        bands.append(contact_sheet(rows, column_labels=["photo", *some], tile=TILE))
    width = max(band.shape[1] for band in bands)
    padding = [((0, 0), (0, width - band.shape[1]), (0, 0)) for band in bands]
    sheet = np.concatenate(
        [np.pad(band, pad, constant_values=255) for band, pad in zip(bands, padding, strict=True)]
    )
    target = HERE / "contact-sheet.jpg"
    write_picture(Picture(pixels=sheet), target, quality=88, overwrite=True)
    print(target)


if __name__ == "__main__":
    main()
