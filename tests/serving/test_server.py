"""Connections that stall, and bytes that are no request: what they cost others, which is nothing."""

import asyncio
import gc
import http.client
import random
import resource
import select
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from access_exporter.serving import server
from tests.certificates import Authority
from tests.processes import Exporter, exporter
from tests.running_server import connect, everything, pages, serving

REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
# More than the system keeps of an answer that nobody reads (net.ipv4.tcp_wmem).
BIG = 16 * 1024 * 1024

Application = Callable[[Any, Any, Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]


def sending(size: int, *, parts: int = 1, done: threading.Event | None = None) -> Application:
    """An application that answers everything with so many bytes."""

    async def application(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        headers = [(b"content-length", b"%d" % (size * parts))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for part in range(1, parts + 1):
            await send({"type": "http.response.body", "body": b"x" * size, "more_body": part < parts})
            await asyncio.sleep(0)  # others have their turn between two parts
        if done:
            done.set()

    return application


def status(answer: bytes) -> bytes:
    return answer.partition(b"\r\n")[0]


def answered(connection: socket.socket, request: bytes = REQUEST) -> bytes:
    """Ask, read the whole answer, and return its status line, with the connection left open."""
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return b"HTTP/1.1 %d %s" % (answer.status, answer.reason.encode())


def drip(connection: socket.socket, byte: bytes = b"x") -> None:
    """Send a byte now and then until the other side has something to say."""
    try:
        while not select.select([connection], [], [], 0.005)[0]:
            connection.sendall(byte)
    except OSError:
        pass  # dropped in the middle of a byte


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.1)
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def tls(authority: Authority) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server").files)
    return context


class TestDeadlines:
    def test_request_that_never_ends(self, short: None) -> None:
        """A connection that does not send a whole request in time is dropped without an answer."""
        starts = [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"]
        with serving(pages()) as port, ExitStack() as opened:
            connections = [opened.enter_context(connect(port)) for _ in starts]
            for connection, start in zip(connections, starts, strict=True):
                connection.sendall(start)
            assert [everything(connection) for connection in connections] == [b""] * len(starts)

    def test_bytes_do_not_buy_time(self, short: None) -> None:
        """A byte now and then does not move the deadline of a request."""
        with serving(pages()) as port, connect(port) as connection:
            drip(connection)
            assert everything(connection) == b""

    def test_second_request_that_never_ends(self, short: None) -> None:
        """The deadline holds for a later request of a connection as well."""
        with serving(pages()) as port, connect(port) as connection:
            assert answered(connection) == b"HTTP/1.1 200 OK"
            connection.sendall(b"G")
            drip(connection)
            assert everything(connection) == b""

    def test_body_that_never_ends(self, short: None) -> None:
        """A body is neither read nor waited for, and the connection that goes on sending one is dropped."""
        with serving(pages()) as port, connect(port) as connection:
            endless = REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000000000\r\n\r\n")
            assert answered(connection, endless) == b"HTTP/1.1 200 OK"
            drip(connection)
            assert everything(connection) == b""

    def test_kept_open(self, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection may rest between requests for longer than a request may take, but not for ever."""
        monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.3)
        with serving(pages()) as port, connect(port) as connection, connect(port) as shorter:
            assert answered(connection) == b"HTTP/1.1 200 OK"
            assert everything(shorter) == b""
            assert answered(connection) == b"HTTP/1.1 200 OK"
            assert everything(connection) == b""

    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
    def test_answer_that_is_not_read(
        self, encrypted: bool, tls: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client that does not read its answer is dropped, although all of it was written."""
        monkeypatch.setattr(server, "KEEP_ALIVE_SECONDS", 0.05)
        monkeypatch.setattr(server, "STOP_SECONDS", 0.05)
        monkeypatch.setattr(server, "REQUEST_SECONDS", 0.3)
        monkeypatch.setattr(server, "HANDSHAKE_SECONDS", 0.3)
        with serving(sending(BIG), lambda: tls if encrypted else None) as port, ExitStack() as open_until_then:
            connection = connect(port, SO_RCVBUF=65536)
            if encrypted:
                connection = authority.client_context().wrap_socket(connection, server_hostname="127.0.0.1")
            open_until_then.enter_context(connection)
            connection.sendall(REQUEST)
            received = connection.recv(1)
            with connect(port) as later:
                assert everything(later) == b""  # by then the first deadline is over
            assert len(received + everything(connection)) < BIG

    def test_answer_under_way_that_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that cannot be sent to its end in time ends with its connection."""
        monkeypatch.setattr(server, "ANSWER_SECONDS", 0.1)
        done = threading.Event()
        with serving(sending(BIG, parts=3, done=done)) as port, connect(port, SO_RCVBUF=65536) as connection:
            connection.sendall(REQUEST)
            assert done.wait(10)
            assert len(everything(connection)) < BIG

    def test_requests_sent_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of requests that come in one piece the first is answered: the others would be for nobody, who reads none."""
        with serving(pages()) as port, connect(port) as connection:
            connection.sendall(3 * REQUEST)
            assert everything(connection).count(b"HTTP/1.1 200 OK") == 1

    def test_a_client_that_says_no_more(self) -> None:
        """Who closes the sending side after the request is answered, and one who has asked for nothing is not kept."""
        with serving(pages()) as port:
            for asked, answers in ((REQUEST, 1), (b"", 0), (REQUEST[:-2], 0)):
                with connect(port) as connection:
                    connection.sendall(asked)
                    connection.shutdown(socket.SHUT_WR)
                    assert everything(connection).count(b"HTTP/1.1 200 OK") == answers

    def test_nothing_is_left_of_a_reset(self) -> None:
        """Of a connection that a client resets, nothing is kept until a deadline would have ended it."""
        with serving(pages()) as port:
            for _ in range(20):
                with connect(port) as connection:
                    assert answered(connection) == b"HTTP/1.1 200 OK"
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with connect(port) as connection:
                assert answered(connection) == b"HTTP/1.1 200 OK"
            gc.collect()
            kept = [each for each in gc.get_objects() if isinstance(each, server._Connection)]
        assert len(kept) <= 2

    @pytest.mark.parametrize("start", ["silent", "half", "drip", "garbage", "plain"])
    def test_handshake_that_never_ends(self, short: None, tls: ssl.SSLContext, start: str) -> None:
        """A TLS handshake that is not finished in time, or never begun, ends with its connection."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00"  # the start of a ClientHello
        with serving(pages(), lambda: tls) as port, connect(port) as connection:
            connection.sendall({"half": hello, "garbage": b"\x00" * 100, "plain": REQUEST}.get(start, b""))
            if start == "drip":
                connection.sendall(hello)
                drip(connection, b"\0")
            assert REQUEST not in everything(connection)

    def test_silent_after_the_handshake(self, short: None, tls: ssl.SSLContext, authority: Authority) -> None:
        """The deadline of a request begins with the end of the handshake."""
        client = authority.client_context()
        with (
            serving(pages(), lambda: tls) as port,
            connect(port) as connection,
            client.wrap_socket(connection, server_hostname="127.0.0.1") as encrypted,
        ):
            assert everything(encrypted) == b""


class TestCrowds:
    def test_the_longest_waiting_makes_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where too many connections wait, the one that waits longest is dropped for the newest, which is answered."""
        monkeypatch.setattr(server, "MAX_WAITING", 3)
        with serving(pages()) as port, ExitStack() as opened:
            first, *others = [opened.enter_context(connect(port)) for _ in range(4)]
            assert everything(first) == b""
            for connection in others:
                assert answered(connection) == b"HTTP/1.1 200 OK"

    def test_who_is_being_answered_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request that is being worked on is never dropped for others that wait."""
        monkeypatch.setattr(server, "MAX_WAITING", 2)
        begun, finish = threading.Event(), threading.Event()

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/slow":
                begun.set()
                await asyncio.to_thread(finish.wait, 10)
            await sending(2)(scope, receive, send)

        with serving(application) as port, connect(port) as slow, ExitStack() as opened:
            slow.sendall(REQUEST.replace(b"/-/healthy", b"/slow"))
            assert begun.wait(10)
            crowd = [opened.enter_context(connect(port)) for _ in range(10)]
            assert [everything(connection) for connection in crowd[:8]] == [b""] * 8
            finish.set()
            assert status(slow.recv(65536)) == b"HTTP/1.1 200 OK"

    def test_who_does_not_read_makes_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that does not read its answer waits like any other, and is dropped for newer ones."""
        monkeypatch.setattr(server, "MAX_WAITING", 10)
        with serving(sending(BIG // 100, parts=100)) as port, ExitStack() as opened:
            reader = opened.enter_context(connect(port, SO_RCVBUF=65536))
            reader.sendall(REQUEST)
            received = reader.recv(1)
            crowd = [opened.enter_context(connect(port)) for _ in range(20)]
            assert [everything(connection) for connection in crowd[:10]] == [b""] * 10
            assert len(received + everything(reader)) < BIG

    def test_who_reads_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that reads slowly but steadily gets its whole answer, however many others wait meanwhile."""
        monkeypatch.setattr(server, "MAX_WAITING", 10)
        with serving(sending(BIG // 100, parts=100)) as port, ExitStack() as opened:
            reader = opened.enter_context(connect(port, SO_RCVBUF=65536))
            reader.sendall(REQUEST)
            received, opened_at = 0, 0
            while received < BIG:
                data = reader.recv(65536)
                assert data
                received += len(data)
                if received - opened_at > BIG // 50:
                    opened.enter_context(connect(port))
                    opened_at = received

    @pytest.mark.parametrize(
        ("soft", "hard", "raised", "waiting"),
        [
            (1024, 4096, 4000, 1000),
            (256, 512, 512, 256),
            (256, resource.RLIM_INFINITY, 4000, 1000),
            (8192, 8192, None, 1000),
        ],
    )
    def test_open_files(
        self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, waiting: int
    ) -> None:
        """The limit of open files is raised as far as it may be, and half of it is left for everything else."""
        limits: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
        assert server._allowed_connections() == waiting
        assert limits == ([] if raised is None else [(raised, hard)])


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """A real process, which has nothing to say at the end but what it said at the start."""
    config = tmp_path_factory.mktemp("hostile") / "config.yaml"
    config.write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    with exporter(f"--config.file={config}") as started:
        said = len(started.lines)
        started.drain()
        yield started
        assert started.process.poll() is None
        started.process.terminate()
        assert started.process.wait(10) == 0
    assert [line for line in started.lines[said:] if '"stopped"' not in line] == []


def scrape(running: Exporter) -> int:
    return requests.get(f"{running.url}/metrics", timeout=10).status_code


class TestHostileBytes:
    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
            (b"GET /\r\n\r\n", 400),  # HTTP/0.9
            (b"GET / HTTP/1.1\r\nHost: x\0y\r\n\r\n", 400),
            (b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
            (b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
            (b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
            (b"GET /metrics?name[]=%ff%00&name[]=\x25 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
            (b"GET http://x/metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
            (b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
            (b"CONNECT / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
            (b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
            (b"BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404),
            (b"GET / HTTP/9.9\r\nHost: x\r\nConnection: close\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\n : y\r\nConnection: close\r\n\r\n", 200),  # a folded line
            (b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1e9\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 100 + b"\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\nConnection: close\r\n\r\n", 405),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFFFF\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\x16\x03\x01\x02\x00\x01\x00", 200),
            (REQUEST + b"\0" * 1000, 200),
            (
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                200,
            ),
            (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n\r\n", 200),
            (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n", 200),
            (b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: " + b";q=,*/" * 500 + b"\r\nConnection: close\r\n\r\n", 200),
            (
                b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text;version=x;escaping=\xff\r\n"
                b"Accept-Encoding: gzip;q=x, \xff\r\nConnection: close\r\n\r\n",
                200,
            ),
        ],
        ids=lambda value: repr(value)[2:42] if isinstance(value, bytes) else str(value),
    )
    def test_odd_requests(self, running: Exporter, sent: bytes, expected: int) -> None:
        """An odd request gets the answer that HTTP has for it, and the next scrape is answered."""
        with connect(running.port) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert status(everything(connection)).split()[1:2] == [b"%d" % expected]
        assert scrape(running) == 200

    @pytest.mark.parametrize(
        "sent",
        [
            b"GET /" + b"a" * 1_000_000,
            b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a" * 1_000_000,
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200_000,
            b"\r\n" * 500_000,
            b"\n" * 1_000_000,
            REQUEST * 20_000,
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000,
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 1_000_000,
        ],
        ids=["line", "header", "headers", "empty lines", "newlines", "pipeline", "chunks", "chunk extension"],
    )
    def test_megabytes(self, running: Exporter, sent: bytes) -> None:
        """A megabyte where a line is expected is refused or read away, and the next scrape is answered."""
        with connect(running.port) as connection, connect(running.port) as other:
            with suppress(OSError):  # refused before the end
                connection.sendall(sent[:-1])
            assert answered(other) == b"HTTP/1.1 200 OK"
        assert scrape(running) == 200

    def test_random_bytes(self, running: Exporter) -> None:
        """Ten thousand times something at random, alone or inside a request, does nothing to the next scrape."""
        chance = random.Random(20260921)
        for number in range(10_000):
            noise = chance.randbytes(chance.randrange(1, 64))
            where = chance.randrange(4)
            with connect(running.port) as connection:
                sent = [noise, b"GET / HTTP/1.1\r\n" + noise, _spliced(REQUEST, noise, chance), REQUEST + noise][where]
                connection.sendall(sent)
            if number % 1000 == 0:
                assert scrape(running) == 200
        assert scrape(running) == 200


def _spliced(request: bytes, noise: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(request))
    return request[:place] + noise + request[place + chance.randrange(4) :]


def test_stalled_connections_of_every_kind(running: Exporter) -> None:
    """With more connections of each kind stalled than may wait, every scrape is answered."""
    starts = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", REQUEST, b"\x16\x03\x01"]
    with ExitStack() as opened:
        for number in range(server.MAX_WAITING + 200):
            connection = opened.enter_context(connect(running.port, SO_RCVBUF=65536))
            with suppress(OSError):  # dropped for a newer one
                connection.sendall(starts[number % len(starts)])
            if number % 100 == 0:
                assert scrape(running) == 200
        assert scrape(running) == 200


def test_few_open_files(tmp_path: Path) -> None:
    """A process that starts with room for few files makes more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    config = tmp_path / "config.yaml"
    config.write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
    try:
        running = Exporter(f"--config.file={config}")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        with ExitStack() as opened:
            for _ in range(200):
                opened.enter_context(connect(running.port))
            assert scrape(running) == 200
    finally:
        running.stop()
