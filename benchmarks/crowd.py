"""The cost of many clients that send requests but read no response: python -m benchmarks.crowd.

Starts the exporter with many accounts. A crowd of clients requests each kind of response in turn. Meanwhile, the
benchmark scrapes on new connections, from another address and from an address of the crowd. It prints the peak memory
of the process, the peak memory of the system's sockets (both ends, because the crowd runs on this machine), and the
times of the scrapes. It fails if a scrape fails or takes too long, or if the memory exceeds the promised limit. One
exception: a scrape from the crowd's own address may fail while the crowd still sends requests, because the exporter
prefers newer requests of an address.
"""

import argparse
import contextlib
import http.client
import resource
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import stalled
from benchmarks.processes import polled

USERS = 10  # of each account
ANOTHER = "127.0.0.1"  # an address that the crowd does not use
MOST_MB = 64
MOST_SECONDS = 1.0  # of a scrape from another address
DEADLINE_SECONDS = 30.0  # of a response: the exporter answers a scrape from the crowd's own address within this time
PAUSE_SECONDS = 0.1  # between two scrapes, and between two measurements of memory
FEW = "/metrics?name[]=cloudflare_access_poll_success&name[]=cloudflare_access_poll_errors_total"


class Kind(NamedTuple):
    """The request of a crowd, the number of its client addresses, and whether it uses TLS."""

    name: str
    path: str
    headers: str = ""
    addresses: int = 1
    tls: bool = False


KINDS = (
    Kind("metrics", "/metrics"),
    Kind("metrics, gzip", "/metrics", "Accept-Encoding: gzip\r\n"),
    Kind("OpenMetrics", "/metrics", "Accept: application/openmetrics-text;version=1.0.0\r\n"),
    Kind("metrics, closed", "/metrics", "Connection: close\r\n"),
    Kind("name[]", FEW),
    Kind("name[], gzip", FEW, "Accept-Encoding: gzip\r\n"),
    Kind("status page", "/"),
    Kind("long requests", "/", "A: b\r\n" * 1000 + "Cookie: " + "c" * 8000 + "\r\n"),
    Kind("status page, many addresses", "/", addresses=950),
    Kind("metrics, many addresses", "/metrics", addresses=950),
    Kind("metrics, some addresses", "/metrics", addresses=20),
    Kind("TLS: metrics", "/metrics", tls=True),
    Kind("TLS: status page", "/", addresses=20, tls=True),
)


def crowd(kind: Kind, port: int, connections: int) -> None:
    """Send a request on each connection and read nothing; print "asked", and wait until standard input ends."""
    request = f"GET {kind.path} HTTP/1.1\r\nHost: x\r\n{kind.headers}\r\n".encode()
    opened = []
    for number in range(connections):
        connection: socket.socket = socket.socket()
        connection.bind((address(number % kind.addresses), 0))
        connection.connect(("127.0.0.1", port))
        if kind.tls:
            connection = _unverified().wrap_socket(connection)
        opened.append(connection)
        with contextlib.suppress(OSError):  # the exporter has closed this connection for a newer one
            connection.sendall(request)
    print("asked", flush=True)
    sys.stdin.read()


def address(number: int) -> str:
    """Return one of the addresses of the crowd."""
    return f"127.0.{1 + number // 250}.{1 + number % 250}"


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@contextlib.contextmanager
def crowded(number: int, port: int, connections: int) -> Iterator[Callable[[], bool]]:
    """Run `crowd` in its own process; yield a function that returns whether all connections have sent a request."""
    command = [sys.executable, "-m", "benchmarks.crowd", f"--kind={number}", f"--port={port}"]
    command += [f"--connections={connections}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=stalled.ROOT) as process:
        assert process.stdout
        said = process.stdout
        yield lambda: bool(select.select([said], [], [], 0)[0])
        process.kill()


class Scrape(NamedTuple):
    """The duration of a scrape in seconds, and whether it succeeded."""

    seconds: float
    is_good: bool


class Scraper(threading.Thread):
    """Scrapes from one address again and again until `stop`."""

    def __init__(self, source: str, port: int, *, tls: bool) -> None:
        """Prepare a scraper; `start` starts it."""
        super().__init__(daemon=True)
        self.scrapes: list[Scrape] = []
        self._address = (source, port, tls)
        self._stopped = threading.Event()

    def run(self) -> None:
        """Scrape until `stop`."""
        while not self._stopped.wait(PAUSE_SECONDS):
            began, is_good = time.monotonic(), True
            try:
                scrape(*self._address)
            except (OSError, AssertionError, http.client.HTTPException):
                is_good = False
            self.scrapes.append(Scrape(time.monotonic() - began, is_good))

    def stop(self) -> None:
        """Wait for the current scrape, and stop."""
        self._stopped.set()
        self.join()


def scrape(source: str, port: int, tls: bool) -> None:  # noqa: FBT001 – it is a part of the address
    """Scrape once on a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=(source, 0))
    if tls:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=60, source_address=(source, 0), context=_unverified()
        )
    with contextlib.closing(connection):
        connection.request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()


def socket_memory() -> float:
    """Return the memory of all TCP sockets of this system, in MB."""
    lines = Path("/proc/net/sockstat").read_text(encoding="ascii").splitlines()
    (tcp,) = [line.split() for line in lines if line.startswith("TCP:")]
    return int(tcp[tcp.index("mem") + 1]) * resource.getpagesize() / 1e6


class Cost(NamedTuple):
    """The cost of a crowd: memory in MB, and the scrapes meanwhile.

    The scrapes `after` are from the crowd's address, and began after the whole crowd had sent its requests.
    """

    process: float
    sockets: float
    another: list[Scrape]
    same: list[Scrape]
    after: list[Scrape]

    def line(self, kind: Kind) -> str:
        """Return the line of the table for this kind."""
        seconds = (
            f"{max(each.seconds for each in scrapes):6.2f} {sum(not each.is_good for each in scrapes):4}"
            for scrapes in (self.another, self.same, self.after)
        )
        return f"{kind.name:28}{self.process:8.1f}{self.sockets:9.1f}  {'  '.join(seconds)}"

    def is_kept(self) -> bool:
        """Return whether memory and scrapes are within the promised limits."""
        return (
            self.process <= MOST_MB
            and self.sockets <= MOST_MB
            and all(each.is_good and each.seconds <= MOST_SECONDS for each in self.another)
            and all(each.is_good and each.seconds <= DEADLINE_SECONDS for each in self.after)
        )


def measure(number: int, pid: int, port: int, connections: int, seconds: float) -> Cost:
    """Run a crowd for this number of seconds, and scrape meanwhile."""
    kind = KINDS[number]
    for _ in range(20):
        scrape(ANOTHER, port, kind.tls)
        stalled.ask("/", port, _unverified() if kind.tls else None)
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # reset the peak memory to the current memory
    before, sockets_before, sockets = stalled.memory(pid), socket_memory(), 0.0
    another, same, after = (Scraper(source, port, tls=kind.tls) for source in (ANOTHER, address(0), address(0)))
    with crowded(number, port, connections) as have_all_asked:
        another.start()
        same.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not after.is_alive() and have_all_asked():
                after.start()
            sockets = max(sockets, socket_memory() - sockets_before)
            time.sleep(PAUSE_SECONDS)
        for scraper in (another, same, after):
            scraper.stop()
        process = stalled.memory(pid) - before
        return Cost(process, sockets, another.scrapes, same.scrapes, after.scrapes)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every kind; exit with status 1 if one exceeds a promised limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=950)
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--only", help="measure only kinds with this text in their name")
    parser.add_argument("--kind", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, options.connections + 200), hard))
    if options.kind is not None:
        crowd(KINDS[options.kind], options.port, options.connections)
        return
    print(f"{'':28}{'process':>8}{'sockets':>9}  {'another address':>11}  {'same address':>11}  {'same, later':>11}")
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        web = f"--web.config.file={stalled.web_configuration(Path(folder))}"
        for number, kind in enumerate(KINDS):
            if options.only and options.only not in kind.name:
                continue
            with polled(options.accounts, USERS, *([web] if kind.tls else [])) as running:
                cost = measure(number, running.process.pid, running.port, options.connections, options.seconds)
            print(cost.line(kind), flush=True)
            kept = kept and cost.is_kept()
    sys.exit(not kept)


if __name__ == "__main__":
    main()
