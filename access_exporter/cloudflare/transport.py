"""A session of the library requests for one credential. Its `timeout` limits a whole request.

The timeouts of requests and urllib3 limit only each read. A slow server that sends one byte a second could keep a
request open forever. Here, each read from the socket may take only the time that is left of the request's timeout.

No other file uses private names of other packages. pyproject.toml limits the versions of these packages.

| Private name | Fault it prevents |
|---|---|
| urllib3: `HTTPConnection._new_conn` | a name server does not answer, and the request takes longer than its timeout |
| | the first address of a host drops every packet, and no time is left to try the next address |

http.client does not document these names, although they have no underscore:

| Name | Fault it prevents |
|---|---|
| `HTTPConnection.response_class`, `HTTPResponse.fp` | headers arrive byte by byte, and the request never ends |
| | bytes after a response are read as the response to the next request |
| `HTTPResponse.begin` | 102 Processing or 103 Early Hints is read as the final response |
| | truncated headers are read as complete headers |
"""

import contextlib
import http.client
import io
import socket
import time
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family, create_connection

from access_exporter import __version__, keep_alive
from access_exporter.background import call
from access_exporter.cloudflare import authorities, failures
from access_exporter.config import Api

# Firewalls drop idle connections silently. A request on such a connection gets neither a response nor an error.
MOST_IDLE_SECONDS = 60
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # not every system counts suspended time


def uptime() -> float:
    """Return a monotonic time in seconds. On most systems it includes the time that the machine was suspended."""
    return time.clock_gettime(_UPTIME)


def session(api: Api, connections: int) -> requests.Session:
    """Return a session for an API. It keeps up to `connections` connections open, and no cookies.

    The session reads the proxy and the certificate authorities from the environment once, not for each request. It
    does not read .netrc, which would replace the credential.
    """
    made = requests.Session()
    trusted = authorities.from_environment()
    made.verify = trusted.path if trusted else True
    if api.uses_proxy:
        made.proxies = made.merge_environment_settings(api.url, {}, None, None, None)["proxies"]
    made.trust_env = False
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


class _Incoming(io.RawIOBase):
    """Reads one response from a socket, until the timeout that the socket has at the start is over."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self.sock = sock
        self.deadline = monotonic() + (sock.gettimeout() or 0.0)  # every request has a timeout
        self.has_ended = False
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # Any: the type collections.abc.Buffer needs Python 3.12
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the request took longer than its timeout")
        self.sock.settimeout(left)
        count = self._raw.readinto(buffer)
        self.has_ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Buffer(io.BufferedReader):
    """The received bytes of one response that are still to be read."""

    def __init__(self, incoming: _Incoming) -> None:
        super().__init__(incoming, 65536)
        self._incoming = incoming

    def read1(self, size: int = -1) -> bytes:
        if size < 0:
            raise http.client.IncompleteRead(b"")  # http.client would read a chunk of -1 bytes to the end of the stream
        return super().read1(size)

    def close(self) -> None:
        """Shut the connection down if it received bytes after the response."""
        self._incoming.deadline = 0.0  # so that `peek` sees the received bytes and does not wait for more
        with contextlib.suppress(OSError, ValueError, AttributeError):  # TLS within TLS has no shutdown
            if self.peek(1):
                self._incoming.sock.shutdown(socket.SHUT_RDWR)
        super().close()


class _Response(http.client.HTTPResponse):
    """A response of http.client with a deadline and stricter checks."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # Any: passed on unchanged
        super().__init__(sock, *args, **kwargs)
        self._incoming = _Incoming(sock, self.fp.detach())
        self.fp = _Buffer(self._incoming)

    def begin(self, *args: Any, **kwargs: Any) -> None:  # Any: passed on; only the newest Python passes any
        """Skip every 1xx response before the final one. http.client skips 100, but takes 103 for the final response."""
        super().begin(*args, **kwargs)
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # `begin` reads headers only if they are None
            super().begin(*args, **kwargs)
        if self._incoming.has_ended:
            raise http.client.IncompleteRead(b"")  # the headers are truncated, and http.client does not report it


class _HTTPConnection(HTTPConnection):
    """Connects within the timeout, even if name servers or addresses hang. Connects again after it was idle."""

    timeout: float
    response_class = _Response

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:  # Any: passed on unchanged
        super().__init__(host, *args, **kwargs)
        self._name = self.host + ("." if host.endswith(".") else "")  # the dot keeps the resolver from search domains
        self.socket_options = [*(self.socket_options or []), *keep_alive.SOCKET_OPTIONS]
        self._used_at = uptime()

    @property
    def is_connected(self) -> bool:
        """Whether the connection can still send a request. If not, the connection pool connects again."""
        return super().is_connected and uptime() - self._used_at <= MOST_IDLE_SECONDS

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # the base class in urllib3 has this type, too
        """Return the response, and record when the connection was used."""
        response = super().getresponse()
        self._used_at = uptime()
        return response

    def connect(self) -> None:
        """Connect. Mark the error if that fails, because then the request certainly was not sent."""
        try:
            super().connect()
            self._used_at = uptime()
        except Exception as error:
            failures.mark_as_connecting(error)
            raise

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers.

        The addresses share the timeout, so that an address that drops every packet leaves time for the next one.
        """
        end = monotonic() + self.timeout
        # A name lookup cannot be cancelled. So it runs in its own thread, and the request waits only until its timeout.
        where = (self._name, self.port, allowed_gai_family(), socket.SOCK_STREAM)
        found = call(lambda: socket.getaddrinfo(*where), "resolver")
        try:
            *others, last = [(str(each[4][0]), self.port) for each in found.result(self.timeout)]
            for number, address in enumerate(others):
                with contextlib.suppress(OSError):
                    return self._connected(address, end, (end - monotonic()) / (len(others) + 1 - number))
            return self._connected(last, end, end - monotonic())
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no name server or address answered in time") from error
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]  # urllib3 asks for gaierror
        except OSError as error:
            raise NewConnectionError(self, "no address answered") from error

    def _connected(self, address: tuple[str, int], end: float, share: float) -> socket.socket:
        made = create_connection(address, max(0.001, share), socket_options=self.socket_options)
        made.settimeout(max(0.001, end - monotonic()))  # limits the TLS handshake, which comes next
        return made


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """Makes requests use the connections above, to one base URL, directly or through a proxy of the environment."""

    _pool: Any = None  # Any: the type stubs know only its base class

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # Any: passed on unchanged
        """Return the only connection pool. A lookup for each request would take a tenth of the request's CPU time."""
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)  # Any: see `_pool`
            pool.ConnectionCls = _HTTPSConnection if pool.scheme == "https" else _HTTPConnection
            self._pool = pool
        return self._pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # Any: as in HTTPAdapter
        """Return a response without cookies, because Python's cookie parser prints a traceback for unusual cookies."""
        response = requests.Response()
        response.status_code, response.raw, response.request = resp.status, resp, req
        response.headers = CaseInsensitiveDict(resp.headers)
        return response
