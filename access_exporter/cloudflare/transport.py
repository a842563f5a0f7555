"""A requests session for one credential: it follows no redirect, and its `timeout` limits a whole request.

The timeouts of requests and urllib3 bound each read, so a server that sends a byte a second holds a request for ever.
Here each read from the socket gets what is left of the request's time.

This is the only file that uses private names of other packages; pyproject.toml limits their versions.

| Private name | Fault it prevents |
|---|---|
| urllib3: `HTTPConnection._new_conn` | a name server that does not answer holds a request longer than its timeout |
| | the first address of a host drops every packet, and no time is left for the next one |

http.client has names without an underscore that it does not document:

| Name | Fault it prevents |
|---|---|
| `HTTPConnection.response_class`, `HTTPResponse.fp` | headers that come a byte now and then hold a request for ever |
| | bytes behind an answer are taken for the answer to the next request |
| `HTTPResponse.begin` | 102 Processing or 103 Early Hints is taken for the answer |
| | headers that break off are taken for whole ones |
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

# Firewalls drop idle connections without a word: what is sent on one then gets no answer, and no refusal either.
MOST_IDLE_SECONDS = 60
_UPTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # not every system has a clock of a suspended machine


def uptime() -> float:
    """Return seconds that go on while the machine is suspended, where the system counts them."""
    return time.clock_gettime(_UPTIME)


def session(api: Api, connections: int) -> requests.Session:
    """Return a session for an API that keeps up to so many connections open and no cookies.

    The proxy and the certificate authorities that the environment names are looked up once, not at each request, and
    a .netrc, which would replace the credential, not at all.
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
    """What a socket receives for one answer, within the timeout that the socket has now."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self.sock = sock
        self.deadline = monotonic() + (sock.gettimeout() or 0.0)  # every request has a timeout
        self.has_ended = False
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # Any: what supports the buffer protocol has no name before 3.12
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
    """What was received for one answer and is not read yet."""

    def __init__(self, incoming: _Incoming) -> None:
        super().__init__(incoming, 65536)
        self._incoming = incoming

    def read1(self, size: int = -1) -> bytes:
        if size < 0:
            raise http.client.IncompleteRead(b"")  # a chunk of -1 bytes, which http.client reads to the end
        return super().read1(size)

    def close(self) -> None:
        """End the connection where more came than the answer."""
        self._incoming.deadline = 0.0  # so that a look at what is here receives no more
        with contextlib.suppress(OSError, ValueError, AttributeError):  # TLS within TLS has no shutdown
            if self.peek(1):
                self._incoming.sock.shutdown(socket.SHUT_RDWR)
        super().close()


class _Response(http.client.HTTPResponse):
    """An answer, read more carefully than http.client does."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:  # Any: handed on as they come
        super().__init__(sock, *args, **kwargs)
        self._incoming = _Incoming(sock, self.fp.detach())
        self.fp = _Buffer(self._incoming)

    def begin(self, *args: Any, **kwargs: Any) -> None:  # Any: handed on; the newest Python passes one
        """Pass over every answer that is not the last: http.client does that for 100, and takes 103 for the last."""
        super().begin(*args, **kwargs)
        while 100 <= self.status < 200:
            self.headers = None  # type: ignore[assignment]  # as it was before it began
            super().begin(*args, **kwargs)
        if self._incoming.has_ended:
            raise http.client.IncompleteRead(b"")  # in the middle of the headers, which http.client takes for their end


class _HTTPConnection(HTTPConnection):
    """Connects within the timeout, even if name servers or addresses hang, and connects again after it was idle."""

    timeout: float
    response_class = _Response

    def __init__(self, host: str, *args: Any, **kwargs: Any) -> None:  # Any: handed on as they come
        super().__init__(host, *args, **kwargs)
        self._name = self.host + ("." if host.endswith(".") else "")  # with the dot no search domain is tried
        self.socket_options = [*(self.socket_options or []), *keep_alive.SOCKET_OPTIONS]
        self._used_at = uptime()

    @property
    def is_connected(self) -> bool:
        """Whether a request may be sent on it; the pool asks for that, and connects again if not."""
        return super().is_connected and uptime() - self._used_at <= MOST_IDLE_SECONDS

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        """Return the answer, and note when it came."""
        response = super().getresponse()
        self._used_at = uptime()
        return response

    def connect(self) -> None:
        """Connect, and mark the failure to: until then nothing of a request can have left."""
        try:
            super().connect()
            self._used_at = uptime()
        except Exception as error:
            failures.mark_as_connecting(error)
            raise

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers.

        The addresses share the timeout: the one that drops everything must leave time for the next.
        """
        end = monotonic() + self.timeout
        # Nothing ends a look-up sooner than the system's own patience.
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
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]  # it wants a gaierror
        except OSError as error:
            raise NewConnectionError(self, "no address answered") from error

    def _connected(self, address: tuple[str, int], end: float, share: float) -> socket.socket:
        made = create_connection(address, max(0.001, share), socket_options=self.socket_options)
        made.settimeout(max(0.001, end - monotonic()))  # for TLS, which comes before any answer
        return made


class _HTTPSConnection(_HTTPConnection, HTTPSConnection):
    pass


class _Adapter(HTTPAdapter):
    """Makes the connections above to one base URL, directly or through a proxy from the environment."""

    _pool: Any = None  # Any: the stubs know its base only

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:  # Any: handed on as they come
        """Return the one pool there is: to look it up each time costs a tenth of a request."""
        if self._pool is None:
            pool: Any = super().get_connection_with_tls_context(*args, **kwargs)  # Any: as above
            pool.ConnectionCls = _HTTPSConnection if pool.scheme == "https" else _HTTPConnection
            self._pool = pool
        return self._pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:  # Any: as requests has it
        """Return an answer without a jar of cookies: Python's parser prints a traceback for unusual ones."""
        response = requests.Response()
        response.status_code, response.raw, response.request = resp.status, resp, req
        response.headers = CaseInsensitiveDict(resp.headers)
        return response
