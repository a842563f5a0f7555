"""Checks that the exporter stays correct and does not grow over thousands of polls with random faults of Cloudflare.

    make soak    or    python -m benchmarks.soak [polls]

One request in five meets a fault of tests/fault_table.py, over real connections to a simulator in another process. The
exporter reloads its configuration in every twentieth round, with other timeouts and one account more or less. Waits
take no time. The benchmark fails if a number was wrong. It also fails if, at any time after the first 500 polls, the
process used 5 MB more memory, one more thread, or more additional open files than there may be connections.
"""

import logging
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from access_exporter import memory, simulator
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, Devices, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import Registration
from access_exporter.simulator.server import Fault as Serving
from tests.fakes import START
from tests.fault_table import FAULTS
from tests.faults import Fault
from tests.fleet import Fleet

ROOT = Path(__file__).resolve().parent.parent
TEST = "f1a8" * 16
ACCOUNTS = [f"account-{number}" for number in range(4)]
WARM_UP_POLLS = 500
SEEN_AT = datetime.fromtimestamp(START, UTC)
DEVICES = ('"warp"} 5.0', '"browser_extension"} 0.0', '"unknown"} 0.0')


class Usage(NamedTuple):
    """The resources of a process: bytes of memory, threads, open files."""

    memory: int = 0
    threads: int = 0
    files: int = 0

    @classmethod
    def now(cls) -> "Usage":
        """Return the resources of this process now."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        files = len(list(Path("/proc/self/fd").iterdir()))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), threading.active_count(), files)


# Open files include kept connections, and their number varies: each credential has up to `concurrency` connections.
MOST_GROWTH = Usage(memory=5 << 20, threads=0, files=len(ACCOUNTS) * Api().concurrency)


@dataclass
class Figures:
    """The results: `wrong` counts impossible numbers, `warm` is after the first polls, `most` is the maximum since."""

    polls: int = 0
    failed: int = 0
    wrong: int = 0
    warm: Usage = field(default_factory=Usage)
    most: Usage = field(default_factory=Usage)

    @property
    def grew(self) -> bool:
        """Whether memory, threads or open files grew more than allowed after the first polls."""
        return any(most - warm > allowed for warm, most, allowed in zip(self.warm, self.most, MOST_GROWTH, strict=True))


def run(polls: int, warm_up: int = WARM_UP_POLLS, seed: int = 1) -> Figures:
    """Run this number of polls, the first of them as a warm-up, and return the results."""
    figures = Figures()
    with cloudflare(seed) as url:
        exporter = Fleet(config(url, 0))
        while figures.polls < polls:
            for number in range(20):
                exporter.load(config(url, number // 19))
                exporter.poll()
                exporter.clock.now += 600  # more than any wait of the exporter
                exporter.clock.slept.clear()
                look(exporter, figures)
            if figures.polls <= warm_up:
                figures.warm = Usage.now()
            else:
                figures.most = Usage(*map(max, figures.most, Usage.now()))
    return figures


def config(url: str, number: int) -> Config:
    """Return a configuration that differs for each number."""
    api = Api(url=url, timeout=Duration(0.05 + number % 7 / 1000), requests_per_second=10_000, burst=1_000_000)
    test = PolicyTest(id=TEST, name="wiki", stale_after=Duration(1500))
    devices = Devices(interval=Interval(300), stale_after=Duration(1500))
    names = ACCOUNTS if number % 2 else ACCOUNTS[:-1]
    accounts = [
        AccountConfig(id=name, api_token=Secret(name, name), policy_tests=(test,), devices=devices) for name in names
    ]
    return Config(api=api, accounts=tuple(accounts))


def look(exporter: Fleet, figures: Figures) -> None:
    """Count polls, failed polls, and wrong numbers."""
    for line in exporter.page().splitlines():
        figures.polls += line.startswith("cloudflare_access_poll_success{")
        figures.failed += line.startswith("cloudflare_access_poll_success{") and line.endswith(" 0.0")
        name, _, value = line.partition("{")
        figures.wrong += name == "cloudflare_access_seats_used" and not value.endswith(" 3.0")
        figures.wrong += name == "cloudflare_access_policy_test_users" and value.split()[-1] not in ("0.0", "5.0")
        figures.wrong += name == "cloudflare_access_device_registrations" and not value.endswith(DEVICES)
        figures.wrong += name == "cloudflare_access_seats_idle" and not value.endswith(" 0.0")


@contextmanager
def cloudflare(seed: int) -> Iterator[str]:
    """Run the simulator in another process, so that its memory does not count; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.soak", "serve", str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve(seed: int) -> None:
    """Run the simulator with random faults until standard input ends."""
    chance = random.Random(seed)
    # The run leaves out two kinds of faults. A single page with other rows is not an error, and neither are fewer rows
    # in a first poll or at the end of a policy test. Each round has only one of the slow faults, to save time.
    slow = [fault for fault in FAULTS if fault.reason == "timeout"]
    faults = [fault for fault in FAULTS if not (fault.from_there_on or fault.needs_totals or fault in slow)]
    deck: list[Fault] = []

    def choose(request: Request) -> Serving | None:
        if chance.random() > 0.2:
            return None
        if not deck:  # every fault happens equally often, and all of them happen early
            deck.extend(chance.sample([*faults, chance.choice(slow)], len(faults) + 1))
        fault = deck.pop()
        return fault.happen if request.endpoint in fault.endpoints else None

    # No user ever logged in, but every user has an active device, so no seat is ever idle.
    users = [User(str(number), access_seat=number < 3, active_device_count=1) for number in range(5)]
    devices = tuple(Registration(str(number), {"id": str(number)}, {}, last_seen_at=SEEN_AT) for number in range(5))
    test = simulator.PolicyTest(TEST, "complete", [PolicyTestUser(str(number)) for number in range(5)])
    accounts = [Account(name, users, [test], token=name) for name in ACCOUNTS]
    for account in accounts:
        account.registrations = devices
    with Simulator(accounts, max_per_page=2, fault=choose) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def main() -> int:
    """Print the results; return 1 if a resource grew too much or a number was wrong."""
    logging.disable()
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
        return 0
    memory.keep_small()  # as the exporter does when it starts
    figures = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(f"{figures.polls} polls, {figures.failed} failed, {figures.wrong} wrong numbers")
    for name, warm, most in zip(Usage._fields, figures.warm, figures.most, strict=True):
        print(f"{name:8} {warm:11,} after {WARM_UP_POLLS} polls, at most {most:11,} later, {most - warm:+,}")
    return int(figures.grew or figures.wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
