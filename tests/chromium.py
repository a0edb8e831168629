"""Headless Chromium by the WebDriver protocol, for tests of pages."""

import contextlib
import json
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ARROW_LEFT, HOME = "\ue012", "\ue011"
NARROWEST = 500  # pixels of a window; what is narrower is a phone
needed = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="needs Chromium and its driver"
)


class Browser:
    """Headless Chromium by the WebDriver protocol."""

    def __init__(self, address: str, folder: pathlib.Path, dark: bool, width: int):
        self._address = address
        arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            f"--user-data-dir={folder}",
            f"--window-size={width},900",
        ]
        arguments.append(f"--blink-settings=preferredColorScheme={0 if dark else 1}")
        options = {"args": arguments, "binary": CHROMIUM}
        if width < NARROWEST:
            metrics = {"width": width, "height": 900, "pixelRatio": 2.0}
            options["mobileEmulation"] = {"deviceMetrics": metrics}
        capabilities = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        body = {"capabilities": {"alwaysMatch": capabilities}}
        self._session = f"/session/{self.ask('POST', '/session', body)['sessionId']}"

    def ask(self, method: str, path: str, body=None):
        request = urllib.request.Request(
            self._address + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, page: pathlib.Path):
        self.ask("POST", f"{self._session}/url", {"url": page.as_uri()})

    def run(self, script: str):
        body = {"script": script, "args": []}
        return self.ask("POST", f"{self._session}/execute/sync", body)

    def press(self, selector: str, key: str):
        found = self.ask(
            "POST",
            f"{self._session}/element",
            {"using": "css selector", "value": selector},
        )
        (element,) = found.values()
        path = f"{self._session}/element/{element}/value"
        self.ask("POST", path, {"text": key})

    def logged(self) -> list[dict]:
        return self.ask("POST", f"{self._session}/se/log", {"type": "browser"})

    def close(self):
        self.ask("DELETE", self._session)


@contextlib.contextmanager
def browser(folder: pathlib.Path, *, dark=False, width=1100):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [DRIVER, f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(100):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(f"{address}/status", timeout=5).close()
                break
            time.sleep(0.1)
        opened = Browser(address, folder, dark, width)
        try:
            yield opened
        finally:
            opened.close()
    finally:
        process.terminate()
        process.wait()
