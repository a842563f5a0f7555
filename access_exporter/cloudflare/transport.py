"""A requests session for one credential that follows no redirect, and whose `timeout` bounds a whole request.

The timeouts of requests and urllib3 bound each read, so a server that sends a byte a second holds a request for ever.
Here each read from the socket gets what is left of the request's time.
"""

import contextlib
import http.client
import io
import socket
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from access_exporter import __version__
from access_exporter.background import call
from access_exporter.cloudflare import failures


def session(url: str, connections: int) -> requests.Session:
    """Return a session for a base URL that keeps up to so many connections open and no cookies.

    The proxy and the certificate authorities that the environment names are looked up once, not at each request, and
    a .netrc, which would replace the credential, not at all.
    """
    made = _Session()
    environment = made.merge_environment_settings(url, {}, None, None, None)
    made.proxies, made.verify, made.trust_env = environment["proxies"], environment["verify"], False
    made.headers.update(
        {
            "User-Agent": f"cloudflare-access-exporter/{__version__}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
    )
    adapter = _Adapter(pool_maxsize=connections)
    made.mount("https://", adapter)
    made.mount("http://", adapter)
    return made


class _Session(requests.Session):
    """Follows no redirect, and does not prepare to: for that, requests reads the whole body of one into memory."""

    def get_redirect_target(self, _response: requests.Response) -> None:
        return None


class _RawSocketReader(io.RawIOBase):
    """The reading side of a socket, up to a moment of the monotonic clock."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        # The reader made by the socket itself keeps the socket open until it is closed.
        self._reader = sock.makefile("rb", buffering=0)
        self._sock = sock
        self._deadline = deadline
        self.has_ended = False
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._is_over:
            return None
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the request took longer than its timeout")
        self._sock.settimeout(left)
        count = self._reader.readinto(buffer)
        self.has_ended = count == 0
        return count

    def hang_up_unless_empty(self, buffered: io.BufferedReader) -> None:
        """End the connection where more came than was asked for: the next request would get that for its answer."""
        self._is_over = True  # so that a look at what was read reads no more
        if buffered.peek(1):
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _DeadlineSocket:
    """What http.client.HTTPResponse asks of a socket: a file to read from."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self.reader = _RawSocketReader(sock, monotonic() + timeout)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self.reader, 65536)


class _Response(http.client.HTTPResponse):
    """An answer, read more carefully than http.client does."""

    def __init__(self, sock: _DeadlineSocket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)  # type: ignore[arg-type]
        self._reader = sock.reader

    def begin(self) -> None:
        """Pass over every answer that is not the last: http.client does that for 100, and takes 103 for the last."""
        super().begin()
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # as it was before it began
            super().begin()
        if self._reader.has_ended:
            raise http.client.IncompleteRead(b"")  # in the middle of the headers, which http.client takes for their end
        for name in ("Set-Cookie", "Set-Cookie2"):  # kept by nobody, and Python's parser of them may print a traceback
            del self.headers[name]

    def _close_conn(self) -> None:
        self._reader.hang_up_unless_empty(self.fp)
        super()._close_conn()  # type: ignore[misc]

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk of less than nothing")  # -1 would be read to the end, however much that is
        return size


class _WholeTimeout:
    """Mixed into a connection: an answer is read within what connecting left of the timeout."""

    timeout: float
    port: int
    socket_options: Any

    def connect(self) -> None:
        """Connect, and mark the failure to: until then nothing of a request can have left."""
        try:
            super().connect()  # type: ignore[misc]
        except Exception as error:
            failures.mark_as_connecting(error)
            raise

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers.

        The addresses share the timeout: the one that drops everything must leave time for the next.
        """
        name: str = self._dns_host  # type: ignore[attr-defined]
        end = monotonic() + self.timeout
        failure: OSError | None = None
        try:
            # Nothing ends a look-up sooner than the system's own patience.
            found = call(lambda: socket.getaddrinfo(name, self.port, type=socket.SOCK_STREAM), "resolver")
            addresses = [each[4][:2] for each in found.result(self.timeout)]
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the name was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(name, self, error) from error  # type: ignore[arg-type]
        for number, address in enumerate(addresses):
            share = max(0.001, (end - monotonic()) / (len(addresses) - number))
            try:
                made = create_connection(address, share, socket_options=self.socket_options)  # type: ignore[arg-type]
            except OSError as error:
                failure = error.with_traceback(None)  # which would hold this very variable
                continue
            made.settimeout(max(0.001, end - monotonic()))  # for TLS, which comes before any answer
            return made
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no address answered") from failure
        raise NewConnectionError(self, "no address answered") from failure  # type: ignore[arg-type]

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return _Response(_DeadlineSocket(sock, self.timeout), *args, **kwargs)


class _HTTPConnection(_WholeTimeout, HTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_WholeTimeout, HTTPSConnection):  # type: ignore[misc]
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection  # type: ignore[assignment]


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection  # type: ignore[assignment]


class _Adapter(HTTPAdapter):
    """Makes the pools above, for direct connections and for those through a proxy from the environment."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        _use_our_pools(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return _use_our_pools(super().proxy_manager_for(proxy, **kwargs))


def _use_our_pools(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return manager
