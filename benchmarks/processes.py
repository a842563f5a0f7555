"""The processes of the benchmarks: the exporter as its users run it, and programs that do what they are told.

CPU time and memory are the kernel's own numbers of a process, read from outside: nothing measured runs in the process
that measures.
"""

import contextlib
import http.client
import itertools
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.cloudflare import TOKEN, Asked, Scenario

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_SECONDS = 120
# So fast that the pace is never what is measured.
UNPACED = {"requests_per_second": 10_000, "burst": 1_000_000}


def cpu(process: "subprocess.Popen[str]") -> float:
    """Return the seconds of CPU time of a process, with every thread it ever had."""
    return time.clock_gettime((~process.pid << 3) | 2)  # what clock_getcpuclockid(3) returns


def median(measure: Callable[[], float], repeats: int) -> float:
    """Return the median of so many measurements."""
    return statistics.median(measure() for _ in range(repeats))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which so large a share of the values lies, such as 0.99."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Program:
    """A module of the benchmarks in a process of its own, which says where it is and then answers line by line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait until it is there."""
        self.process = process
        self.said = self._next()

    def tell(self, line: str = "") -> str:
        """Give it a line, and return the line it answers."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)
        return self._next()

    def _next(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.process.args!r} ended"
        return line.strip()


@contextlib.contextmanager
def program(module: str, *arguments: str) -> Iterator[Program]:
    """Run a module of the benchmarks for the length of a `with` block."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        try:
            yield Program(process)
        finally:
            process.terminate()


class Cloudflare:
    """A running benchmarks.cloudflare; `url` is what `api.url` should be."""

    def __init__(self, server: Program) -> None:
        """Take over a server that has started."""
        self._server = server
        self.url = server.said

    def asked(self) -> Asked:
        """Return what was asked since the last time."""
        return msgspec.json.decode(self._server.tell(), type=Asked)


@contextlib.contextmanager
def cloudflare(scenario: Scenario) -> Iterator[Cloudflare]:
    """Serve a scenario for the length of a `with` block."""
    with program("cloudflare", msgspec.json.encode(scenario).decode()) as server:
        yield Cloudflare(server)


class Configuration:
    """A configuration file; JSON is YAML."""

    def __init__(self, path: Path, url: str, accounts: int, account: dict[str, Any], api: dict[str, Any]) -> None:
        """Write it."""
        self.path = path
        self.accounts = accounts
        self._api = {"url": url, **UNPACED, **api}
        self._account = account
        self._intervals = itertools.count(3600)
        self.write()

    def write(self) -> None:
        """Write it again with another interval, so that at the next reload every target has changed and is polled."""
        interval = {"interval": next(self._intervals), "stale_after": "1d"}
        account = {"api_token": TOKEN, "users": {}, "devices": False, **self._account}
        account["users"] = account["users"] is not False and interval | account["users"]
        account["policy_tests"] = [interval | test for test in account.get("policy_tests", [])]
        accounts = [{"id": f"{number:032x}"} | account for number in range(self.accounts)]
        self.path.write_text(json.dumps({"api": self._api, "accounts": accounts}), encoding="utf-8")


@contextlib.contextmanager
def configuration(
    url: str, accounts: int = 1, account: dict[str, Any] | None = None, api: dict[str, Any] | None = None
) -> Iterator[Configuration]:
    """Write a configuration for so many accounts, all with these keys, for the length of a `with` block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Configuration(Path(folder) / "config.yaml", url, accounts, account or {}, api or {})


class Exporter:
    """A running exporter. Its log tells when polls end, so that nothing has to be asked of it meanwhile."""

    def __init__(self, process: "subprocess.Popen[str]", configured: Configuration) -> None:
        """Wait until it serves."""
        self.process = process
        self._configured = configured
        self._polled = threading.Semaphore(0)
        self._rested = threading.Semaphore(0)
        assert process.stderr is not None
        serving = next(event for event in map(json.loads, process.stderr) if self._notice(event) == "serving")
        self.port = int(serving["address"].rpartition(":")[2])
        self.log_reader = threading.Thread(target=self._listen, daemon=True)
        self.log_reader.start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._notice(json.loads(line))

    def _notice(self, event: dict[str, Any]) -> str:
        assert event["level"] in ("debug", "info"), event
        if event["msg"] == "poll succeeded" and event["collector"] in ("users", "policy_tests"):
            self._polled.release()
        if event["msg"] == "poll succeeded" and event["collector"] == "organization":
            self._rested.release()
        return str(event["msg"])

    def wait_until_polled(self) -> None:
        """Wait until every account was polled."""
        for _ in range(self._configured.accounts):
            assert self._polled.acquire(timeout=PATIENCE_SECONDS)

    def wait_for_rest(self) -> None:
        """Wait until what is optional was polled as well, which begins some seconds after the first polls."""
        for _ in range(self._configured.accounts):
            assert self._rested.acquire(timeout=PATIENCE_SECONDS)

    def wait_for_next_poll(self) -> None:
        """Wait until an account was polled, from now on."""
        while self.is_polled():
            pass
        assert self._polled.acquire(timeout=PATIENCE_SECONDS)

    def start_polls(self) -> None:
        """Let every account be polled once more."""
        self._configured.write()
        self.process.send_signal(signal.SIGHUP)

    def poll(self) -> None:
        """Let every account be polled once more, and wait for it."""
        self.start_polls()
        self.wait_until_polled()

    def is_polled(self) -> bool:
        """Tell whether an account's poll ended that nobody waited for."""
        return self._polled.acquire(blocking=False)

    def get(self, path: str, **headers: str) -> bytes:
        """Return the body of a page."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            assert response.status == 200
            return response.read()

    def poll_duration(self) -> float:
        """Return the seconds that the longest of the last polls took."""
        durations = re.findall(
            r"(?m)^cloudflare_access_poll_duration_seconds\{.*\} (.*)$", self.get("/metrics").decode()
        )
        return max(map(float, durations))

    def peak_memory(self) -> float:
        """Return the most memory it ever had, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _command(configured: Configuration, *flags: str) -> list[str]:
    return [sys.executable, str(ROOT / "exporter.py"), f"--config.file={configured.path}", *flags]


@contextlib.contextmanager
def exporter(configured: Configuration, *more: str) -> Iterator[Exporter]:
    """Run the exporter, with more flags, for the length of a `with` block."""
    flags = ("--web.listen-address=127.0.0.1:0", "--log.format=json", "--log.level=debug")
    with subprocess.Popen(_command(configured, *flags, *more), stderr=subprocess.PIPE, text=True) as process:
        try:
            running = Exporter(process, configured)
            yield running
            process.terminate()
            running.log_reader.join()
        finally:
            process.terminate()


@contextlib.contextmanager
def polled(accounts: int = 1, users: int = 100, *flags: str) -> Iterator[Exporter]:
    """Run an exporter that has polled so many accounts of so many users, for the length of a `with` block."""
    with (
        cloudflare(Scenario(users)) as server,
        configuration(server.url, accounts) as configured,
        exporter(configured, *flags) as running,
    ):
        running.wait_until_polled()
        yield running


def once(configured: Configuration) -> None:
    """Poll everything once in a process of its own."""
    subprocess.run(_command(configured, "--once", "--log.level=error"), check=True, stdout=subprocess.DEVNULL)
