"""uvicorn with deadlines: what a client may take of the process is bounded in time and in connections.

A connection that does not send a whole request, finish a TLS handshake or read its answer in time is dropped. When
too many wait, the one that waits longest goes first, so that a scrape always finds a place.
"""

import asyncio
import resource
import socket
import ssl
import time
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

HANDSHAKE_SECONDS = 10
REQUEST_SECONDS = 10
ANSWER_SECONDS = 30
KEEP_ALIVE_SECONDS = 75  # longer than a usual scrape interval
STOP_SECONDS = 3  # what is in flight at a stop gets this long to be answered
MAX_WAITING = 1000
MAX_HEAD_BYTES = 16 * 1024
# What is kept of an answer for a client that does not read: by the process, and by the system.
UNREAD_BYTES = 32 * 1024
SEND_BUFFER_BYTES = 128 * 1024


def new_server(application: Any, context: Callable[[], ssl.SSLContext | None]) -> "_Server":
    """Return a server of an ASGI application; `context` is asked at each connection and None means no TLS."""
    allowed = _allowed_connections()
    waiting = _Waiting(allowed)

    def connect(**settings: Any) -> asyncio.BaseProtocol:
        connection = _Connection(waiting, **settings)
        tls = context()
        return connection if tls is None else _TlsConnection(waiting, connection, tls)

    return _Server(
        uvicorn.Config(
            application,
            http=connect,  # type: ignore[arg-type]  # called like the class it stands for
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=1 + allowed // 10,  # so many are accepted at once: each is read before it may have to make room
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=STOP_SECONDS,
        ),
        waiting,
    )


def listen(host: str, port: int) -> socket.socket:
    """Open a listening socket, on every address of IPv4 and IPv6 where no host is given; raises OSError."""
    dual = not host and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual or ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, dualstack_ipv6=dual, backlog=socket.SOMAXCONN)
    # Every connection inherits both. Without the first, half an answer waits for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return listener


class _Server(uvicorn.Server):
    """uvicorn without its signal handling: a stop that was asked for is a success."""

    def __init__(self, config: uvicorn.Config, waiting: "_Waiting") -> None:
        super().__init__(config)
        self._waiting = waiting
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """Let `serve` end; called in its event loop."""
        self.should_exit = True
        self._stopped.set()

    async def main_loop(self) -> None:
        await self._stopped.wait()  # uvicorn would wake up ten times a second to see whether it should

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(socket.SOMAXCONN)  # how many may wait to be accepted is another number than uvicorn's

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or ():  # asyncio loses a connection that it accepts while it closes
            asyncio.get_running_loop().remove_reader(listener)
        for _ in range(3):  # steps from the acceptance of a connection to its first callback
            await asyncio.sleep(0)
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):  # whoever was not answered in time
            connection.transport.abort()
        self._waiting.drop_all()

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override]
        return nullcontext()


def _allowed_connections() -> int:
    """Raise the limit of open files as far as it is needed and allowed; return how many connections may wait."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MAX_WAITING
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_WAITING, soft // 2)


class _Waiting:
    """The connections that wait for their client, in the order in which they began to."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._transports: dict[asyncio.Transport, None] = {}

    def add(self, transport: asyncio.Transport) -> None:
        self.remove(transport)
        self._transports[transport] = None
        if len(self._transports) > self._most:
            oldest = next(iter(self._transports))
            self.remove(oldest)
            oldest.abort()

    def remove(self, transport: asyncio.Transport) -> None:
        self._transports.pop(transport, None)

    def drop_all(self) -> None:
        while self._transports:
            self._transports.popitem()[0].abort()


class _Connection(H11Protocol):
    """A connection whose every step has a deadline."""

    socket_transport: asyncio.Transport | None = None  # the one below TLS, if there is TLS

    def __init__(self, waiting: _Waiting, **settings: Any) -> None:
        super().__init__(**settings)
        self._waiting = waiting
        self._deadline: asyncio.TimerHandle | None = None
        self._idle = False
        self._is_last = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.socket_transport = self.socket_transport or transport
        transport.set_write_buffer_limits(UNREAD_BYTES)
        self._waiting.add(self.socket_transport)
        self._allow(REQUEST_SECONDS)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            # Who sends the next request before there is an answer may read none: they would all be made for nobody.
            self._is_last = bool(self.conn.trailing_data[0])
            self._answer()
        elif self._idle:
            self._idle = False
            self._allow(REQUEST_SECONDS)

    def on_response_complete(self) -> None:
        self._idle = True
        self._waiting.add(self._socket())
        # To read the answer and to ask again. uvicorn's own timer closes politely, which ends when all is read.
        self._allow(KEEP_ALIVE_SECONDS + STOP_SECONDS)
        if self._is_last:
            self.transport.close()
        before = self.cycle
        super().on_response_complete()
        if self.cycle is not before:  # the next request came before the end of this answer was noted
            self._answer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._waiting.add(self._socket())

    def resume_writing(self) -> None:
        super().resume_writing()
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says
        if cycle is not None and not cycle.response_complete:
            self._waiting.remove(self._socket())

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that has said all it will say, and hang up on one that has asked for nothing."""
        self._is_last = True
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._waiting.remove(self._socket())
        super().connection_lost(exc)
        self._unset_keepalive_if_required()  # uvicorn keeps a timer, and with it the connection, after a reset

    def _answer(self) -> None:
        self._idle = False
        if not self.flow.write_paused:  # or else it still waits for the client to read
            self._waiting.remove(self._socket())
        self._allow(ANSWER_SECONDS)

    def _socket(self) -> asyncio.Transport:
        return self.socket_transport or self.transport

    def _allow(self, seconds: float) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(seconds, self._socket().abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _TlsConnection(SSLProtocol):
    """TLS below a connection; made per connection, so that each gets the certificates of its day."""

    max_size = 16 * 1024  # of what is read at once: each connection has such a buffer, and a request is small

    def __init__(self, waiting: _Waiting, connection: _Connection, context: ssl.SSLContext) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            connection,
            context,
            None,  # type: ignore[arg-type]  # nobody waits for the handshake
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=STOP_SECONDS,
        )
        self._waiting = waiting
        self._connection = connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connection.socket_transport = transport
        self._waiting.add(transport)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._connection.socket_transport is not None:
            self._waiting.remove(self._connection.socket_transport)
        super().connection_lost(exc)

    def _on_handshake_complete(self, handshake_exc: BaseException | None) -> None:
        if handshake_exc is not None:
            self._process_outgoing()  # type: ignore[attr-defined]  # the alert that tells the client why
        elif _has_expired(self._sslobj.getpeercert() or None):  # type: ignore[attr-defined]
            handshake_exc = ssl.SSLCertVerificationError("resumed with a certificate that has expired meanwhile")
        super()._on_handshake_complete(handshake_exc)


def _has_expired(certificate: Mapping[str, Any] | None) -> bool:
    """Tell whether a client's certificate, which OpenSSL does not look at when a session is resumed, is too old."""
    return certificate is not None and ssl.cert_time_to_seconds(certificate["notAfter"]) < time.time()
