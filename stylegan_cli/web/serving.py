"""The page's server, run until Ctrl-C."""

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from stylegan_cli.errors import UsageError
from stylegan_cli.styles import Model
from stylegan_cli.web.server import PageServer

# Always the same where it can be: a browser keeps the page's styles by its address.
USUAL_PORT = 8651


def serve_page(
    model: Model, host: str, port: int | None, runs: Path, on_ready: Callable[[str], None]
) -> None:
    """Serve the page of `model` until Ctrl-C, then stop what it started.

    port: None for USUAL_PORT, or a free one where that is taken. on_ready: gets the address, with
    the token. Raises UsageError for a port that is taken, StyleFileError where the page was not
    built.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _bind(listening, host, port)
        listening.listen()  # from here on a browser that is quick waits, and is not refused
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


def _bind(listening: socket.socket, host: str, port: int | None) -> None:
    try:
        listening.bind((host, USUAL_PORT if port is None else port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        if port is None:
            listening.bind((host, 0))
            return
        raise UsageError(f"port {port} can't be used; leave out --port for a free one") from error
