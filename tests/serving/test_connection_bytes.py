"""Unusual and invalid bytes, sent to a running exporter."""

import random
import socket
from contextlib import suppress

import pytest

from tests.processes import Exporter
from tests.running_server import REQUEST, answered, connect, everything, scrape, status


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
    def test_unusual_requests(self, running: Exporter, sent: bytes, expected: int) -> None:
        """An unusual request gets the status that HTTP defines for it, and the exporter answers the next scrape."""
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
        """The server refuses or discards a megabyte sent in place of a short line, and answers the next scrape."""
        with connect(running.port) as client, connect(running.port) as other:
            with suppress(OSError):  # the server may refuse before it has read everything
                client.sendall(sent[:-1])
            assert answered(other) == b"HTTP/1.1 200 OK"
        assert scrape(running.port) == 200

    def test_random_bytes(self, running: Exporter) -> None:
        """10,000 requests with random bytes, alone or inside a valid request, do not affect the next scrape."""
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
