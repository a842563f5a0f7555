"""A real Prometheus and a real Alertmanager for tests, on the loopback interface."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import requests
import yaml

from tests.deploy.programs import program

T = TypeVar("T")

PATIENCE_SECONDS = 45
_PAUSE = Event()


def eventually(what: str, look: Callable[[], T | None]) -> T:
    """Call `look` again and again until it finds something, and return that; fail after 45 s."""
    patient_until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patient_until:
        try:
            found = look()
        except requests.ConnectionError:
            found = None
        if found:
            return found
        _PAUSE.wait(0.1)
    raise AssertionError(f"after {PATIENCE_SECONDS} s there is still no sign of {what}")


def free_ports(number: int) -> list[int]:
    """Return free ports of the loopback interface."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [listening.getsockname()[1] for listening in sockets]


@contextmanager
def running(*command: str | Path, log: Path) -> Iterator[None]:
    """Run a program for the length of a `with` block, and write its output to a file."""
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=log.parent)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        finally:
            process.kill()
            process.wait()


class Prometheus:
    """A running Prometheus and its HTTP API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: str | float) -> Any:
        """Return the data of a response of the API; raises AssertionError with Prometheus's message on an error."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current samples of an expression."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found


@contextmanager
def prometheus(name: str, config: dict[str, Any], folder: Path, port: int) -> Iterator[Prometheus]:
    """Run this Prometheus program with a configuration; it keeps its data and its log in `folder`."""
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config), "utf-8")
    command = [
        program(name),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=30d",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(*command, log=folder / "prometheus.log"):
        server = Prometheus(f"http://127.0.0.1:{port}")
        eventually("a ready Prometheus", lambda: requests.get(f"{server.url}/-/ready", timeout=5).ok)
        yield server


@contextmanager
def alertmanager(config: dict[str, Any], folder: Path, port: int) -> Iterator[str]:
    """Run an Alertmanager with a configuration, and yield its URL."""
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config), "utf-8")
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={folder / 'alertmanager.yaml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(*command, log=folder / "alertmanager.log"):
        url = f"http://127.0.0.1:{port}"
        eventually("a ready Alertmanager", lambda: requests.get(f"{url}/-/ready", timeout=5).ok)
        yield url


class Relay:
    """A proxy between Prometheus and an exporter that records the Content-Type of each response.

    With `accept`, the proxy requests that format, because old versions of Prometheus have no setting for the format.
    """

    def __init__(self, target: str, accept: str | None = None) -> None:
        """Serve on a free port of the loopback interface."""
        self.content_types: set[str] = set()
        relay = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # http.server's name
                wanted = accept or self.headers["Accept"]
                answer = requests.get(target + self.path, headers={"Accept": wanted}, timeout=10)
                relay.content_types.add(answer.headers["Content-Type"])
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
