"""The HTTP/1.1 server of the simulator, with threads, keep-alive, optional TLS, and faults for tests."""

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
    """One connection. A fault gets this object.

    A fault may write any bytes to `wfile`, hang, close or reset `connection`, or change the correct response:
    `handler.send(replace(handler.response(), status=503))`. The connection closes after a fault, unless the fault sent
    a complete response with `send`.
    """

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    arrival: Request

    def __init__(self, simulator: "Simulator", *connection: Any) -> None:  # Any: as socketserver types it
        self.simulator = simulator
        self._close_after = False
        super().__init__(*connection)

    def response(self) -> Response:
        """Return the correct response to the request."""
        return self.simulator.api.answer(self.arrival)

    def send(self, response: Response) -> None:
        """Send a complete response in one write, and keep the connection open if the client wants that."""
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
        """Answer one request, or let a fault answer it."""
        # The server does not read a chunked body, so the connection cannot be used for another request.
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
        """Log nothing: a line for each request would hide the other lines in the exporter's log."""


class _Server(socketserver.ThreadingTCPServer):  # the one in http.server queries the DNS at the start
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, simulator: "Simulator", address: tuple[str, int], context: ssl.SSLContext | None) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(address, partial(Handler, simulator))
        if context is not None:
            # The thread of the connection does the handshake at the first read. So a silent client blocks no other.
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
            with suppress(OSError):  # the client may have closed it already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # Any: as socketserver types them
        if isinstance(sys.exception(), OSError):
            return  # clients may close the connection at any time, and faults do it on purpose
        super().handle_error(request, client_address)


# A function that takes over a connection instead of the correct response.
Fault: TypeAlias = Callable[[Handler], None]


class Simulator:
    """Serves accounts over HTTP at `url`, between `start` and `stop` or in a `with` block.

    The simulator calls `fault` for each request; it returns a fault or None, and may be replaced at any time.
    `arrivals` has the last 10,000 requests. `habits` are the options of `Api`. Raises ValueError if the address is not
    a loopback address.
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
        """The base URL. Its port is known after the first `start`, and then never changes."""
        scheme = "https" if self._ssl_context else "http"
        return f"{scheme}://{self._address[0]}:{self._address[1]}/client/v4"

    def start(self) -> None:
        """Listen and answer requests in new threads. A restart uses the same port as before.

        Raises OSError if the port is in use.
        """
        self._server = _Server(self, self._address, self._ssl_context)
        self._address = self._address[0], self._server.server_address[1]
        serve = partial(self._server.serve_forever, poll_interval=0.01)  # the most seconds that `stop` waits
        self._thread = threading.Thread(target=serve, name="cloudflare-simulator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close all connections. Do nothing if the simulator has stopped already."""
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
