"""What `influ ui` serves: to this user on this machine, and to nobody else."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from stylegan_cli.errors import BusyError, UsageError
from stylegan_cli.sharing import page_export
from stylegan_cli.styles import (
    read_model,
    register,
    shipped_model,
    user_style_path,
    write_style,
)
from stylegan_cli.web import jobs as jobs_module
from stylegan_cli.web import server, serving
from stylegan_cli.web.jobs import Jobs

PORT = 4321
ADDRESS = f"http://127.0.0.1:{PORT}"
MODEL = read_model(shipped_model())


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[server.PageServer]:
    dist = tmp_path / "dist"
    dist.mkdir()
    (dist / "index.html").write_text("<!doctype html>the page")
    monkeypatch.setattr(page_export, "page_dir", lambda: dist)
    monkeypatch.setattr(server, "page_model", lambda model: {"stylize.safetensors": b"stylize"})
    served = server.PageServer(MODEL, PORT, tmp_path / "runs")
    yield served
    served.jobs.stop_all()


@pytest.fixture
def client(page: server.PageServer) -> TestClient:
    return TestClient(page.app(), base_url=ADDRESS)


@pytest.fixture
def token(page: server.PageServer) -> dict[str, str]:
    return {"Authorization": f"Bearer {page.token}"}


def test_page_and_model_are_served_with_no_leave_for_other_sites(client: TestClient) -> None:
    answer = client.get("/")
    assert "the page" in answer.text
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in answer.headers
    assert client.get("/model/stylize.safetensors").content == b"stylize"


@pytest.mark.parametrize("path", ["/", "/api/jobs"])
def test_other_hosts_and_origins_are_refused(
    client: TestClient, token: dict[str, str], path: str
) -> None:
    assert client.get(path, headers={**token, "Host": "evil.example"}).status_code == 403
    assert client.get(path, headers={**token, "Host": "127.0.0.1:1"}).status_code == 403
    assert client.get(path, headers={**token, "Origin": "http://evil.example"}).status_code == 403
    assert client.get(path, headers={**token, "Origin": "null"}).status_code == 403


@pytest.mark.parametrize("given", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "é"}])
def test_calls_without_the_token_are_refused(client: TestClient, given: dict[str, str]) -> None:
    headers = {name: value.encode() for name, value in given.items()}
    assert client.get("/api/jobs", headers=headers).status_code == 401
    assert client.post("/api/styles", headers=headers, content=b"").status_code == 401


def test_large_requests_are_cut_off(client: TestClient, token: dict[str, str]) -> None:
    answer = client.post("/api/styles", headers=token, content=bytes(server.MAX_STYLE + 1))
    assert answer.status_code == 409
    assert "too much" in answer.json()["error"]


def test_a_look_of_the_page_is_registered_once(
    client: TestClient, token: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "anna.safetensors"
    write_style(MODEL.styles[0].renamed("anna"), path)
    for _ in range(2):
        answer = client.post("/api/styles", headers=token, content=path.read_bytes())
        assert answer.json() == {"name": "anna"}
    write_style(MODEL.styles[1].renamed("anna"), path, overwrite=True)
    answer = client.post("/api/styles", headers=token, content=path.read_bytes())
    assert answer.status_code == 409  # the user's own is not written over
    assert user_style_path("anna").read_bytes() != path.read_bytes()


def test_registered_styles_are_handed_to_the_page(
    client: TestClient, token: dict[str, str]
) -> None:
    assert client.get("/api/styles").status_code == 401
    assert client.get("/api/styles", headers=token).json() == {"styles": []}
    register(MODEL.styles[0].renamed("anna"))
    assert client.get("/api/styles", headers=token).json() == {"styles": ["anna"]}
    answer = client.get("/api/styles/anna", headers=token)
    assert answer.content == user_style_path("anna").read_bytes()
    for name in ("nobody", "..%2Fanna", "--help"):
        assert client.get(f"/api/styles/{name}", headers=token).status_code in (404, 409)


def test_a_report_opens_by_the_id_of_its_job_and_reaches_nothing(
    client: TestClient, page: server.PageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "command", lambda arguments: ["sleep", *arguments])
    report = tmp_path / "report.html"
    job = page.jobs.start("long", ["60"], report=report)
    assert client.get(f"/reports/{job.id}").status_code == 404  # not written yet
    report.write_text("<!doctype html>so far")
    answer = client.get(f"/reports/{job.id}")
    assert "so far" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "refresh" in answer.headers  # as long as it runs
    page.jobs.stop_all()
    assert "refresh" not in client.get(f"/reports/{job.id}").headers
    assert client.get("/reports/0").status_code == 404


def test_photos_and_clips_in_one_folder_start_nothing(
    client: TestClient, token: dict[str, str], photo: Path, tmp_path: Path
) -> None:
    told = {"source": str(photo.parent), "out": "/x", "style": "toon", "strength": 1}
    photo.with_name("clip.mp4").write_bytes(b"")
    answer = client.post("/api/jobs/stylize", headers=token, json=told)
    assert "contains photos and clips" in answer.json()["error"]


@pytest.mark.parametrize(
    "told",
    [
        b"[]",
        b"{",
        b'{"source": "photos", "out": "/x", "style": "toon", "strength": 1}',
        b'{"source": "/no such", "out": "/x", "style": "toon", "strength": 1}',
        b'{"source": "/", "out": "/x", "style": "--help", "strength": 1}',
        b'{"source": "/", "out": "/x", "style": "toon", "strength": 7}',
    ],
)
def test_wrong_requests_start_nothing(
    client: TestClient, token: dict[str, str], told: bytes
) -> None:
    answer = client.post("/api/jobs/stylize", headers=token, content=told)
    assert answer.status_code == 409
    assert answer.json()["error"]
    assert client.get("/api/jobs", headers=token).json() == {"jobs": []}


def test_a_folder_is_stylized_by_the_command(
    client: TestClient, token: dict[str, str], photo: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "photos", tmp_path / "results"
    source.mkdir()
    photo.rename(source / "photo.jpg")
    told = {"source": str(source), "out": str(out), "style": "noir", "strength": 0.5}
    assert client.post("/api/jobs/stylize", headers=token, json=told).status_code == 200
    deadline = time.monotonic() + 300
    while (job := client.get("/api/jobs", headers=token).json()["jobs"][0])["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert job["state"] == "done", job["lines"]
    assert job["progress"]["done"] == job["progress"]["total"] == 1
    assert [path.name for path in out.iterdir()] == ["photo.jpg"]


def test_a_browser_that_is_quicker_than_the_server_waits(
    page: server.PageServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(serving, "PageServer", lambda model, port, runs: page)
    monkeypatch.setattr(serving.uvicorn.Server, "run", lambda self, sockets: None)

    def open_page(address: str) -> None:
        url = urlsplit(address)
        socket.create_connection((url.hostname, url.port), timeout=5).close()

    serving.serve_page(MODEL, server.HOST, 0, tmp_path, open_page)


def test_the_usual_port_gives_way_to_a_free_one(
    page: server.PageServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ports: list[int] = []
    monkeypatch.setattr(serving, "PageServer", lambda model, port, runs: page)
    monkeypatch.setattr(
        serving.uvicorn.Server,
        "run",
        lambda self, sockets: ports.append(sockets[0].getsockname()[1]),
    )
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()
        monkeypatch.setattr(serving, "USUAL_PORT", taken.getsockname()[1])
        serving.serve_page(MODEL, server.HOST, None, tmp_path, lambda address: None)
        with pytest.raises(UsageError, match="leave out --port"):
            serving.serve_page(
                MODEL, server.HOST, serving.USUAL_PORT, tmp_path, lambda address: None
            )
    assert ports
    assert ports[0] != serving.USUAL_PORT


def test_one_job_at_a_time_and_a_stop_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "command", lambda arguments: ["sleep", *arguments])
    jobs = Jobs()
    sleep = ["60"]
    job = jobs.start("long", sleep)
    with pytest.raises(BusyError, match="long is still running"):
        jobs.start("another", sleep)
    jobs.stop_all()
    assert job.state == "stopped"
