"""The simulator's HTTP/1.1 server: threads, keep-alive, optionally TLS, and faults on demand."""

import ipaddress
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, Self, TypeAlias, Unpack
from urllib.parse import parse_qsl, urlsplit

from access_exporter.simulator.account import Account
from access_exporter.simulator.answers import Response
from access_exporter.simulator.api import Api, Habits, Request


class Handler(BaseHTTPRequestHandler):
    """One connection, which is what a fault gets in its hands.

    A fault may write any bytes to `wfile`, hang, close or reset `connection`, or change the proper answer:
    `handler.send(replace(handler.response(), status=503))`. The connection is closed after a fault, unless it sent a
    whole answer with `send`.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    arrival: Request

    def __init__(self, simulator: "Simulator", *connection: Any) -> None:  # Any: as socketserver types it
        self.simulator = simulator
        self._close_after = False
        super().__init__(*connection)

    def response(self) -> Response:
        """The proper answer to the request."""
        return self.simulator.api.answer(self.arrival)

    def send(self, response: Response) -> None:
        """Send a whole answer in one write, and keep the connection if the client wants that."""
        self.close_connection = self._close_after
        headers = {
            "Date": self.date_time_string(self.arrival.time),
            "Content-Type": "application/json",
            **response.headers,
            "Content-Length": str(len(response.body)),
            "Connection": "close" if self._close_after else "keep-alive",
        }
        status_line = f"HTTP/1.1 {response.status} {responses.get(response.status, '')}\r\n"
        head = status_line + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        body = b"" if self.command == "HEAD" else response.body
        self.wfile.write(head.encode("latin-1") + body)

    def serve(self) -> None:
        """Answer one request, or let a fault do it."""
        # A chunked body stays unread, so that connection cannot be used again.
        self._close_after = self.close_connection or "Transfer-Encoding" in self.headers
        self.arrival = self._arrive()
        self.simulator.arrivals.append(self.arrival)
        fault = self.simulator.fault(self.arrival) if self.simulator.fault else None
        if fault is None:
            self.send(self.response())
            return
        self.close_connection = True
        fault(self)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve  # noqa: N815 – http.server's names

    def _arrive(self) -> Request:
        url = urlsplit(self.path)
        return Request(
            time=self.simulator.clock(),
            method=self.command,
            path=url.path,
            query=dict(parse_qsl(url.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            client=self.client_address,
        ).routed()

    def log_message(self, *_: object) -> None:
        """Say nothing: a line for each request would bury the log of whoever asks."""


class _Server(socketserver.ThreadingTCPServer):  # http.server's own asks the DNS for the name of the machine
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, simulator: "Simulator", address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(address, partial(Handler, simulator))
        if context is not None:
            # The handshake waits for the first read, in the thread of the connection: a silent client blocks nobody.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:  # Any: as socketserver types them
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # Any: as socketserver types it
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in tuple(self._connections):
            with suppress(OSError):  # it may be gone already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as socketserver types them
        if isinstance(sys.exception(), OSError):
            return  # clients may hang up whenever they like, and faults do so on purpose
        super().handle_error(request, client_address)


# Takes over a connection instead of the proper answer.
Fault: TypeAlias = Callable[[Handler], None]


class Simulator:
    """Serves accounts at `url`, between `start` and `stop` or inside a `with` block.

    `fault` is asked at each request and may be replaced at any time; `arrivals` keeps the last 10,000 requests. The
    `habits` are those of `Api`. Raises ValueError for an address that is not loopback.
    """

    def __init__(
        self,
        accounts: Iterable[Account],
        *,
        clock: Callable[[], float] = time.time,
        address: tuple[str, int] = ("127.0.0.1", 0),
        fault: Callable[[Request], Fault | None] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        **habits: Unpack[Habits],
    ) -> None:
        if not ipaddress.ip_address(address[0]).is_loopback:
            raise ValueError(f"the simulator serves a loopback address only, not {address[0]}")
        self.api = Api(accounts, **habits)
        self.clock = clock
        self.fault = fault
        self.arrivals: deque[Request] = deque(maxlen=10_000)
        self._address = address
        self._ssl_context = ssl_context
        self._server: _Server | None = None
        self._thread = threading.Thread()

    @property
    def accounts(self) -> dict[str, Account]:
        """The accounts by id."""
        return self.api.accounts

    @property
    def url(self) -> str:
        """The base URL; the port is known from the first start on, and then stays."""
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{self._address[0]}:{self._address[1]}/client/v4"

    def start(self) -> None:
        """Listen and answer in threads of its own; after a stop, on the same port again.

        Raises OSError where the port is taken.
        """
        self._server = _Server(self, self._address, self._ssl_context)
        self._address = self._address[0], self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.01)  # seconds that a stop may take
        self._thread = threading.Thread(target=serve, name="cloudflare-simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and hang up on everyone; does nothing where that is done already."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
