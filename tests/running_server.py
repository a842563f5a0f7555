"""The server in a thread of the test, so that its deadlines and its passwords are in the test's hand."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from prometheus_client import CollectorRegistry

from access_exporter.polling.snapshots import Snapshots
from access_exporter.serving import server
from access_exporter.serving.routes import Web
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.web_config import WebSettings
from tests.fakes import FakeClock

PATIENCE_SECONDS = 20


def pages(web_config: Path | None = None) -> Web:
    """The pages of an exporter without targets."""
    settings = WebSettings(str(web_config) if web_config else None)
    clock = FakeClock()
    snapshots = Snapshots(clock)
    status_page = StatusPage(snapshots, clock, "/metrics", demo=False)
    return Web(snapshots, CollectorRegistry(), status_page, None, metrics_path="/metrics", settings=settings)


@contextmanager
def serving(application: Any, context: Callable[[], ssl.SSLContext | None] = lambda: None) -> Iterator[int]:
    """Serve an ASGI application for the length of a `with` block; give its port."""
    with server.listen("127.0.0.1", 0) as listener:
        running = server.new_server(application, context)
        loops: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()

        def serve() -> None:
            with asyncio.Runner() as runner:
                loops.put(runner.get_loop())
                runner.run(running.serve(sockets=[listener]))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            loops.get().call_soon_threadsafe(running.stop)
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def connect(port: int, **options: int) -> socket.socket:
    """Connect to a port of this machine."""
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(("127.0.0.1", port))
    return connection


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the other side ends the connection, by a goodbye or by force."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received
