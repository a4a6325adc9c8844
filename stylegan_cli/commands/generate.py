"""`influ generate`: variations of one photo within a creator's own variation."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.batches import VariationsConfig, write_variations
from stylegan_cli.commands.common import Json, emit, progress, say_style
from stylegan_cli.commands.options import Without
from stylegan_cli.commands.streams import write_line
from stylegan_cli.pictures import Picture
from stylegan_cli.styles.naming import ending_of
from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizer


def generate(
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO", show_default=False, help="The picture to vary.")
    ],
    style_config: Annotated[StylizerConfig, Without("references", "seed")],
    config: VariationsConfig,
    as_json: Json = False,
) -> None:
    """Stylize variations of a photo that differ as much as the creator's own pictures.

    Writes STEM_STYLE_SEED.EXT for each seed, starting with --seed, and a grid of all of them,
    STEM_STYLE_grid.jpg. The same seed gives the same picture every time.
    """
    stylizer = open_configured_stylizer(style_config)
    say_style(style_config, stylizer.style)

    def stylize(picture: Picture, seed: int) -> Picture:
        return stylizer.varied(seed).stylize_picture(picture)

    with progress(f"varying {photo.name}") as on_progress:
        pictures, grid = write_variations(
            photo,
            stylize,
            config.seeds,
            ending=ending_of(
                stylizer.name,
                strength=style_config.strength,
                grain=style_config.grain,
                halation=style_config.halation,
                strokes=style_config.strokes_share,
                keep_colours=style_config.preserve_colour,
            ),
            folder=config.out,
            overwrite=config.overwrite,
            ai_label=stylizer.ai_label if style_config.strength > 0 and config.ai_label else None,
            on_progress=on_progress,
        )
    if as_json:
        pairs = zip(config.seeds, pictures, strict=True)
        made = [{"seed": seed, "picture": str(path)} for seed, path in pairs]
        emit({"style": stylizer.name, "pictures": made, "grid": str(grid)}, as_json)
    else:
        for path in (*pictures, grid):
            write_line(str(path))
