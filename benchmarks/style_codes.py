"""How long the codes of a model's instant styles are, and what they lose on photos not measured.

    python style_codes.py --model MODEL

A code is written so that its results are within so many dB of the style on a few starter photos
(stylegan_cli/sharing/style_code.py). Here it is compared on other starter photos, at another size.
"""

import argparse
from pathlib import Path

import numpy as np

from stylegan_cli.backends import open_backend
from stylegan_cli.evaluation import metrics
from stylegan_cli.pictures import read_rgb
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.style_code import measured_photos, read_line, write_line
from stylegan_cli.styles import read_model, shipped_model
from stylegan_cli.stylizer import Stylizer

SIZE = 256  # px, short side
PHOTOS = 24


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=shipped_model(), metavar="FILE")
    model = read_model(parser.parse_args().model)
    backend = open_backend(model.base)
    others = sorted(set(starter_photos()) - set(measured_photos()))
    photos = [read_rgb(path, SIZE) for path in others[:: max(1, len(others) // PHOTOS)][:PHOTOS]]
    print(f"{'style':16} characters  measured  others: mean  least (dB)")
    for style in model.styles:
        if style.deltas:
            print(f"{style.name:16} refined")
            continue
        line = write_line(style, model.base, backend)
        looks = (style, read_line(line.text, style.name, model.base))
        ours, theirs = (Stylizer(model.base, look, backend) for look in looks)
        lost = [metrics.psnr(theirs.stylize(photo), ours.stylize(photo)) for photo in photos]
        figures = f"{line.psnr_db:9.1f} {np.mean(lost):13.1f} {min(lost):6.1f}"
        print(f"{style.name:16} {len(line.text):10} {figures}", flush=True)


if __name__ == "__main__":
    main()
