"""What a client may do with a connection, and how long it may take; and bytes that are no request."""

import gc
import random
import socket
import ssl
import struct
from contextlib import ExitStack, suppress

import pytest

from access_exporter.serving import connection
from access_exporter.serving.connection import Connection
from access_exporter.serving.messages import Request, Response
from tests.certificates import Authority
from tests.processes import Exporter
from tests.running_server import (
    BIG,
    REQUEST,
    answered,
    connect,
    drip,
    everything,
    pages,
    scrape,
    sending,
    serving,
    status,
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.1)
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.1)


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
            clients = [opened.enter_context(connect(port)) for _ in starts]
            for client, start in zip(clients, starts, strict=True):
                client.sendall(start)
            assert [everything(client) for client in clients] == [b""] * len(starts)

    def test_bytes_do_not_buy_time(self, short: None) -> None:
        """A byte now and then does not move the deadline of a request."""
        with serving(pages()) as port, connect(port) as client:
            drip(client)
            assert everything(client) == b""

    def test_second_request_that_never_ends(self, short: None) -> None:
        """The deadline holds for a later request of a connection as well."""
        with serving(pages()) as port, connect(port) as client:
            assert answered(client) == b"HTTP/1.1 200 OK"
            client.sendall(b"G")
            drip(client)
            assert everything(client) == b""

    def test_body_that_never_ends(self, short: None) -> None:
        """A body is neither read nor waited for, and the connection that goes on sending one is dropped."""
        with serving(pages()) as port, connect(port) as client:
            endless = REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000000000\r\n\r\n")
            assert answered(client, endless) == b"HTTP/1.1 200 OK"
            drip(client)
            assert everything(client) == b""

    def test_kept_open(self, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection may rest between requests for longer than a request may take, but not for ever."""
        monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.3)
        with serving(pages()) as port, connect(port) as client, connect(port) as shorter:
            assert answered(client) == b"HTTP/1.1 200 OK"
            assert everything(shorter) == b""
            assert answered(client) == b"HTTP/1.1 200 OK"
            assert everything(client) == b""

    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
    def test_answer_that_is_not_read(
        self, encrypted: bool, tls: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A client that does not read its answer is dropped, although all of it was written."""
        monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.05)
        monkeypatch.setattr(connection, "CLOSE_SECONDS", 0.05)
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
        monkeypatch.setattr(connection, "HANDSHAKE_SECONDS", 0.3)
        sizes = range(64 * 1024, 1024 * 1024, 16 * 1024)

        async def respond(request: Request) -> Response:
            return Response("x" * int(request.path[1:]))

        with serving(respond, lambda: tls if encrypted else None) as port, ExitStack() as opened:
            clients = []
            for size in sizes:
                client = connect(port, SO_RCVBUF=65536)
                if encrypted:
                    client = authority.client_context().wrap_socket(client, server_hostname="127.0.0.1")
                clients.append(opened.enter_context(client))
                client.sendall(REQUEST.replace(b"/-/healthy", b"/%d" % size))
                assert client.recv(1)
            with connect(port) as later:
                assert everything(later) == b""  # by then the first deadlines are over
            # What the system took of an answer arrives, what the exporter kept does not.
            assert any(len(everything(client)) < size for client, size in zip(clients, sizes, strict=True))

    def test_answer_under_way_that_is_not_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An answer that cannot be sent to its end in time ends with its connection."""
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
        with serving(sending(BIG, parts=3)) as port, connect(port, SO_RCVBUF=65536) as client:
            client.sendall(REQUEST)
            received = client.recv(1)
            with connect(port) as later:
                assert everything(later) == b""  # by then the first deadline is over
            assert len(received + everything(client)) < BIG

    def test_requests_sent_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of requests that come in one piece the first is answered: the others would be for nobody, who reads none."""
        with serving(pages()) as port, connect(port) as client:
            client.sendall(3 * REQUEST)
            assert everything(client).count(b"HTTP/1.1 200 OK") == 1

    def test_a_client_that_says_no_more(self) -> None:
        """Who closes the sending side after the request is answered, and one who has asked for nothing is not kept."""
        with serving(pages()) as port:
            for asked, answers in ((REQUEST, 1), (b"", 0), (REQUEST[:-2], 0)):
                with connect(port) as client:
                    client.sendall(asked)
                    client.shutdown(socket.SHUT_WR)
                    assert everything(client).count(b"HTTP/1.1 200 OK") == answers

    def test_nothing_is_left_of_a_reset(self) -> None:
        """Of a connection that a client resets, nothing is kept until a deadline would have ended it."""
        with serving(pages()) as port:
            for _ in range(20):
                with connect(port) as client:
                    assert answered(client) == b"HTTP/1.1 200 OK"
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with connect(port) as client:
                assert answered(client) == b"HTTP/1.1 200 OK"
            gc.collect()
            kept = [each for each in gc.get_objects() if isinstance(each, Connection)]
        assert len(kept) <= 2

    @pytest.mark.parametrize("start", ["silent", "half", "drip", "garbage", "plain"])
    def test_handshake_that_never_ends(self, short: None, tls: ssl.SSLContext, start: str) -> None:
        """A TLS handshake that is not finished in time, or never begun, ends with its connection."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00"  # the start of a ClientHello
        with serving(pages(), lambda: tls) as port, connect(port) as client:
            client.sendall({"half": hello, "garbage": b"\x00" * 100, "plain": REQUEST}.get(start, b""))
            if start == "drip":
                client.sendall(hello)
                drip(client, b"\0")
            assert REQUEST not in everything(client)

    def test_silent_after_the_handshake(self, short: None, tls: ssl.SSLContext, authority: Authority) -> None:
        """The deadline of a request begins with the end of the handshake."""
        trusting = authority.client_context()
        with (
            serving(pages(), lambda: tls) as port,
            connect(port) as client,
            trusting.wrap_socket(client, server_hostname="127.0.0.1") as encrypted,
        ):
            assert everything(encrypted) == b""


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
        with connect(running.port) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            assert status(everything(client)).split()[1:2] == [b"%d" % expected]
        assert scrape(running.port) == 200

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
        with connect(running.port) as client, connect(running.port) as other:
            with suppress(OSError):  # refused before the end
                client.sendall(sent[:-1])
            assert answered(other) == b"HTTP/1.1 200 OK"
        assert scrape(running.port) == 200

    def test_random_bytes(self, running: Exporter) -> None:
        """Ten thousand times something at random, alone or inside a request, does nothing to the next scrape."""
        chance = random.Random(20260921)
        for number in range(10_000):
            noise = chance.randbytes(chance.randrange(1, 64))
            where = chance.randrange(4)
            with connect(running.port) as client:
                sent = [noise, b"GET / HTTP/1.1\r\n" + noise, _spliced(REQUEST, noise, chance), REQUEST + noise][where]
                client.sendall(sent)
            if number % 1000 == 0:
                assert scrape(running.port) == 200
        assert scrape(running.port) == 200


def _spliced(request: bytes, noise: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(request))
    return request[:place] + noise + request[place + chance.randrange(4) :]
