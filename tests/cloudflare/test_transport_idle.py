"""Connections that stay open between requests."""

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import urllib3

from access_exporter.cloudflare import transport
from access_exporter.simulator import Handler, Simulator
from tests.api_client import Bench, simulator
from tests.certificates import Authority
from tests.middlebox import middlebox

pytestmark = pytest.mark.usefixtures("no_proxy")


class Uptime:
    """An injected clock for the uptime of the machine."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def uptime(monkeypatch: pytest.MonkeyPatch) -> Uptime:
    made = Uptime()
    monkeypatch.setattr(transport, "uptime", made)
    return made


def two_at_once(server: Simulator, bench: Bench) -> None:
    """Send two requests so that both are in flight at the same time."""
    barrier = threading.Barrier(2)

    def wait(handler: Handler) -> None:
        barrier.wait(10)
        handler.send(handler.response())

    server.fault = lambda _: wait
    asking = [threading.Thread(target=bench.get) for _ in range(2)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    server.fault = None


def test_a_connection_that_was_dropped_silently(uptime: Uptime) -> None:
    """After a minute without requests, the client opens a new connection, so a dropped one causes no timeout."""
    with simulator(users=5, max_per_page=1) as server, middlebox(server.url) as (between, url):
        bench = Bench(url, timeout=5, concurrency=3)
        assert len(bench.rows()) == 5
        between.forget()
        uptime.now += 60.1
        assert len(bench.rows()) == 5
        bench.get()
        assert set(bench.codes("users")) == {"200"}
        assert bench.sample("retries_total", endpoint="users") == 0


def test_idle_time_of_each_connection(uptime: Uptime) -> None:
    """Each connection has its own idle time: using one connection does not keep another one open."""
    with simulator() as server, middlebox(server.url) as (between, url):
        bench = Bench(url)
        two_at_once(server, bench)
        assert between.connections == 2
        for _ in range(3):
            uptime.now += 30
            bench.get()
        assert between.connections == 2
        two_at_once(server, bench)
        assert between.connections == 3


def test_over_tls(uptime: Uptime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute without requests, the client opens a new TLS connection."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.cert))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server").files)
    with simulator(ssl_context=context) as server, middlebox(server.url) as (between, url):
        bench = Bench(url, timeout=5)
        bench.get()
        between.forget()
        uptime.now += 61
        bench.get()
        assert bench.codes() == {"200": 2}


def test_through_a_proxy(uptime: Uptime, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a minute without requests, the client opens a new connection to the proxy."""
    with simulator() as proxy, middlebox(proxy.url) as (between, url):
        monkeypatch.setenv("http_proxy", url.removesuffix("/client/v4"))
        bench = Bench("http://api.example/client/v4", timeout=5)
        bench.get()
        between.forget()
        uptime.now += 61
        bench.get()
        assert bench.codes() == {"200": 2}
        assert between.connections == 2


def test_a_busy_connection_is_kept(uptime: Uptime) -> None:
    """The client keeps a connection that it uses every minute."""
    with simulator() as server, middlebox(server.url) as (between, url):
        bench = Bench(url)
        for _ in range(5):
            bench.get()
            uptime.now += 60
    assert between.connections == 1


def test_keep_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP keepalive starts after 60 s, so that the system notices a dead connection."""
    made: list[socket.socket] = []
    real = urllib3.util.connection.create_connection

    def connect(*arguments: Any, **more: Any) -> socket.socket:
        made.append(real(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(transport, "create_connection", connect)
    with simulator() as server:
        bench = Bench(server.url)
        bench.get()
        (connection,) = made
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
