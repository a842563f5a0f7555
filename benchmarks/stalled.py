"""The duration of a scrape while thousands of connections stall: python benchmarks/stalled.py.

Starts the exporter with a page of several megabytes. Connections stall in each way in turn, and the benchmark scrapes,
each time on a new connection. The first scrape arrives together with the stalled connections, so it waits until the
exporter has accepted them and read their data. The benchmark fails if a scrape gets no complete response.
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

import trustme

ROOT = Path(__file__).resolve().parent.parent
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
ALONE = "none"
DRIP = "one byte a second"
# The bytes that a connection sends before it stalls.
STARTS = {
    "silent": b"",
    "half a request": REQUEST[:-2],
    DRIP: b"G",
    "response never read": REQUEST,
    "half a handshake": b"\x16\x03\x01\x02\x00\x01\x00",
}
HTTP = (ALONE, "silent", "half a request", DRIP, "response never read")
HTTPS = (ALONE, "silent", "half a handshake")


def stall(kind: str, port: int, number: int) -> None:
    """Open stalled connections, print "stalled", and keep the connections until standard input ends."""
    connections = [one_more(kind, port) for _ in range(number)]
    print("stalled", flush=True)
    while not select.select([sys.stdin], [], [], 1)[0]:
        for connection in connections if kind == DRIP else ():
            with contextlib.suppress(OSError):  # the exporter has closed this connection for a newer one
                connection.send(b"x")


def one_more(kind: str, port: int) -> socket.socket:
    """Open one stalled connection."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", port))
    with contextlib.suppress(OSError):
        connection.sendall(STARTS[kind])
    return connection


@contextlib.contextmanager
def stalled(kind: str, port: int, number: int) -> Iterator[None]:
    """Run `stall` in its own process."""
    command = [sys.executable, __file__, f"--stall={kind}", f"--port={port}", f"--connections={number}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"stalled\n"
        yield
        process.communicate()


@contextlib.contextmanager
def exporter(*flags: str) -> Iterator[tuple[int, int]]:
    """Run the exporter; yield its process ID and port."""
    command = [
        sys.executable,
        str(ROOT / "exporter.py"),
        "--web.listen-address=127.0.0.1:0",
        "--log.format=json",
        *flags,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            log = process.stderr
            assert log is not None
            serving = next(event for event in map(json.loads, log) if event["msg"] == "serving")
            threading.Thread(target=lambda: list(log), daemon=True).start()
            yield process.pid, int(serving["address"].rpartition(":")[2])
        finally:
            process.kill()


def ask(path: str, port: int, tls: ssl.SSLContext | None) -> tuple[int, int]:
    """Send a request on a new connection; return the status and the size of the response."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    if tls:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=tls)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, len(answer.read())


def scrape(port: int, tls: ssl.SSLContext | None) -> tuple[float, int]:
    """Scrape once; return the seconds and the size of the page."""
    started = time.perf_counter()
    status, size = ask("/metrics", port, tls)
    assert status == 200
    return time.perf_counter() - started, size


def measure(kind: str, port: int, tls: ssl.SSLContext | None, connections: int, scrapes: int) -> str:
    """Scrape while connections stall, and return the result as a line of text."""
    while ask("/-/ready", port, tls)[0] != 200:
        time.sleep(0.1)
    with contextlib.nullcontext() if kind == ALONE else stalled(kind, port, connections):
        first, size = scrape(port, tls)
        times = [scrape(port, tls)[0] for _ in range(scrapes)]
    return (
        f"{kind:19}  page {size / 1e6:.1f} MB, first scrape {first:6.3f} s, "
        f"of {scrapes} more: median {statistics.median(times):.3f} s, max {max(times):.3f} s"
    )


def memory(pid: int) -> float:
    """Return the peak memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def configuration(folder: Path, accounts: int) -> Path:
    """Write a configuration with polls that fail at once; their health metrics alone fill several megabytes."""
    tests = ", ".join(f"{{id: t{number}}}" for number in range(5))
    lines = [f"  - {{id: a{number}, api_token: t, policy_tests: [{tests}]}}" for number in range(accounts)]
    config = folder / "config.yaml"
    api = "api: {url: 'http://127.0.0.1:9', requests_per_second: 10000, burst: 1000000, concurrency: 64}"
    config.write_text("\n".join([api, "accounts:", *lines, ""]), encoding="utf-8")
    return config


def web_configuration(folder: Path) -> Path:
    """Create a certificate and its authority, and write a web configuration that uses the certificate."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    config = folder / "web.yaml"
    config.write_text("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n", encoding="utf-8")
    return config


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every kind of stalled connection, without TLS and with TLS."""
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
        trusting = ssl.create_default_context(cafile=str(Path(name) / "ca.pem"))
        trusting.check_hostname = False  # the clients connect to 127.0.0.1
        for scheme, kinds, flags, tls in (("http", HTTP, [config], None), ("https", HTTPS, [config, web], trusting)):
            for kind in kinds:
                with exporter(*flags) as (pid, port):
                    line = measure(kind, port, tls, options.connections, options.scrapes)
                    print(f"{scheme:5}  {line}, memory at most {memory(pid):.0f} MB", flush=True)


if __name__ == "__main__":
    main()
