"""Large responses: the server sends a limited number at a time, in turns, and drops clients to make room."""

import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from access_exporter.serving import answers, connection
from access_exporter.serving.messages import Request, Response
from tests.running_server import (
    BIG,
    PATIENCE_SECONDS,
    REQUEST,
    answered,
    connect,
    everything,
    sending,
    serving,
    taking_turns,
)

ANOTHER = "127.0.0.9"
SMALL = REQUEST.replace(b"/-/healthy", b"/small")


async def large_or_small(request: Request) -> Response:
    """Answer SMALL with a small response, and other requests with a large one that takes a turn."""
    return await (sending(10) if request.path == "/small" else taking_turns(BIG))(request)


def unread(port: int, source: str = "127.0.0.1") -> socket.socket:
    """Send a request, read the first byte of the response, and read no more."""
    client = connect(port, source, SO_RCVBUF=65536)
    client.sendall(REQUEST)
    assert client.recv(1)
    return client


def asking(port: int, source: str = "127.0.0.1") -> socket.socket:
    """Send a request and do not read the response."""
    client = connect(port, source, SO_RCVBUF=65536)
    client.sendall(REQUEST)
    return client


def rest(client: socket.socket) -> bytes:
    """Return the body of a response after its first byte was read."""
    received = b"H"
    while len(received.partition(b"\r\n\r\n")[2]) < BIG and (data := client.recv(65536)):
        received += data
    return received.partition(b"\r\n\r\n")[2]


def untaken(port: int) -> list[str]:
    """Return the sockets of a port that have bytes in the kernel's send queue, in any process."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return [line[1] for line in lines if line[1].endswith(f":{port:04X}") and int(line[4].partition(":")[0], 16)]


class TestTurns:
    def test_client_that_does_not_read_is_dropped(self) -> None:
        """If all turns for large responses are taken, the server drops the client that read least recently."""
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(unread(port))
            for source in ("127.0.0.1", ANOTHER):
                other = opened.enter_context(connect(port, source))
                assert answered(other) == b"HTTP/1.1 200 OK"
            assert len(everything(first)) < BIG

    def test_client_that_reads_is_not_dropped(self) -> None:
        """A client that reads gets its whole response, even while many other clients wait."""
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            reader = opened.enter_context(asking(port))
            crowd = [opened.enter_context(asking(port, ANOTHER)) for _ in range(20)]
            received = 0
            while received < BIG:
                data = reader.recv(65536)
                assert data
                received += len(data)
            assert crowd

    def test_one_address_cannot_take_all_turns(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One client address cannot take all turns for large responses, even if the server drops no client."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(taking_turns(BIG // 4), most_answers=4) as port, ExitStack() as opened:
            for _ in range(3):
                opened.enter_context(unread(port))
            for _ in range(10):
                opened.enter_context(asking(port))
            assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"

    def test_client_that_leaves_while_it_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server drops a client that closes its side of the connection while it waits for a turn."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            opened.enter_context(unread(port))
            waiting = opened.enter_context(asking(port))
            waiting.shutdown(socket.SHUT_WR)
            assert everything(waiting) == b""

    def test_second_request_of_a_client_that_waits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that sends a second request while it waits for a turn gets one response, and then the end."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(large_or_small, most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(unread(port))
            waiting = opened.enter_context(asking(port))
            answered(opened.enter_context(connect(port)), SMALL)  # so the server has read the first request
            waiting.sendall(REQUEST)
            answered(opened.enter_context(connect(port)), SMALL)
            assert len(rest(first)) == BIG
            response = everything(waiting)
            assert response.count(b"HTTP/1.1 200 OK") == 1
            assert response.partition(b"\r\n\r\n")[2] == bytes(BIG)

    def test_small_responses_need_no_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server answers health probes even if all turns for large responses are taken."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(large_or_small, most_answers=1) as port, ExitStack() as opened:
            opened.enter_context(unread(port))
            assert answered(opened.enter_context(connect(port)), SMALL) == b"HTTP/1.1 200 OK"

    def test_many_addresses(self) -> None:
        """If 100 addresses wait for a response each, the server drops one client and answers the newest."""
        with serving(taking_turns(BIG // 4), most_answers=4) as port, ExitStack() as opened:
            for number in range(100):
                opened.enter_context(asking(port, f"127.0.1.{1 + number}"))
            assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"

    def test_number_of_drops_is_limited(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After two drops the server may drop no more, so the next client waits until another has read its response."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 0)
        monkeypatch.setattr(answers, "QUICK_DROPS", 2)
        monkeypatch.setattr(answers, "DROPS_PER_SECOND", 0)
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first, second, third = (opened.enter_context(unread(port)) for _ in range(3))
            last = opened.enter_context(asking(port))
            assert [len(everything(client)) < BIG for client in (first, second)] == [True, True]
            assert len(rest(third)) == BIG
            assert last.recv(1)

    def test_a_turn_lasts_until_the_client_has_read(self) -> None:
        """A response in the buffers of the kernel keeps its turn until the client reads it or the server drops it."""
        with serving(taking_turns(150_000), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(connect(port, SO_RCVBUF=4096))
            first.sendall(REQUEST)
            assert first.recv(1)
            for _ in range(2):
                assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"
            assert len(everything(first)) < 150_000

    def test_next_request_waits_for_a_new_turn(self) -> None:
        """A client that sends request after request does not keep the only turn: another client is served too."""
        with serving(taking_turns(150_000), most_answers=1) as port, connect(port) as client, connect(port) as other:
            for _ in range(50):
                assert answered(client) == answered(other) == b"HTTP/1.1 200 OK"

    def test_no_turn_before_the_deadline(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server drops a request that gets no turn before its deadline, and gives the turn to the next request."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(unread(port))
            with monkeypatch.context() as impatient:
                impatient.setattr(connection, "ANSWER_SECONDS", 0.1)
                assert everything(opened.enter_context(asking(port))) == b""
            first.close()
            assert answered(opened.enter_context(connect(port))) == b"HTTP/1.1 200 OK"


class TestBytes:
    def test_too_many_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If responses hold too much memory, the server drops a client that does not read, even if turns are free."""
        monkeypatch.setattr(answers, "MAX_HELD_BYTES", 2 * BIG)
        with serving(taking_turns(BIG)) as port, ExitStack() as opened:
            first, *others = [opened.enter_context(unread(port)) for _ in range(3)]
            assert len(everything(first)) < BIG
            assert [len(rest(client)) for client in others] == [BIG, BIG]

    @pytest.mark.parametrize("asked", [REQUEST, REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])
    def test_kernel_buffers_are_freed(self, asked: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a client never reads a small response, the kernel frees the buffered bytes after a timeout."""
        monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.1)
        with serving(sending(100_000)) as port, ExitStack() as opened:
            for _ in range(5):
                opened.enter_context(connect(port, SO_RCVBUF=4096)).sendall(asked)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not untaken(port):
                assert time.monotonic() < deadline
            while untaken(port):
                assert time.monotonic() < deadline
