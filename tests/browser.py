"""Chromium, driven by its own protocol over a pipe: a page is opened and a mouse moves on it."""

import base64
import fcntl
import io
import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
SWITCHES = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe", "about:blank"),
)


class Page:
    """One page of a browser of its own; a context manager.

    errors: what scripts of the page have thrown.
    """

    def __init__(self, path: Path, profile: Path, size: tuple[int, int] = (1200, 1000)) -> None:
        """path: of an HTML file. profile: a folder for the browser. size: width, height, px."""
        self.errors: list[str] = []
        self._numbers = itertools.count(1)
        self._rest = b""
        read, self._to = os.pipe()
        self._from, write = os.pipe()
        # Chromium reads commands from 3 and answers on 4.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read, write)]
        command = [str(BROWSER), *SWITCHES, f"--user-data-dir={profile}"]
        command.append("--window-size={},{}".format(*size))
        redirected = ["/bin/bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", *command]
        self._process = subprocess.Popen(
            redirected, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (read, write, *ends):
            os.close(end)
        targets = self._ask("Target.getTargets")["targetInfos"]
        target = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self._ask("Page.enable")
        self._ask("Runtime.enable")
        self._ask("Page.navigate", url=path.as_uri())
        while self.value("document.readyState") != "complete":
            pass

    def __enter__(self) -> "Page":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression comes to on the page."""
        answer = self._ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def drag_slider(self, index: int, share: float) -> None:
        """Drag the handle of a range input with the mouse, from where it is to `share` of it."""
        slider = f"document.querySelectorAll('input[type=range]')[{index}]"
        self.value(f"{slider}.scrollIntoView({{block: 'center'}})")
        box = self.value(f"{slider}.getBoundingClientRect().toJSON()")
        now = float(self.value(f"{slider}.value")) / 100
        y = box["y"] + box["height"] / 2
        places = np.linspace(now, share, 8)
        for step, place in enumerate(places):
            kind = "mousePressed" if step == 0 else "mouseMoved"
            self._mouse(kind, box["x"] + box["width"] * place, y)
        self._mouse("mouseReleased", box["x"] + box["width"] * share, y)

    def pixels(self) -> np.ndarray:
        """What is seen, (H, W, 3) uint8."""
        data = base64.b64decode(self._ask("Page.captureScreenshot", format="png")["data"])
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def _mouse(self, kind: str, x: float, y: float) -> None:
        self._ask(
            "Input.dispatchMouseEvent",
            type=kind,
            x=x,
            y=y,
            button="left",
            buttons=1,
            clickCount=1,
        )

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if hasattr(self, "_session"):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(answer["params"]["exceptionDetails"]["text"])
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message
