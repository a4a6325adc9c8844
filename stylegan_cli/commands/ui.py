"""`influ ui`: the page in the browser, and what a tab alone can't do."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import console


def ui(
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, show_default="8651, or a free one", help="Port on this machine."
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, metavar="FILE", help="Model instead of the shipped one."
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address and open no browser.")
    ] = False,
    runs: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder for runs and reports."),
    ] = Path("runs"),
) -> None:
    """Open a page in your browser that makes styles and applies them. Ctrl-C stops it.

    The page is served on 127.0.0.1 only, at an address with a secret token.
    """
    import webbrowser

    from stylegan_cli.styles import read_model, shipped_model
    from stylegan_cli.web.server import HOST
    from stylegan_cli.web.serving import serve_page

    def report(address: str) -> None:
        console.print(f"influ is at {address}  (Ctrl-C stops it)", soft_wrap=True)
        if not no_browser:
            webbrowser.open(address)

    serve_page(read_model(model or shipped_model()), HOST, port, runs.absolute(), report)
