"""What `influ ui` serves: to this user on this machine, and to nobody else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from stylegan_cli.errors import BusyError
from stylegan_cli.sharing import page_export
from stylegan_cli.styles import read_model, shipped_model, user_style_path, write_style
from stylegan_cli.web import jobs as jobs_module
from stylegan_cli.web import server
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
    assert [path.name for path in out.iterdir()] == ["photo.jpg"]


def test_one_job_at_a_time_and_a_stop_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "command", lambda arguments: ["sleep", *arguments])
    jobs = Jobs()
    sleep = ["60"]
    job = jobs.start("long", sleep)
    with pytest.raises(BusyError, match="long is still running"):
        jobs.start("another", sleep)
    jobs.stop_all()
    assert job.state == "failed"
