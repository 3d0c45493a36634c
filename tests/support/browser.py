"""A headless Chromium, driven over the WebDriver protocol with the standard library alone."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib import request
from urllib.error import URLError

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
)
#: Asking nobody on the way to the driver, whatever proxies the environment names.
_OPENER = request.build_opener(request.ProxyHandler({}))


def programs() -> tuple[str, str] | None:
    """Paths of the browser and its driver; None where one is not on the PATH."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Browser:
    """One page at a time: `with Browser() as browser: browser.open(path)`."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        browser, driver = found
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.process = subprocess.Popen([driver, f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL)
        self.address = f"http://127.0.0.1:{port}"
        self.profile = tempfile.TemporaryDirectory()
        options = {"binary": browser, "args": [*ARGUMENTS, f"--user-data-dir={self.profile.name}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        try:
            self._wait()
            session = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        except BaseException:
            self._end()
            raise
        self.session = f"/session/{session['sessionId']}"

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._call("DELETE", self.session)
        finally:
            self._end()

    def open(self, page: Path, width: int, height: int = 900) -> None:
        """Open a file in a view of that many CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        self._call("POST", f"{self.session}/goog/cdp/execute", command)
        self._call("POST", f"{self.session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str) -> Any:
        """Return what a function of this body returns."""
        return self._call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def console(self) -> list[str]:
        """What the console has received since the last call."""
        return [entry["message"] for entry in self._call("POST", f"{self.session}/se/log", {"type": "browser"})]

    def drag(self, x: int, y: int) -> None:
        """Press at one point of the view and release at another, with the mouse."""
        moves = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerMove", "x": x - 5, "y": y, "duration": 50},
            {"type": "pointerUp", "button": 0},
        ]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": moves}
        self._call("POST", f"{self.session}/actions", {"actions": [mouse]})

    def screenshot(self, target: Path, *, whole: bool = True) -> None:
        """Save a PNG of the view, or of the whole page."""
        command = {"cmd": "Page.captureScreenshot", "params": {"format": "png", "captureBeyondViewport": whole}}
        shot = self._call("POST", f"{self.session}/goog/cdp/execute", command)
        target.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        asked = request.Request(self.address + path, data, headers, method=method)
        with _OPENER.open(asked, timeout=60) as answer:
            return json.load(answer)["value"]

    def _wait(self) -> None:
        for _ in range(100):
            try:
                self._call("GET", "/status")
            except URLError:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError("the driver does not answer")

    def _end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.profile.cleanup()
