"""The page on loopback, for one user: a token, Host and Origin checked, nothing listens beyond.

Beside the files of the page there is a small interface under /api/ for what a tab can't do. Every
call to it carries the token that `influ ui` put behind the address it opened.
"""

import json
import secrets
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from stylegan_cli.batches import holds_clips
from stylegan_cli.errors import InfluError, UsageError
from stylegan_cli.sharing.page_export import LEARN, STYLIZE, built_page, page_model
from stylegan_cli.styles import (
    Model,
    check_name,
    list_styles,
    own_style_path,
    read_style,
    register,
    user_style_path,
)
from stylegan_cli.web.jobs import Jobs

HOST = "127.0.0.1"
MAX_STYLE = 16 << 20  # bytes of a style file
MAX_REQUEST = 64 << 10  # bytes of any other request
MAX_MINUTES = 24 * 60
REPORT = "report.html"  # of training.report, which would load PyTorch
REFRESH_S = 10
# A report has scripts and styles of its own. It may reach nothing, not even this server.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; base-uri 'none'; form-action 'none'; "
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"
)

_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Call = Callable[[Request], Awaitable[Response]]


class PageServer:
    """What answers the page. token: what every call under /api/ must carry."""

    def __init__(self, model: Model, port: int, runs: Path) -> None:
        """runs: a folder for the runs of training.

        Raises StyleFileError where the page was not built.
        """
        self._page = built_page()  # before any work
        self.token = secrets.token_urlsafe(24)
        self.jobs = Jobs()
        self._model = model
        self._runs = runs
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        self._pool = ThreadPoolExecutor(1)
        # It takes some seconds, while the browser opens.
        self._files: Future[dict[str, bytes]] = self._pool.submit(page_model, model)

    def app(self) -> Starlette:
        """The ASGI application."""
        page = StaticFiles(directory=self._page, html=True)
        return Starlette(
            routes=[
                Route(f"/model/{STYLIZE}", self._send_model),
                Route(f"/model/{LEARN}", self._send_model),
                Route("/api/styles", self._private(self._list_styles)),
                Route("/api/styles", self._private(self._add_style), methods=["POST"]),
                Route("/api/styles/{name}", self._private(self._send_style)),
                Route("/api/jobs", self._private(self._list_jobs)),
                Route("/api/jobs/stylize", self._private(self._stylize), methods=["POST"]),
                Route("/api/jobs/train", self._private(self._train), methods=["POST"]),
                Route("/api/jobs/{id}/stop", self._private(self._stop), methods=["POST"]),
                Route("/reports/{id}", self._report),
                Mount("/", page),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=self._guard)],
        )

    async def _guard(self, request: Request, call_next: Call) -> Response:
        """Only this address and its own pages: no other site reaches in by a name of its own."""
        origin = request.headers.get("origin")
        ours = request.headers.get("host") in self._hosts
        if not ours or (origin and origin.removeprefix("http://") not in self._hosts):
            return _refused(403, "this page answers to its own address alone")
        response = await call_next(request)
        response.headers.update(_HEADERS)
        return response

    def _private(self, call: Call) -> Call:
        """`call` for those who have the token; its failures as a sentence."""

        async def answer(request: Request) -> Response:
            token = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not secrets.compare_digest(token.encode(), self.token.encode()):
                return _refused(401, "the token is wrong; use the address that influ ui printed")
            try:
                return await call(request)
            except InfluError as error:
                return _refused(409, str(error))

        return answer

    async def _send_model(self, request: Request) -> Response:
        files = await run_in_threadpool(self._files.result)
        name = request.url.path.rpartition("/")[2]
        return Response(files[name], media_type="application/octet-stream")

    async def _list_styles(self, request: Request) -> Response:
        found = await run_in_threadpool(list_styles)
        names = [style.name for style in found if style.origin == "yours" and style.fits]
        return JSONResponse({"styles": names})

    async def _send_style(self, request: Request) -> Response:
        return FileResponse(own_style_path(request.path_params["name"]))

    async def _add_style(self, request: Request) -> Response:
        data = await _body(request, MAX_STYLE)
        return JSONResponse({"name": await run_in_threadpool(self._registered, data)})

    def _registered(self, data: bytes) -> str:
        """Check a style file's bytes and register it; one that is there already is as good."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "style.safetensors"
            path.write_bytes(data)
            style = read_style(path, self._model.base)
            own = user_style_path(style.name)
            if not own.is_file() or own.read_bytes() != data:
                register(style)
        return style.name

    async def _list_jobs(self, request: Request) -> Response:
        return JSONResponse({"jobs": self.jobs.described()})

    async def _stylize(self, request: Request) -> Response:
        body = await _document(request)
        source, out = _path(body, "source"), _path(body, "out")
        style, strength = str(body.get("style", "")), _number(body, "strength", 0, 1)
        check_name(style)
        if not source.exists():
            raise UsageError(f"there is no {source}; check the name")
        command = "video" if holds_clips(source) else "stylize"
        out.mkdir(parents=True, exist_ok=True)
        options = ["--out", str(out), "--style", style, "--strength", str(strength)]
        self.jobs.start(source.name, [command, str(source), *options])
        return JSONResponse({})

    async def _train(self, request: Request) -> Response:
        body = await _document(request)
        folder, name = _path(body, "folder"), str(body.get("name", ""))
        minutes = _number(body, "minutes", 0.05, MAX_MINUTES)
        check_name(name)
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; check the name")
        run = self._runs / f"{name}-{secrets.token_hex(4)}"
        options = ["--minutes", str(minutes), "--run", str(run)]
        self.jobs.start(name, ["styles", "add", name, str(folder), *options], report=run / REPORT)
        return JSONResponse({})

    async def _stop(self, request: Request) -> Response:
        self.jobs.stop(self.jobs.find(request.path_params["id"]))
        return JSONResponse({})

    async def _report(self, request: Request) -> Response:
        """The report of a run for a tab of its own, which has no token: the job's id is as good."""
        try:
            job = self.jobs.find(request.path_params["id"])
        except UsageError as error:
            return _refused(404, str(error))
        if job.report is None or not job.report.is_file():
            return _refused(404, "there is no report yet; wait for the first one")
        again = {"Refresh": str(REFRESH_S)} if job.state == "running" else {}
        headers = {"Content-Security-Policy": _REPORT_POLICY, **again}
        return FileResponse(job.report, media_type="text/html", headers=headers)


async def _body(request: Request, max_bytes: int) -> bytes:
    """The bytes of a request, `most` at most. Raises UsageError for more."""
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > max_bytes:
            raise UsageError(f"that is more than {max_bytes >> 10} kB, which is too much here")
    return bytes(data)


async def _document(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(await _body(request, MAX_REQUEST))
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise UsageError("the request is not a JSON object; reload the page")
    return body


def _path(body: Mapping[str, Any], key: str) -> Path:
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise UsageError("name the folder, with its whole path")
    path = Path(value.strip()).expanduser()
    if not path.is_absolute():
        raise UsageError(f"'{value}' is not a whole path; one begins with / or ~")
    return path


def _number(body: Mapping[str, Any], key: str, minimum: float, maximum: float) -> float:
    value = body.get(key)
    if not isinstance(value, int | float) or not minimum <= value <= maximum:
        raise UsageError(f"{key} must be from {minimum:g} to {maximum:g}")
    return float(value)


def _refused(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status, headers=_HEADERS)
