"""How the server accepts connections, and how it stops."""

import asyncio
import errno
import socket
import threading
from contextlib import ExitStack

import pytest

from access_exporter.serving import server
from access_exporter.serving.messages import Request, Response
from tests.running_server import BIG, PATIENCE_SECONDS, REQUEST, answered, connect, everything, pages, sending, serving


def test_too_many_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process has too many open files, the server accepts the connection later."""
    accept = socket.socket.accept
    failures = [OSError(errno.EMFILE, "too many"), OSError(errno.ENFILE, "too many"), ConnectionAbortedError()]

    def accept_later(listener: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(server, "TRY_AGAIN_SECONDS", 0.01)
    monkeypatch.setattr(socket.socket, "accept", accept_later)
    with serving(pages()) as port, connect(port) as client:
        assert answered(client) == b"HTTP/1.1 200 OK"
        assert failures == []


def test_stop_finishes_requests_in_progress() -> None:
    """When the server stops, it answers the requests in progress and closes all other connections."""
    begun, finish = threading.Event(), threading.Event()

    async def respond(request: Request) -> Response:
        if request.path == "/slow":
            begun.set()
            await asyncio.to_thread(finish.wait, PATIENCE_SECONDS)
        return Response("answer")

    with ExitStack() as opened:
        with serving(respond) as port:
            slow, kept, half, silent = (opened.enter_context(connect(port)) for _ in range(4))
            slow.sendall(REQUEST.replace(b"/-/healthy", b"/slow"))
            assert answered(kept) == b"HTTP/1.1 200 OK"
            half.sendall(REQUEST[:-2])
            assert begun.wait(PATIENCE_SECONDS)
            hung_up = threading.Thread(target=lambda: finish.set() if everything(kept) == b"" else None)
            hung_up.start()
        hung_up.join()
        answer = everything(slow)
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"\r\nconnection: close\r\n" in answer.lower()
        assert answer.endswith(b"answer")
        assert everything(half) == everything(silent) == b""


def test_stop_drops_a_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server stops, it drops a client that does not read its response in time."""
    monkeypatch.setattr(server, "STOP_SECONDS", 0.1)
    with ExitStack() as opened:
        with serving(sending(BIG)) as port:
            client = opened.enter_context(connect(port, SO_RCVBUF=65536))
            client.sendall(REQUEST)
            received = client.recv(1)
        assert len(received + everything(client)) < BIG
