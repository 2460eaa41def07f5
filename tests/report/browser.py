"""A headless Chromium for tests of pages, driven through its DevTools protocol."""

import json
import os
import shutil
import subprocess
import time
import urllib.request
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
EXECUTABLE = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a browser with a new profile."""

    def __init__(self, profile: Path) -> None:
        self.process = subprocess.Popen(
            [
                EXECUTABLE, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                "--window-size=1280,1600", "--remote-debugging-port=0",
                f"--user-data-dir={profile}", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port_file = profile / "DevToolsActivePort"
        self.wait(lambda: port_file.is_file() and len(port_file.read_text().split()) == 2)
        port = port_file.read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
            found = json.load(answer)
        from websockets.sync.client import connect

        target = next(one for one in found if one["type"] == "page")
        self.connection = connect(target["webSocketDebuggerUrl"], max_size=None)
        self.socket = self.connection.__enter__()
        self.sent = 0

    def wait(self, condition, seconds: float = 60.0):
        """The first true value of a condition."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            assert self.process.poll() is None, "the browser has ended"
            time.sleep(0.05)
        raise AssertionError("waited in vain")

    def send(self, method: str, **parameters):
        """The answer to a command."""
        self.sent += 1
        self.socket.send(json.dumps({"id": self.sent, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv(timeout=60))
            if answer.get("id") == self.sent:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str):
        """The value of an expression on the page."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str) -> None:
        """Load a page, and wait until it has taken the place of the one before."""
        self.run("window.before = true")
        self.send("Page.navigate", url=url)
        self.wait(lambda: self.run("!window.before && document.readyState === 'complete'"))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the mouse at one place, and release it at another."""
        for kind, (x, y), buttons in (
            ("mousePressed", start, 1),
            ("mouseMoved", end, 1),
            ("mouseReleased", end, 0),
        ):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left",
                      buttons=buttons, clickCount=1)  # fmt: skip

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *reason: object) -> None:
        self.connection.__exit__(*reason)
        self.process.terminate()
        self.process.wait(timeout=20)
