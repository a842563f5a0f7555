"""What a client may do with a connection, and how long it may take."""

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

    def test_request_sent_while_another_is_answered(self) -> None:
        """A request that comes while the one before is being answered is answered after it."""
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
        """The body of a request that was answered is read away, and the next request is answered."""
        with serving(pages()) as port, connect(port) as client:
            for _ in range(2):
                begun = REQUEST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
                assert answered(client, begun) == b"HTTP/1.1 200 OK"
                client.sendall(b"5\r\nhello\r\n0\r\n\r\n")

    def test_body_that_becomes_nonsense(self) -> None:
        """A body that is no HTTP any more ends the connection of a request that was answered."""
        with serving(pages()) as port, connect(port) as client:
            begun = REQUEST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert answered(client, begun) == b"HTTP/1.1 200 OK"
            client.sendall(b"nonsense\r\n")
            assert everything(client) == b""

    def test_head(self) -> None:
        """HEAD has the headers of GET, and a connection goes on after it."""
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
    def test_a_list_on_several_lines(self, lines: list[str], openmetrics: bool, gzip: bool) -> None:
        """A header that is a list may come on several lines, which count as one."""
        asked = "\r\n".join(["GET /metrics HTTP/1.1", "Host: x", *lines, "Connection: close", "", ""])
        with serving(pages()) as port, connect(port) as client:
            client.sendall(asked.encode())
            head = everything(client).partition(b"\r\n\r\n")[0].lower()
        assert (b"openmetrics" in head, b"content-encoding: gzip" in head) == (openmetrics, gzip)

    def test_page_that_fails(self) -> None:
        """Whatever goes wrong while an answer is made, its connection is closed."""

        async def respond(request: Request) -> Response:
            raise ZeroDivisionError

        with serving(respond) as port, connect(port) as client:
            client.sendall(REQUEST)
            assert everything(client) == b""

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


@pytest.mark.parametrize(("headers", "status"), [(150, b"200 OK"), (250, b"400 Bad Request")])
def test_many_headers(headers: int, status: bytes) -> None:
    """A request of more header lines than any client sends is refused before they are looked at."""
    with serving(pages()) as port, connect(port) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * headers + b"Connection: close\r\n\r\n")
        assert everything(client).startswith(b"HTTP/1.1 " + status)
