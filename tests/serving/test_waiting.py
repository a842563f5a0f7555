"""Thousands of stalled connections do not delay other clients."""

import asyncio
import resource
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from access_exporter.serving import waiting
from access_exporter.serving.messages import Request, Response
from tests.processes import Exporter
from tests.running_server import (
    BIG,
    REQUEST,
    answered,
    connect,
    everything,
    pages,
    scrape,
    sending,
    serving,
    serving_at,
    status,
)


class TestCrowds:
    def test_longest_waiting_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If too many connections wait, the server drops the one that has waited longest and answers the newest."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 3)
        with serving(pages()) as port, ExitStack() as opened:
            first, *others = [opened.enter_context(connect(port)) for _ in range(4)]
            assert everything(first) == b""
            for connection in others:
                assert answered(connection) == b"HTTP/1.1 200 OK"

    def test_one_limit_for_all_listen_addresses(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The limit on waiting connections counts the connections to all listen addresses together."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 3)
        with serving_at(["127.0.0.1", "127.0.0.1"], pages()) as (one, other), ExitStack() as opened:
            first = opened.enter_context(connect(one))
            others = [opened.enter_context(connect(port)) for port in (other, one, other)]
            assert everything(first) == b""
            for connection in others:
                assert answered(connection) == b"HTTP/1.1 200 OK"

    def test_busiest_client_address_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If one client address opens too many connections, the server drops only connections from that address."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 5)
        with serving(pages()) as port, ExitStack() as opened:
            other = opened.enter_context(connect(port, "127.0.0.9"))
            crowd = [opened.enter_context(connect(port)) for _ in range(20)]
            assert [everything(connection) for connection in crowd[:16]] == [b""] * 16
            assert answered(other) == b"HTTP/1.1 200 OK"
            assert answered(crowd[-1]) == b"HTTP/1.1 200 OK"

    def test_unread_bytes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If unread responses fill the kernel buffers, the server drops the oldest of the busiest client address."""
        monkeypatch.setattr(waiting, "MAX_UNTAKEN_BYTES", 500_000)
        with serving(sending(100_000)) as port, ExitStack() as opened:
            other = opened.enter_context(connect(port, "127.0.0.9", SO_RCVBUF=4096))
            other.sendall(REQUEST)
            crowd = [opened.enter_context(connect(port, SO_RCVBUF=4096)) for _ in range(20)]
            for connection in crowd:
                connection.sendall(REQUEST)
                assert connection.recv(1)
            assert len(everything(crowd[0])) < 100_000
            assert answered(opened.enter_context(connect(port))) == b"HTTP/1.1 200 OK"
            assert len(read_whole(other, 100_000)) == 100_000

    def test_bytes_that_were_read_do_not_count(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server keeps connections that have read their responses, even if the responses were large."""
        monkeypatch.setattr(waiting, "MAX_UNTAKEN_BYTES", 500_000)
        with serving(sending(400_000)) as port, ExitStack() as opened:
            clients = [opened.enter_context(connect(port)) for _ in range(10)]
            for _ in range(2):
                assert [answered(client) for client in clients] == [b"HTTP/1.1 200 OK"] * 10

    def test_request_in_progress_is_not_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The server never drops a request in progress to make room for waiting connections."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 2)
        begun, finish = threading.Event(), threading.Event()

        async def application(request: Request) -> Response:
            if request.path == "/slow":
                begun.set()
                await asyncio.to_thread(finish.wait, 10)
            return Response("ok")

        with serving(application) as port, connect(port) as slow, ExitStack() as opened:
            slow.sendall(REQUEST.replace(b"/-/healthy", b"/slow"))
            assert begun.wait(10)
            crowd = [opened.enter_context(connect(port)) for _ in range(10)]
            assert [everything(connection) for connection in crowd[:8]] == [b""] * 8
            finish.set()
            assert status(slow.recv(65536)) == b"HTTP/1.1 200 OK"

    def test_client_that_does_not_read_is_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that does not read its response counts as waiting, and is dropped for newer clients."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 10)
        with serving(sending(BIG // 100, parts=100)) as port, ExitStack() as opened:
            reader = opened.enter_context(connect(port, SO_RCVBUF=65536))
            reader.sendall(REQUEST)
            received = reader.recv(1)
            crowd = [opened.enter_context(connect(port)) for _ in range(20)]
            assert [everything(connection) for connection in crowd[:10]] == [b""] * 10
            assert len(received + everything(reader)) < BIG

    def test_slow_reader_is_not_dropped(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A client that reads slowly but steadily gets its whole response, even while many others wait."""
        monkeypatch.setattr(waiting, "MAX_WAITING", 10)
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
        ("soft", "hard", "raised", "allowed"),
        [
            (1024, 4096, 4000, 1000),
            (256, 512, 512, 256),
            (256, resource.RLIM_INFINITY, 4000, 1000),
            (8192, 8192, None, 1000),
            (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 1000),
        ],
    )
    def test_open_files(
        self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, allowed: int
    ) -> None:
        """The exporter raises the limit of open files as far as allowed, and keeps half of them for other uses."""
        limits: list[tuple[int, int]] = []
        monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
        monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.append(wanted))
        assert waiting.allowed_connections() == allowed
        assert limits == ([] if raised is None else [(raised, hard)])

    @pytest.mark.parametrize("refusal", [PermissionError("refused"), ValueError("current limit exceeds maximum limit")])
    def test_the_limit_cannot_be_raised(
        self, monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[str]], refusal: Exception
    ) -> None:
        """If a sandbox refuses a higher limit of open files, the exporter logs that and serves with the old one."""

        def refuse(*_: object) -> None:
            raise refusal

        monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 4096))
        monkeypatch.setattr(resource, "setrlimit", refuse)
        with serving(pages()) as port, connect(port) as client:
            assert answered(client) == b"HTTP/1.1 200 OK"
        (line,) = log()
        assert 'msg="cannot raise the limit of open files" limit=256 wanted=4000' in line
        assert waiting.allowed_connections() == 128

    def test_the_limit_cannot_be_read(self, monkeypatch: pytest.MonkeyPatch, log: Callable[[], list[str]]) -> None:
        """If a sandbox hides the limit of open files, the exporter assumes the usual limit of 1024."""

        def refuse(*_: object) -> None:
            raise PermissionError("refused")

        monkeypatch.setattr(resource, "getrlimit", refuse)
        assert waiting.allowed_connections() == 512
        assert len(log()) == 1


def read_whole(connection: socket.socket, size: int) -> bytes:
    """Return the body of a response of this size."""
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < size and (data := connection.recv(65536)):
        received += data
    return received.partition(b"\r\n\r\n")[2]


def test_stalled_connections_of_every_kind(running: Exporter) -> None:
    """The exporter answers every scrape, even with more stalled connections than may wait."""
    starts = [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\n", REQUEST, b"\x16\x03\x01"]
    with ExitStack() as opened:
        for number in range(waiting.MAX_WAITING + 200):
            connection = opened.enter_context(connect(running.port, SO_RCVBUF=65536))
            with suppress(OSError):  # the server may have dropped it for a newer one
                connection.sendall(starts[number % len(starts)])
            if number % 100 == 0:
                assert scrape(running.port) == 200
        assert scrape(running.port) == 200


def test_few_open_files(tmp_path: Path) -> None:
    """The exporter raises a low limit of open files when it starts."""
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
            assert scrape(running.port) == 200
    finally:
        running.stop()
