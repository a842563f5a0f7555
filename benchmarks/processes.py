"""The processes of the benchmarks: the exporter as users run it, and programs that take commands on standard input.

CPU time and memory are the kernel's numbers for a process. The measuring process runs none of the measured code.
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
# A pace so fast that it never limits a measurement.
UNPACED = {"requests_per_second": 10_000, "burst": 1_000_000}


def cpu(process: "subprocess.Popen[str]") -> float:
    """Return the CPU time of a process in seconds, including threads that have ended."""
    return time.clock_gettime((~process.pid << 3) | 2)  # the clock ID that clock_getcpuclockid(3) returns


def median(measure: Callable[[], float], repeats: int) -> float:
    """Return the median of this number of measurements."""
    return statistics.median(measure() for _ in range(repeats))


def percentile(values: Sequence[float], share: float) -> float:
    """Return a percentile of the values; `share` is for example 0.99."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Program:
    """A module of the benchmarks in its own process, which prints one line at the start and one for each input line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Wait until the program has printed its first line."""
        self.process = process
        self.said = self._next()

    def tell(self, line: str = "") -> str:
        """Send a line to the program, and return its next line."""
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)
        return self._next()

    def _next(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"{self.process.args!r} has stopped"
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
    """A running benchmarks.cloudflare; `url` is the value for `api.url`."""

    def __init__(self, server: Program) -> None:
        """Keep a started server."""
        self._server = server
        self.url = server.said

    def asked(self) -> Asked:
        """Return the requests since the last call."""
        return msgspec.json.decode(self._server.tell(), type=Asked)


@contextlib.contextmanager
def cloudflare(scenario: Scenario) -> Iterator[Cloudflare]:
    """Serve a scenario for the length of a `with` block."""
    with program("cloudflare", msgspec.json.encode(scenario).decode()) as server:
        yield Cloudflare(server)


class Configuration:
    """A configuration file, written as JSON, which is valid YAML."""

    def __init__(self, path: Path, url: str, accounts: int, account: dict[str, Any], api: dict[str, Any]) -> None:
        """Write the file."""
        self.path = path
        self.accounts = accounts
        self._api = {"url": url, **UNPACED, **api}
        self._account = account
        self._intervals = itertools.count(3600)
        self.write()

    def write(self) -> None:
        """Write the file with a new interval, so that the exporter polls every target after the next reload."""
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
    """Write a configuration for this number of accounts, all with these keys, for the length of a `with` block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Configuration(Path(folder) / "config.yaml", url, accounts, account or {}, api or {})


class Exporter:
    """A running exporter. Its log shows when a poll has ended, so that no request disturbs the measurement."""

    def __init__(self, process: "subprocess.Popen[str]", configured: Configuration) -> None:
        """Wait until the web server of the exporter runs."""
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
        """Wait until the exporter has polled every account."""
        for _ in range(self._configured.accounts):
            assert self._polled.acquire(timeout=PATIENCE_SECONDS)

    def wait_for_rest(self) -> None:
        """Wait until the exporter has also polled the optional target `organization`, seconds after the first polls."""
        for _ in range(self._configured.accounts):
            assert self._rested.acquire(timeout=PATIENCE_SECONDS)

    def wait_for_next_poll(self) -> None:
        """Wait until the next poll of an account has ended."""
        while self.is_polled():
            pass
        assert self._polled.acquire(timeout=PATIENCE_SECONDS)

    def start_polls(self) -> None:
        """Make the exporter poll every account once more."""
        self._configured.write()
        self.process.send_signal(signal.SIGHUP)

    def poll(self) -> None:
        """Make the exporter poll every account once more, and wait until these polls have ended."""
        self.start_polls()
        self.wait_until_polled()

    def is_polled(self) -> bool:
        """Return whether the poll of an account has ended since the last wait."""
        return self._polled.acquire(blocking=False)

    def get(self, path: str, **headers: str) -> bytes:
        """Return the body of a response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            assert response.status == 200
            return response.read()

    def poll_duration(self) -> float:
        """Return the duration of the longest of the last polls, in seconds."""
        durations = re.findall(
            r"(?m)^cloudflare_access_poll_duration_seconds\{.*\} (.*)$", self.get("/metrics").decode()
        )
        return max(map(float, durations))

    def peak_memory(self) -> float:
        """Return the peak memory of the process in MB."""
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
    """Run an exporter that has polled this number of accounts and users, for the length of a `with` block."""
    with (
        cloudflare(Scenario(users)) as server,
        configuration(server.url, accounts) as configured,
        exporter(configured, *flags) as running,
    ):
        running.wait_until_polled()
        yield running


def once(configured: Configuration) -> None:
    """Poll everything once, in its own process."""
    subprocess.run(_command(configured, "--once", "--log.level=error"), check=True, stdout=subprocess.DEVNULL)
