"""A requests session for one credential that follows no redirect, and whose `timeout` bounds a whole request.

The timeouts of requests and urllib3 bound each read, so a server that sends a byte a second holds a request for ever.
Here each read from the socket gets what is left of the request's time.
"""

import http.client
import io
import socket
from http.cookiejar import DefaultCookiePolicy
from time import monotonic
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from access_exporter import __version__


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
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("the request took longer than its timeout")
        self._sock.settimeout(left)
        return self._reader.readinto(buffer)

    def close(self) -> None:
        self._reader.close()
        super().close()


class _DeadlineSocket:
    """What http.client.HTTPResponse asks of a socket: a file to read from."""

    def __init__(self, sock: socket.socket, timeout: float) -> None:
        self._sock = sock
        self._deadline = monotonic() + timeout

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_RawSocketReader(self._sock, self._deadline), 65536)


class _WholeTimeout:
    """Mixed into a connection: an answer is read within what connecting left of the timeout."""

    timeout: float

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_DeadlineSocket(sock, self.timeout), *args, **kwargs)  # type: ignore[arg-type]


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
