"""The cost of scrapes: how many scrapes a second, how long they take, and how a running poll delays them.

A scraper does what Prometheus does: it requests OpenMetrics and gzip, and keeps its connection if the server does. The
scraper uses plain sockets, so that it takes little CPU from the server, which runs on the same machine.
"""

import compileall
import contextlib
import re
import selectors
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.cloudflare import Scenario
from benchmarks.processes import (
    ROOT,
    Exporter,
    cloudflare,
    configuration,
    cpu,
    exporter,
    median,
    percentile,
    polled,
    program,
)

_REQUEST = (
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n\r\n"
)
SCRAPES = 200


class Scraper:
    """A client that scrapes again and again, on one connection if the server keeps the connection open."""

    def __init__(self, port: int) -> None:
        """Connect to the server."""
        self._port = port
        self.socket = self._connected()

    def ask(self) -> None:
        """Send a request, on a new connection if the server has closed the last one."""
        self._received = bytearray()
        self._end: int | None = None
        self._asked = time.perf_counter()
        if self.socket.fileno() < 0:
            self.socket = self._connected()
        self.socket.sendall(_REQUEST)

    def receive(self) -> float | None:
        """Receive the available bytes; return the seconds of the scrape once the response is complete."""
        data = self.socket.recv(1 << 20)
        assert data, "the response ended early"
        self._received += data
        if self._end is None and (head := self._received.find(b"\r\n\r\n")) >= 0:
            assert b" 200 " in self._received[:16]
            self._end = head + 4 + int(re.findall(rb"(?i)content-length: (\d+)", self._received[:head])[0])
        if self._end is None or len(self._received) < self._end:
            return None
        seconds = time.perf_counter() - self._asked
        if self._received.startswith(b"HTTP/1.0"):
            self.socket.close()
        return seconds

    def scrape(self) -> float:
        """Scrape once, and return how many seconds it took."""
        self.ask()
        while (seconds := self.receive()) is None:
            pass
        return seconds

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=60)


class Latency(msgspec.Struct, frozen=True):
    """The duration of scrapes in seconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency":
        """Return the median and the 99th percentile of measurements."""
        return cls(statistics.median(seconds), percentile(seconds, 0.99))


class Rates(msgspec.Struct, frozen=True):
    """Scrapes a second."""

    exporter: float
    prometheus_client: float


def compare_rates(accounts: int, rounds: int = 5) -> Rates:
    """Compare the exporter with prometheus-client's own server, which has the same metric families in memory."""
    with polled(accounts) as running, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page"
        page.write_bytes(running.get("/metrics"))
        with program("baselines", "serve", str(page)) as baseline:
            port = int(baseline.tell())
            turns = [(_rate(running.port, SCRAPES), _rate(port, 10)) for _ in range(rounds)]
    ours, theirs = zip(*turns, strict=True)
    return Rates(statistics.median(ours), statistics.median(theirs))


def _rate(port: int, scrapes: int) -> float:
    """Return how many scrapes a second one client can do without a pause."""
    scraper = Scraper(port)
    scraper.scrape()
    started = time.perf_counter()
    for _ in range(scrapes):
        scraper.scrape()
    return scrapes / (time.perf_counter() - started)


class Scrapes(msgspec.Struct, frozen=True):
    """Median seconds of a scrape: without a poll since the last scrape, and after a poll of every account."""

    nothing_new: float
    all_polled: float


def scrapes(numbers: Sequence[int], rounds: int = 5) -> list[Scrapes]:
    """For each number of accounts, by turns: poll all accounts, scrape, and scrape again without new data."""
    with contextlib.ExitStack() as stack:
        exporters = [stack.enter_context(polled(accounts)) for accounts in numbers]
        turns = [[_scrapes(running) for running in exporters] for _ in range(rounds)]
    return [
        Scrapes(
            statistics.median(each.nothing_new for each in found), statistics.median(each.all_polled for each in found)
        )
        for found in zip(*turns, strict=True)
    ]


def _scrapes(running: Exporter) -> Scrapes:
    scraper = Scraper(running.port)
    scraper.scrape()  # otherwise, the exporter would close the connection during the polls
    running.poll()
    time.sleep(0.2)  # until the threads of the polls have ended
    all_polled = scraper.scrape()
    return Scrapes(median(scraper.scrape, 20), all_polled)


def by_many(accounts: int, clients: int, scrapes: int = 4000) -> Latency:
    """Return the latency of scrapes while this number of clients scrape without a pause."""
    with polled(accounts) as running:
        running.wait_for_rest()
        _latencies(running.port, clients, scrapes // 4)
        return Latency.of(_latencies(running.port, clients, scrapes))


def _latencies(port: int, clients: int, scrapes: int) -> list[float]:
    found: list[float] = []
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            scraper = Scraper(port)
            selector.register(scraper.socket, selectors.EVENT_READ, scraper)
            scraper.ask()
        while len(found) < scrapes:
            for key, _ in selector.select():
                if (seconds := key.data.receive()) is not None:
                    found.append(seconds)
                    key.data.ask()
    return found


class Moved(msgspec.Struct, frozen=True):
    """The latency of scrapes without polls and during polls."""

    alone: Latency
    during_polls: Latency


def during_polls(users: int, polls: int = 12) -> Moved:
    """Scrape while the exporter is idle, then while it polls this number of users."""
    with polled(1, users) as running:
        scraper = Scraper(running.port)
        alone = [_scrape_and_rest(scraper) for _ in range(1000)]
        busy: list[float] = []
        for _ in range(polls):
            running.start_polls()
            while not running.is_polled():
                busy.append(_scrape_and_rest(scraper))
    return Moved(Latency.of(alone), Latency.of(busy))


def _scrape_and_rest(scraper: Scraper) -> float:
    seconds = scraper.scrape()
    time.sleep(0.001)
    return seconds


def start() -> float:
    """Return the median seconds from the start of the process to the first response of /metrics."""

    def measure() -> float:
        started = time.perf_counter()
        with exporter(configured) as running:
            running.get("/metrics")
            return time.perf_counter() - started

    compileall.compile_dir(ROOT / "access_exporter", quiet=1)  # as pip does during an installation
    with cloudflare(Scenario(100)) as server, configuration(server.url) as configured:
        return median(measure, 7)


def idle_cpu(seconds: float = 20) -> float:
    """Return the share of a CPU that an idle exporter uses."""
    with polled(1) as running:
        time.sleep(1)  # until the start has ended
        before = cpu(running.process)
        time.sleep(seconds)
        return (cpu(running.process) - before) / seconds
