"""The web server in a thread of the test, and clients of it; tests can change its deadlines and passwords."""

import asyncio
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

import requests
from prometheus_client import CollectorRegistry

from access_exporter.addresses import Address
from access_exporter.polling.snapshots import Snapshots
from access_exporter.serving import server
from access_exporter.serving.listening import listen
from access_exporter.serving.messages import Application, Request, Response
from access_exporter.serving.routes import Web
from access_exporter.serving.status_page import StatusPage
from access_exporter.serving.turns import Turn
from access_exporter.serving.web_settings import WebSettings
from tests.fakes import FakeClock

PATIENCE_SECONDS = 20
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
# Larger than the system's send buffer (net.ipv4.tcp_wmem), so that a client that does not read blocks the response.
BIG = 16 * 1024 * 1024


class Asker:
    """A client without a connection, which waits for its turn without a limit."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.was_refused = False
        self.at_end: Callable[[], None] | None = None

    async def wait(self, turn: asyncio.Future[Turn]) -> Turn:
        return await turn

    async def take_turn(self) -> None:
        pass


def pages(web_config: Path | None = None, allowed_hosts: Sequence[str] | None = None) -> Application:
    """Return the application of an exporter without targets."""
    settings = WebSettings(str(web_config) if web_config else None, allowed_hosts)
    clock = FakeClock()
    snapshots = Snapshots(clock)
    status_page = StatusPage(snapshots, "/metrics", demo=False)
    web = Web(snapshots, CollectorRegistry(), status_page, None, metrics_path="/metrics", settings=settings)
    return web.respond


@contextmanager
def serving(
    application: Application, context: Callable[[], ssl.SSLContext | None] = lambda: None, most_answers: int = 40
) -> Iterator[int]:
    """Serve an application during a `with` block, and return its port."""
    with serving_at(["127.0.0.1"], application, context, most_answers) as (port,):
        yield port


@contextmanager
def serving_at(
    hosts: Iterable[str],
    application: Application,
    context: Callable[[], ssl.SSLContext | None] = lambda: None,
    most_answers: int = 40,
) -> Iterator[list[int]]:
    """Serve an application at several addresses during a `with` block, and return their ports."""
    with ExitStack() as opened:
        listeners = [opened.enter_context(each) for each in listen(Address(host, 0) for host in hosts)]
        running = server.Server(application, context, most_answers)
        loops: SimpleQueue[asyncio.AbstractEventLoop] = SimpleQueue()

        def serve() -> None:
            with asyncio.Runner() as runner:
                loops.put(runner.get_loop())
                runner.run(running.serve(listeners))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield [listener.getsockname()[1] for listener in listeners]
        finally:
            loops.get().call_soon_threadsafe(running.stop)
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


def sending(size: int, parts: int = 1) -> Application:
    """Return an application that answers every request with this many bytes."""

    async def respond(_: Request) -> Response:
        return Response((b"x" * size,) * parts)

    return respond


def taking_turns(size: int) -> Application:
    """Return an application with large responses that take turns; each response has its own bytes."""

    async def respond(request: Request) -> Response:
        await request.client.take_turn()
        return Response((bytes(size),))

    return respond


def connect(port: int, source: str = "127.0.0.1", **options: int) -> socket.socket:
    """Connect to a port of this machine, from one of its addresses."""
    connection = socket.socket()
    connection.bind((source, 0))
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(PATIENCE_SECONDS)
    connection.connect(("127.0.0.1", port))
    return connection


def everything(connection: socket.socket) -> bytes:
    """Return all data until the server closes or resets the connection."""
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received


def status(answer: bytes) -> bytes:
    """Return the status line of a response."""
    return answer.partition(b"\r\n")[0]


def answered(connection: socket.socket, request: bytes = REQUEST) -> bytes:
    """Send a request, read the whole response, and return its status line; the connection stays open."""
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return b"HTTP/1.1 %d %s" % (answer.status, answer.reason.encode())


def drip(connection: socket.socket, byte: bytes = b"x") -> None:
    """Send a byte now and then until the server answers."""
    try:
        while not select.select([connection], [], [], 0.005)[0]:
            connection.sendall(byte)
    except OSError:
        pass  # the server closed the connection


def scrape(port: int) -> int:
    """Scrape on a new connection, and return the status."""
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10).status_code
