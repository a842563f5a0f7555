"""Large answers: how many are under way, who makes room, and what is left of those that nobody reads."""

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


def unread(port: int, source: str = "127.0.0.1") -> socket.socket:
    """Ask for an answer, wait until it has begun, and read no more of it."""
    client = connect(port, source, SO_RCVBUF=65536)
    client.sendall(REQUEST)
    assert client.recv(1)
    return client


def asking(port: int, source: str = "127.0.0.1") -> socket.socket:
    """Ask for an answer, and do not wait for it."""
    client = connect(port, source, SO_RCVBUF=65536)
    client.sendall(REQUEST)
    return client


def rest(client: socket.socket) -> bytes:
    """Return the body of an answer of which a byte was read."""
    received = b"H"
    while len(received.partition(b"\r\n\r\n")[2]) < BIG and (data := client.recv(65536)):
        received += data
    return received.partition(b"\r\n\r\n")[2]


def untaken(port: int) -> list[str]:
    """Return the sockets of a port for which the system holds bytes that nobody takes, whoever owns them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    return [line[1] for line in lines if line[1].endswith(f":{port:04X}") and int(line[4].partition(":")[0], 16)]


class TestTurns:
    def test_who_does_not_read_makes_room(self) -> None:
        """Where no turn is free, the client that has not read for longest is dropped for the next one."""
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(unread(port))
            for source in ("127.0.0.1", ANOTHER):
                other = opened.enter_context(connect(port, source))
                assert answered(other) == b"HTTP/1.1 200 OK"
            assert len(everything(first)) < BIG

    def test_who_reads_is_not_dropped(self) -> None:
        """A client that reads gets its whole answer, however many wait meanwhile."""
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            reader = opened.enter_context(asking(port))
            crowd = [opened.enter_context(asking(port, ANOTHER)) for _ in range(20)]
            received = 0
            while received < BIG:
                data = reader.recv(65536)
                assert data
                received += len(data)
            assert crowd

    def test_some_turns_are_for_other_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One address cannot use up all turns, even if it is never dropped."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(taking_turns(BIG), most_answers=4) as port, ExitStack() as opened:
            for _ in range(3):
                opened.enter_context(unread(port))
            for _ in range(10):
                opened.enter_context(asking(port))
            assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"

    def test_small_answers_need_no_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Probes are answered while no turn is free."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        large, small = taking_turns(BIG), sending(10)

        async def respond(request: Request) -> Response:
            return await (small if request.path == "/-/healthy" else large)(request)

        with serving(respond, most_answers=1) as port, ExitStack() as opened:
            client = opened.enter_context(connect(port, SO_RCVBUF=65536))
            client.sendall(REQUEST.replace(b"/-/healthy", b"/"))
            assert client.recv(1)
            assert answered(opened.enter_context(connect(port))) == b"HTTP/1.1 200 OK"

    def test_a_crowd_of_many_addresses(self) -> None:
        """Of many addresses with one answer each, the one that asks last waits for no more than one to make room."""
        with serving(taking_turns(BIG), most_answers=4) as port, ExitStack() as opened:
            for number in range(100):
                opened.enter_context(asking(port, f"127.0.1.{1 + number}"))
            assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"

    def test_a_crowd_is_answered_slowly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """After so many drops, who does not read is dropped for nobody, and the next one waits until a turn ends."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 0)
        monkeypatch.setattr(answers, "QUICK_DROPS", 2)
        monkeypatch.setattr(answers, "DROPS_PER_SECOND", 0)
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first, second, third = (opened.enter_context(unread(port)) for _ in range(3))
            last = opened.enter_context(asking(port))
            assert [len(everything(client)) < BIG for client in (first, second)] == [True, True]
            assert len(rest(third)) == BIG
            assert last.recv(1)

    def test_a_turn_lasts_until_the_answer_is_taken(self) -> None:
        """An answer that the system has taken, but not the client, is still under way, and makes room for the next."""
        with serving(taking_turns(150_000), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(connect(port, SO_RCVBUF=4096))
            first.sendall(REQUEST)
            assert first.recv(1)
            for _ in range(2):
                assert answered(opened.enter_context(connect(port, ANOTHER))) == b"HTTP/1.1 200 OK"
            assert len(everything(first)) < 150_000

    def test_requests_one_after_the_other(self) -> None:
        """A client that asks again on its connection as soon as it has its answer keeps no turn by that."""
        with serving(taking_turns(150_000), most_answers=1) as port, connect(port) as client, connect(port) as other:
            for _ in range(50):
                assert answered(client) == answered(other) == b"HTTP/1.1 200 OK"

    def test_dropped_while_waiting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A request that gets no turn until its deadline is dropped, and the next one gets the turn."""
        monkeypatch.setattr(answers, "UNREAD_SECONDS", 2 * PATIENCE_SECONDS)
        with serving(taking_turns(BIG), most_answers=1) as port, ExitStack() as opened:
            first = opened.enter_context(unread(port))
            with monkeypatch.context() as impatient:
                impatient.setattr(connection, "ANSWER_SECONDS", 0.1)
                assert everything(opened.enter_context(asking(port))) == b""
            first.close()
            assert answered(opened.enter_context(connect(port))) == b"HTTP/1.1 200 OK"


class TestBytes:
    def test_unread_pages_make_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Answers that hold too much together drop the one that was read last, though there are turns."""
        monkeypatch.setattr(answers, "MAX_HELD_BYTES", 2 * BIG)
        with serving(taking_turns(BIG)) as port, ExitStack() as opened:
            first, *others = [opened.enter_context(unread(port)) for _ in range(3)]
            assert len(everything(first)) < BIG
            assert [len(rest(client)) for client in others] == [BIG, BIG]

    @pytest.mark.parametrize("asked", [REQUEST, REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])
    def test_nothing_is_left_in_the_system(self, asked: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of an answer that fits into the system's buffers and that nobody takes, nothing stays there."""
        monkeypatch.setattr(connection, "KEEP_ALIVE_SECONDS", 0.1)
        with serving(sending(100_000)) as port, ExitStack() as opened:
            for _ in range(5):
                opened.enter_context(connect(port, SO_RCVBUF=4096)).sendall(asked)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not untaken(port):
                assert time.monotonic() < deadline
            while untaken(port):
                assert time.monotonic() < deadline
