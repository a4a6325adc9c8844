"""The page's server, run until Ctrl-C."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from stylegan_cli.errors import UsageError
from stylegan_cli.styles import Model
from stylegan_cli.web.server import PageServer


def serve_page(
    model: Model, host: str, port: int, runs: Path, on_ready: Callable[[str], None]
) -> None:
    """Serve the page of `model` until Ctrl-C, then stop what it started.

    port: 0 for a free one. on_ready: gets the address, with the token.
    Raises UsageError for a port that is taken, StyleFileError where the page was not built.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise UsageError(
                f"port {port} can't be used; leave out --port for a free one"
            ) from error
        page = PageServer(model, listening.getsockname()[1], runs)
        config = uvicorn.Config(
            page.app(), log_level="warning", access_log=False, timeout_graceful_shutdown=2
        )
        address = f"http://{host}:{listening.getsockname()[1]}/#token={page.token}"
        try:
            on_ready(address)
            uvicorn.Server(config).run([listening])
        except KeyboardInterrupt:
            pass  # the way to stop it
        finally:
            page.jobs.stop_all()
