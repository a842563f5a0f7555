"""Controls a headless Chromium through the DevTools protocol over a pipe: no driver, no WebSocket, no port.

https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",  # Chromium needs this flag to run as root in a container; it opens only our own pages
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


@dataclass(frozen=True)
class Screen:
    """The screen that Chromium emulates; its sizes are in CSS pixels."""

    width: int
    height: int
    mobile: bool = False


class Tab:
    """One tab of a running Chromium."""

    def __init__(self, commands: int, answers: int) -> None:
        """Open the tab; the browser reads commands from one file descriptor and answers on the other."""
        self._commands = os.fdopen(commands, "wb")
        self._answers = os.fdopen(answers, "rb")
        self._session: str | None = None
        self._sent = 0
        self._events: list[dict[str, Any]] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def open(self, url: str, screen: Screen, scheme: str, *, media: str = "screen") -> None:
        """Open a page and wait until it has loaded; `scheme` is light, dark or forced, `media` is screen or print."""
        size = {"width": screen.width, "height": screen.height, "mobile": screen.mobile, "deviceScaleFactor": 1}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        forced = {"name": "forced-colors", "value": "active" if scheme == "forced" else "none"}
        scheme = "dark" if scheme == "forced" else scheme
        features = [{"name": "prefers-color-scheme", "value": scheme}, forced]
        self._ask("Emulation.setEmulatedMedia", media=media, features=features)
        self._ask("Page.navigate", url=url)
        self.loaded()

    def loaded(self) -> None:
        """Wait until the next page has loaded, for example after the page has refreshed itself."""
        self._events.clear()
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._read())

    def press_tab(self) -> None:
        """Press the Tab key."""
        key = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
        for kind in ("keyDown", "keyUp"):
            self._ask("Input.dispatchKeyEvent", type=kind, **key)

    def complaints(self) -> list[str]:
        """Return what the browser logged about the page: blocked requests, errors and console messages."""
        kinds = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self._events if event["method"] in kinds]

    def evaluate(self, script: str) -> Any:
        """Return the value of a script; wait for the value if it is a promise."""
        answer = self._ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a PNG picture of the whole page, or only of its visible part if `whole` is false."""
        answer = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._sent += 1
        session = {"sessionId": self._session} if self._session else {}
        message = {"id": self._sent, "method": method, "params": parameters, **session}
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while "id" not in (answer := self._read()):
            self._events.append(answer)
        assert "error" not in answer, f"{method}: {answer['error']}"
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self) -> dict[str, Any]:
        message = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has stopped"
            message += byte
        answer: dict[str, Any] = json.loads(message)
        return answer

    def close(self) -> None:
        """Close the pipe."""
        self._commands.close()
        self._answers.close()


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Tab]:
    """Run the browser for the length of a `with` block; the browser writes its data into the folder `profile`."""
    (command_read, command_write), (answer_read, answer_write) = _pipe(), _pipe()
    # Chromium reads commands from file descriptor 3 and writes its answers to file descriptor 4.
    redirect = f'exec "$@" 3<&{command_read} 4>&{answer_write}'
    browser = subprocess.Popen(
        ["bash", "-c", redirect, "bash", program, *FLAGS, f"--user-data-dir={profile}"],
        pass_fds=(command_read, answer_write),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(profile)},
    )
    os.close(command_read)
    os.close(answer_write)
    tab = None
    try:
        tab = Tab(command_write, answer_read)
        yield tab
    finally:
        browser.terminate()
        try:
            browser.wait(timeout=10)
        finally:
            browser.kill()
            browser.wait()
            if tab is not None:
                tab.close()


def _pipe() -> tuple[int, int]:
    """Open a pipe with file descriptors of 10 or more, so that neither end is 3 or 4."""
    ends = os.pipe()
    above = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return above[0], above[1]
