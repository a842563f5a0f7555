"""How long a scrape takes while thousands of connections stall: python benchmarks/stalled.py.

Starts the exporter with a page of some megabytes, lets connections stall in each way in turn, and scrapes on a new
connection each time. What is dropped comes back at once. Every scrape must be answered whole, or the benchmark fails.
"""

import argparse
import contextlib
import http.client
import json
import resource
import select
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
NOBODY = "nobody else"
DRIP = "a byte now and then"
# What a connection sends before it stalls.
STARTS = {
    "silent": b"",
    "half a request": REQUEST[:-2],
    DRIP: b"G",
    "answer never read": REQUEST,
    "half a handshake": b"\x16\x03\x01\x02\x00\x01\x00",
}
HTTP = (NOBODY, "silent", "half a request", DRIP, "answer never read")
HTTPS = (NOBODY, "silent", "half a handshake")


def stall(kind: str, port: int, number: int) -> None:
    """Keep so many connections stalled until standard input ends; say when all of them were opened."""
    poll = select.epoll()
    poll.register(sys.stdin, select.EPOLLIN)
    connections: dict[int, socket.socket] = {}

    def one_more() -> None:
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with contextlib.suppress(OSError):
            connection.connect(("127.0.0.1", port))
            connection.sendall(STARTS[kind])
        connections[connection.fileno()] = connection
        poll.register(connection, select.EPOLLRDHUP)

    for _ in range(number):
        one_more()
    print("stalled", flush=True)
    while True:
        for descriptor, _ in poll.poll(1):
            if descriptor == sys.stdin.fileno():
                return
            connections.pop(descriptor).close()
            one_more()
        for connection in connections.values() if kind == DRIP else ():
            with contextlib.suppress(OSError):
                connection.send(b"x")


@contextlib.contextmanager
def stalled(kind: str, port: int, number: int) -> Iterator[None]:
    """Run `stall` in a process of its own."""
    command = [sys.executable, __file__, f"--stall={kind}", f"--port={port}", f"--connections={number}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stalled\n"
        yield
        process.communicate()


@contextlib.contextmanager
def exporter(*flags: str) -> Iterator[tuple[int, int]]:
    """Run the exporter; give its process id and port."""
    command = [
        sys.executable,
        str(ROOT / "exporter.py"),
        "--web.listen-address=127.0.0.1:0",
        "--log.format=json",
        *flags,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        log = process.stderr
        assert log is not None
        serving = next(event for event in map(json.loads, log) if event["msg"] == "serving")
        threading.Thread(target=lambda: list(log), daemon=True).start()
        yield process.pid, int(serving["address"].rpartition(":")[2])
        process.kill()


def scrape(port: int, tls: ssl.SSLContext | None) -> tuple[float, int]:
    """Scrape on a new connection; return the seconds it took and the size of the page."""
    started = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        page = answer.read()
    assert answer.status == 200
    return time.perf_counter() - started, len(page)


def measure(kind: str, port: int, tls: ssl.SSLContext | None, connections: int, scrapes: int) -> str:
    """Scrape while connections stall, and return in words how that went."""
    with contextlib.nullcontext() if kind == NOBODY else stalled(kind, port, connections):
        times, sizes = zip(*(scrape(port, tls) for _ in range(scrapes)), strict=True)
    return (
        f"{kind:20} page {max(sizes) / 1e6:.1f} MB, {scrapes} scrapes: "
        f"median {statistics.median(times) * 1000:7.1f} ms, max {max(times) * 1000:7.1f} ms"
    )


def memory(pid: int) -> float:
    """Return the most memory a process ever had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def configuration(folder: Path, accounts: int) -> Path:
    """Write a configuration whose polls fail at once, and whose health series alone are a page of some megabytes."""
    tests = ", ".join(f"{{id: t{number}}}" for number in range(5))
    lines = [f"  - {{id: a{number}, api_token: t, policy_tests: [{tests}]}}" for number in range(accounts)]
    config = folder / "config.yaml"
    config.write_text("\n".join(["api: {url: 'http://127.0.0.1:9'}", "accounts:", *lines, ""]), encoding="utf-8")
    return config


def web_configuration(folder: Path) -> Path:
    """Make a certificate, and the configuration that uses it."""
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
            str(folder / "key.pem"),
            "-out",
            str(folder / "cert.pem"),
        ],
        check=True,
        capture_output=True,
    )
    config = folder / "web.yaml"
    config.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n", encoding="utf-8")
    return config


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every kind, without TLS and with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=5000)
    parser.add_argument("--scrapes", type=int, default=100)
    parser.add_argument("--accounts", type=int, default=500)
    parser.add_argument("--stall", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.stall:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.connections + 100, hard))
        stall(options.stall, options.port, options.connections)
        return
    with tempfile.TemporaryDirectory() as name:
        config = f"--config.file={configuration(Path(name), options.accounts)}"
        web = f"--web.config.file={web_configuration(Path(name))}"
        trusting = ssl.create_default_context(cafile=str(Path(name) / "cert.pem"))
        trusting.check_hostname = False
        for scheme, kinds, flags, tls in (("http", HTTP, [config], None), ("https", HTTPS, [config, web], trusting)):
            for kind in kinds:
                with exporter(*flags) as (pid, port):
                    line = measure(kind, port, tls, options.connections, options.scrapes)
                    print(f"{scheme:5} {line}, memory {memory(pid):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
