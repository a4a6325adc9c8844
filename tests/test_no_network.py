"""No command opens a socket but to this machine, and the cache holds nothing but ours."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from certificates import write_credentials
from clip_files import make_clip
from without_network import KILLED, can_filter

RUNNER = Path(__file__).with_name("without_network.py")

pytestmark = pytest.mark.skipif(not can_filter(), reason="the filter is for Linux on two machines")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def start(*words: str | Path, cwd: Path) -> "subprocess.Popen[str]":
    call: list[Any] = [sys.executable, RUNNER, *words]
    return subprocess.Popen(call, cwd=cwd, stderr=subprocess.PIPE, text=True)


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def test_the_filter_kills_for_a_socket_to_elsewhere_alone(tmp_path: Path) -> None:
    code = "import socket; socket.socket(socket.{}).close()"
    codes = [
        end(start("-c", code.format(family), cwd=tmp_path))[0]
        for family in ("AF_UNIX", "AF_INET", "AF_INET6")
    ]
    assert codes == [0, KILLED, KILLED]


def test_no_command_opens_a_socket_and_the_cache_holds_nothing_but_ours(
    tmp_path: Path, photo: Path, cache: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number in range(3):
        (pictures / f"{number}.jpg").write_bytes(photo.read_bytes())
    certificate, key = write_credentials(tmp_path)
    # A library that sends something needs some seconds for it, which is why one session waits.
    waiting = start("-c", SESSION, cwd=tmp_path)
    for words in (
        ("stylize", photo, "-o", tmp_path / "a.jpg"),
        ("stylize", photo, "-o", "b.jpg", "--c2pa-cert", certificate, "--c2pa-key", key),
        ("video", clip, "--out", tmp_path / "b.mp4", "--precision", "f32"),
        ("styles", "add", "mine", pictures),
        ("train", "--data", pictures, "--content", pictures, "--steps", "1", "--batch", "1"),
        ("export", "mine", "-o", tmp_path / "mine.cube"),
        ("prep", pictures, "--out", tmp_path / "data", "--size", "32"),
    ):
        returned, said = end(start(*words, cwd=tmp_path))
        assert returned == 0, (words, said)
    assert end(waiting)[0] == 0
    assert {path.name for path in cache.glob("*")} <= {"influ"}


def test_the_page_s_server_listens_and_opens_no_other_socket(
    tmp_path: Path, photo: Path, cache: Path
) -> None:
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "index.html").write_text("the page")
    (tmp_path / "photos").mkdir()
    photo.rename(tmp_path / "photos" / "photo.jpg")
    call = [sys.executable, "-c", SERVER, RUNNER.parent, tmp_path]
    asked: dict[str, Any] = {"style": "noir", "strength": 1}
    asked |= {"source": str(tmp_path / "photos"), "out": str(tmp_path / "out")}
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address, _, token = server.stdout.readline().strip().partition("#token=")
        try:
            headers = {"Authorization": f"Bearer {token}"}
            with httpx.Client(base_url=address, headers=headers) as page:
                assert page.get("/").text == "the page"
                assert page.post("/api/jobs/stylize", json=asked).status_code == 200
                while (job := page.get("/api/jobs").json()["jobs"][0])["state"] == "running":
                    time.sleep(0.1)
        finally:
            server.send_signal(signal.SIGINT)
    assert job["state"] == "done", job["lines"]
    assert server.returncode == 0
    assert {path.name for path in cache.glob("*")} <= {"influ"}


SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from without_network import allow_no_network
from stylegan_cli.sharing import page_export
from stylegan_cli.styles import read_model, shipped_model
from stylegan_cli.web.serving import serve_page

place = Path(sys.argv[2])
page_export.page_dir = lambda: place / "dist"

def tell(address):
    allow_no_network()  # from here on: the socket that listens is there
    print(address, flush=True)

serve_page(read_model(shipped_model()), "127.0.0.1", 0, place / "runs", tell)
"""

SESSION = """
import time
from stylegan_cli.styles import DEFAULT_STYLE
from stylegan_cli.stylizer import open_stylizer
stylizer = open_stylizer(DEFAULT_STYLE, precision="f32")
time.sleep(7)
"""
