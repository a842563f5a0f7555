"""The limits for the size and the duration of a response."""

import io
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from access_exporter.cloudflare import responses as decoding
from access_exporter.cloudflare import sending, unpacking
from access_exporter.simulator import Handler, Response
from tests.api_client import POLICY_TEST, READ_TESTS, USERS, Anything, Bench, Script, good, simulator
from tests.cloudflare.answers import (
    EMPTY_BLOCK,
    GZIP_HEADER,
    endless_body,
    endless_chunks,
    gzip_bomb,
    redirect_with_endless_body,
)
from tests.fakes import START, FakeClock

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestSize:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            pytest.param(endless_body, "is larger than 4194304 bytes; try a smaller api.page_size", id="body"),
            pytest.param(endless_chunks, "is larger than 4194304 bytes; try a smaller api.page_size", id="chunks"),
            pytest.param(gzip_bomb(), "is larger than 4194304 bytes; try a smaller api.page_size", id="gzip bomb"),
            pytest.param(gzip_bomb("403 Forbidden"), READ_TESTS, id="gzip bomb in a refusal"),
            pytest.param(gzip_bomb("302 Found", "Location: /"), "not follow redirects", id="gzip bomb in a redirect"),
            pytest.param(redirect_with_endless_body, "not follow redirects", id="body of a redirect"),
        ],
    )
    def test_too_large_response(self, fault: Callable[[Handler], None], words: str) -> None:
        """A response that is too large fails, and the client uses less than 30 MiB of memory for it."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            tracemalloc.start()
            try:
                message = bench.failure()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert words in message
        assert peak < 30 << 20

    def test_largest(self) -> None:
        """The client accepts a response of 4 MiB."""
        body = b'{"success": true, "result": {}}'

        def large(handler: Handler) -> None:
            handler.send(Response(200, body.ljust(4 << 20)))

        with simulator(fault=large) as server:
            assert Bench(server.url).get() == Anything()


class TestTime:
    @pytest.fixture
    def end(self) -> Iterator[threading.Event]:
        """Return an event that ends hanging responses after the test."""
        end = threading.Event()
        yield end
        end.set()

    @pytest.mark.parametrize("slow_part", ["nothing", "head", "header", "body", "chunks", "gzip"])
    def test_slow(self, end: threading.Event, slow_part: str) -> None:
        """A response that arrives byte by byte fails at the timeout, whichever part is slow."""
        beginnings = {
            "nothing": b"",
            "head": b"",
            "header": b"HTTP/1.1 200 OK\r\nX-Planted: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n" + GZIP_HEADER,
        }
        drips = {"nothing": b"", "head": b"H", "chunks": b"1\r\n \r\n", "gzip": EMPTY_BLOCK}

        def drip(handler: Handler) -> None:
            handler.wfile.write(beginnings[slow_part])
            while not end.wait(0.02):
                handler.wfile.write(drips.get(slow_part, b" "))

        with simulator(fault=drip) as server:
            bench = Bench(server.url, timeout=0.15)
            started = time.monotonic()
            message = bench.failure(reason="timeout")
            took = time.monotonic() - started
            end.set()
        assert message == f"no complete response from {POLICY_TEST.place} within 0.15 s"
        assert bench.codes() == {"timeout": 4}
        assert 4 * 0.15 <= took < 10

    def test_endless_body(self, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
        """A response that never stops sending fails at the timeout."""
        clock = FakeClock()
        for module in (sending, unpacking):
            monkeypatch.setattr(module, "monotonic", clock.monotonic)

        class Trickle(io.RawIOBase):
            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                clock.now += 1
                buffer[:1] = b" "
                return 1

        Script(mock, *((200, {}, io.BufferedReader(Trickle())) for _ in range(4)))
        assert Bench(timeout=5).failure(reason="timeout") == f"no complete response from {POLICY_TEST.place} within 5 s"
        assert clock.now == START + 4 * 6

    def test_slow_decoding(self, mock: responses.RequestsMock, monkeypatch: pytest.MonkeyPatch) -> None:
        """The request timeout includes the time to decode an unusual response."""
        Script(mock, good([{"id": "1", "access_seat": "yes"}]), endpoint=USERS)
        bench = Bench(timeout=5)
        monkeypatch.setattr(decoding, "monotonic", lambda: time.monotonic() + 6)
        message = bench.failure(bench.rows, reason="timeout")
        assert message == f"the response from {USERS.place} took longer to decode than the request timeout allows"

    def test_deadline_of_each_request(self) -> None:
        """The timeout applies to each request, not to the whole connection."""
        with simulator() as server:
            bench = Bench(server.url, timeout=0.5)
            started = time.monotonic()
            while time.monotonic() < started + 0.7:
                bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 1
        assert bench.codes().keys() == {"200"}
