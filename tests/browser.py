"""Chromium by the WebDriver protocol (W3C), with nothing but Python's standard library."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "chromium and chromedriver are not installed"
_OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One tab. Scripts see the page's own variables."""

    def __init__(self, port: int, options: list[str]) -> None:
        self._root = f"http://127.0.0.1:{port}"
        chrome = {"binary": CHROMIUM, "args": options}
        known = {
            "goog:chromeOptions": chrome,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        self._wait_for_driver()
        made = self._send("POST", "/session", {"capabilities": {"alwaysMatch": known}})
        self._root += f"/session/{made['sessionId']}"
        self._send("POST", "/timeouts", {"script": 60_000, "pageLoad": 60_000})

    def _wait_for_driver(self) -> None:
        for _ in range(600):
            try:
                if self._send("GET", "/status")["ready"]:
                    return
            except OSError:
                time.sleep(0.05)
        raise TimeoutError("chromedriver does not answer")

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(self._root + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(json.load(error)["value"]["message"]) from None

    def open(self, address: str) -> None:
        self._send("POST", "/url", {"url": address})

    def run(self, script: str, *values: Any) -> Any:
        """Return what a function body returns; `arguments` are the values."""
        return self._send("POST", "/execute/sync", {"script": script, "args": list(values)})

    def wait(self, condition: str, *values: Any, seconds: float = 60) -> Any:
        """Return the first true value of an expression."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := self.run(f"return {condition}", *values):
                return found
            time.sleep(0.02)
        raise TimeoutError(condition)

    def click(self, selector: str) -> None:
        """Click as a person does, which lets sound play."""
        found = self._send("POST", "/element", {"using": "css selector", "value": selector})
        self._send("POST", f"/element/{found[_ELEMENT]}/click")

    def press(self, *keys: str) -> None:
        """Press keys one after the other; WebDriver's private characters are special keys."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        keyboard = {"type": "key", "id": "keyboard", "actions": actions}
        self._send("POST", "/actions", {"actions": [keyboard]})

    def command(self, name: str, **values: Any) -> Any:
        """Return the answer to a command of the DevTools protocol."""
        return self._send("POST", "/goog/cdp/execute", {"cmd": name, "params": values})

    def log(self, kind: str) -> list[Any]:
        """Return new entries of the log `browser` (the console) or `performance` (requests)."""
        return list(self._send("POST", "/se/log", {"type": kind}))

    def requests(self) -> list[str]:
        """Return the addresses requested since the last call."""
        events = [json.loads(one["message"])["message"] for one in self.log("performance")]
        return [
            one["params"]["request"]["url"]
            for one in events
            if one["method"] == "Network.requestWillBeSent"
        ]

    def picture(self) -> bytes:
        return base64.b64decode(self._send("GET", "/screenshot"))

    def close(self) -> None:
        self._send("DELETE", "")


@contextmanager
def open_browser(profile: Path) -> Iterator[Browser]:
    """Yield a browser with an empty profile."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert DRIVER
    driver = subprocess.Popen([DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL)
    try:
        browser = Browser(port, [*_OPTIONS, f"--user-data-dir={profile}"])
        try:
            yield browser
        finally:
            browser.close()
    finally:
        driver.terminate()
        driver.wait()
