"""One photo in every shipped look: what `make demo` runs once everything is installed.

It calls `influ` as a user would, then lays the results side by side on one contact sheet.
"""

import json
import subprocess
import sys
from pathlib import Path

from stylegan_cli.pictures import Picture, contact_sheet, read_picture, write_picture

PHOTO = Path(__file__).parent / "photo.jpg"
OUT = Path("demo")


def influ(*arguments: str | Path) -> str:
    """Run one `influ` command; end with its exit code when it fails."""
    command = [sys.executable, "-m", "stylegan_cli", *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        sys.exit(result.returncode)
    return result.stdout


def main() -> None:
    """Style the photo with every shipped creator into ./demo."""
    listed = json.loads(influ("styles", "--json"))["styles"]
    names = [style["name"] for style in listed if style["origin"] == "shipped"]
    results = {}
    for name in names:
        results[name] = OUT / f"photo_{name}.jpg"
        influ("stylize", PHOTO, "--style", name, "-o", results[name], "--overwrite", "-q")
        print(results[name])
    sheet = OUT / "contact-sheet.jpg"
    pictures = [read_picture(path).pixels for path in (PHOTO, *results.values())]
    labelled = contact_sheet([pictures], column_labels=["photo", *names], tile=320)
    write_picture(Picture(pixels=labelled), sheet, overwrite=True)
    print(f"{sheet}  all of them side by side")


if __name__ == "__main__":
    main()
