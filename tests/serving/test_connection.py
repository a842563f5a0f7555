"""HTTP connections: deadlines, request bodies, repeated headers, and how a connection ends."""

import asyncio
import gc
import socket
import ssl
import struct
import threading
from contextlib import ExitStack

import pytest

from access_exporter.serving import connection
from access_exporter.serving.connection import Connection
from access_exporter.serving.messages import Request, Response
from tests.certificates import Authority
from tests.running_server import (
    BIG,
    PATIENCE_SECONDS,
    REQUEST,
    answered,
    connect,
    drip,
    everything,
    pages,
    sending,
    serving,
)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the deadlines, so that a test can wait for them."""
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
        """The server closes a connection without a response if the request is not complete in time."""
        starts = [b"", b"GET", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"]
        with serving(pages()) as port, ExitStack() as opened:
            clients = [opened.enter_context(connect(port)) for _ in starts]
            for client, start in zip(clients, starts, strict=True):
                client.sendall(start)
            assert [everything(client) for client in clients] == [b""] * len(starts)

    def test_slow_bytes_do_not_extend_the_deadline(self, short: None) -> None:
        """A client that sends one byte now and then does not extend the deadline of its request."""
        with serving(pages()) as port, connect(port) as client:
            drip(client)
            assert everything(client) == b""

    def test_second_request_that_never_ends(self, short: None) -> None:
        """The deadline also applies to a later request on the same connection."""
        with serving(pages()) as port, connect(port) as client:
            assert answered(client) == b"HTTP/1.1 200 OK"
            client.sendall(b"G")
            drip(client)
            assert everything(client) == b""

    def test_body_that_never_ends(self, short: None) -> None:
        """The server answers without reading the request body, and drops a client that never ends its body."""
        with serving(pages()) as port, connect(port) as client:
            endless = REQUEST.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000000000000\r\n\r\n")
            assert answered(client, endless) == b"HTTP/1.1 200 OK"
            drip(client)
            assert everything(client) == b""

    def test_keep_alive(self, short: None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A connection may be idle between requests for longer than a request may take, but not for ever."""
        monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.3)
        with serving(pages()) as port, connect(port) as client, connect(port) as shorter:
            assert answered(client) == b"HTTP/1.1 200 OK"
            assert everything(shorter) == b""
            assert answered(client) == b"HTTP/1.1 200 OK"
            assert everything(client) == b""

    @pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
    def test_response_that_is_not_read(
        self, encrypted: bool, tls: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The server drops a client that does not read its response, even if the server has written all of it."""
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
            # The client gets the bytes in the buffers of the kernel, but not those that the exporter still held.
            assert any(len(everything(client)) < size for client, size in zip(clients, sizes, strict=True))

    def test_response_that_cannot_be_sent_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a client reads too slowly to get its response in time, the server drops it."""
        monkeypatch.setattr(connection, "ANSWER_SECONDS", 0.1)
        monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
        with serving(sending(BIG, parts=3)) as port, connect(port, SO_RCVBUF=65536) as client:
            client.sendall(REQUEST)
            received = client.recv(1)
            with connect(port) as later:
                assert everything(later) == b""  # by then the first deadline is over
            assert len(received + everything(client)) < BIG

    def test_requests_sent_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a client sends several requests without waiting for a response, the server answers only the first."""
        with serving(pages()) as port, connect(port) as client:
            client.sendall(3 * REQUEST)
            assert everything(client).count(b"HTTP/1.1 200 OK") == 1

    def test_request_sent_while_another_is_answered(self) -> None:
        """A request that arrives while the previous one is being answered is answered next."""
        begun, finish = threading.Event(), threading.Event()

        async def respond(request: Request) -> Response:
            if request.path == "/slow":
                begun.set()
                await asyncio.to_thread(finish.wait, PATIENCE_SECONDS)
            return Response(request.path)

        with serving(respond) as port, connect(port) as client:
            client.sendall(REQUEST.replace(b"/-/healthy", b"/slow"))
            assert begun.wait(PATIENCE_SECONDS)
            client.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            finish.set()
            first, second = everything(client).split(b"HTTP/1.1 200 OK")[1:]
            assert (first.endswith(b"/slow"), second.endswith(b"/-/healthy")) == (True, True)

    def test_body_that_comes_later(self) -> None:
        """If a request body arrives after the response, the server discards the body and answers the next request."""
        with serving(pages()) as port, connect(port) as client:
            for _ in range(2):
                begun = REQUEST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
                assert answered(client, begun) == b"HTTP/1.1 200 OK"
                client.sendall(b"5\r\nhello\r\n0\r\n\r\n")

    def test_invalid_body(self) -> None:
        """If an invalid request body arrives after the response, the server closes the connection."""
        with serving(pages()) as port, connect(port) as client:
            begun = REQUEST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert answered(client, begun) == b"HTTP/1.1 200 OK"
            client.sendall(b"nonsense\r\n")
            assert everything(client) == b""

    def test_head(self) -> None:
        """The response to HEAD has the headers of GET, and the connection stays open."""
        with serving(pages()) as port, connect(port) as client:
            client.sendall(REQUEST.replace(b"GET", b"HEAD"))
            head = client.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert head.endswith(b"\r\n\r\n")
            client.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            body = everything(client).partition(b"\r\n\r\n")[2]
            assert b"content-length: %d\r\n" % len(body) in head.lower()
            assert body

    @pytest.mark.parametrize(
        ("lines", "openmetrics", "gzip"),
        [
            (["Accept: application/openmetrics-text;version=1.0.0", "Accept: text/plain;q=0.5"], True, False),
            (["Accept: text/plain;q=0.5", "accept: application/openmetrics-text;version=1.0.0"], True, False),
            (["Accept: text/html", "X: y", "Accept: application/openmetrics-text", "Accept: */*;q=0.1"], True, False),
            (["Accept: text/plain", "Accept: application/openmetrics-text;q=0.5"], False, False),
            (["Accept-Encoding: gzip", "Accept-Encoding: br"], False, True),
            (["Accept-Encoding: br, deflate", "Accept-Encoding: gzip;q=0.5"], False, True),
            (["Accept-Encoding: gzip;q=0", "Accept-Encoding: br"], False, False),
            (["Accept-Encoding:", "Accept-Encoding: gzip"], False, True),
        ],
    )
    def test_repeated_header(self, lines: list[str], openmetrics: bool, gzip: bool) -> None:
        """Several lines of Accept or Accept-Encoding count as one list."""
        asked = "\r\n".join(["GET /metrics HTTP/1.1", "Host: x", *lines, "Connection: close", "", ""])
        with serving(pages()) as port, connect(port) as client:
            client.sendall(asked.encode())
            head = everything(client).partition(b"\r\n\r\n")[0].lower()
        assert (b"openmetrics" in head, b"content-encoding: gzip" in head) == (openmetrics, gzip)

    def test_page_that_fails(self) -> None:
        """If an exception occurs while a response is being made, the server closes the connection."""

        async def respond(request: Request) -> Response:
            raise ZeroDivisionError

        with serving(respond) as port, connect(port) as client:
            client.sendall(REQUEST)
            assert everything(client) == b""

    def test_half_closed_connection(self) -> None:
        """A client that shuts down its sending side gets a response only if its request is complete."""
        with serving(pages()) as port:
            for asked, answers in ((REQUEST, 1), (b"", 0), (REQUEST[:-2], 0)):
                with connect(port) as client:
                    client.sendall(asked)
                    client.shutdown(socket.SHUT_WR)
                    assert everything(client).count(b"HTTP/1.1 200 OK") == answers

    def test_reset_connection_is_freed(self) -> None:
        """The server frees a connection as soon as the client resets it, not only after a deadline."""
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
        """The server closes a connection if the TLS handshake is not complete in time or never begins."""
        hello = b"\x16\x03\x01\x02\x00\x01\x00"  # the start of a ClientHello
        with serving(pages(), lambda: tls) as port, connect(port) as client:
            client.sendall({"half": hello, "garbage": b"\x00" * 100, "plain": REQUEST}.get(start, b""))
            if start == "drip":
                client.sendall(hello)
                drip(client, b"\0")
            assert REQUEST not in everything(client)

    def test_silent_after_the_handshake(self, short: None, tls: ssl.SSLContext, authority: Authority) -> None:
        """The deadline of a request starts when the TLS handshake ends."""
        trusting = authority.client_context()
        with (
            serving(pages(), lambda: tls) as port,
            connect(port) as client,
            trusting.wrap_socket(client, server_hostname="127.0.0.1") as encrypted,
        ):
            assert everything(encrypted) == b""


@pytest.mark.parametrize(("headers", "status"), [(150, b"200 OK"), (250, b"400 Bad Request")])
def test_many_headers(headers: int, status: bytes) -> None:
    """A request with more header lines than any real client sends gets status 400."""
    with serving(pages()) as port, connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * headers + b"Connection: close\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 " + status)
