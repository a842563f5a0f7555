"""Whether an exporter stays right, and as small as it was, when Cloudflare fails at random for thousands of polls.

    python -m benchmarks.soak [polls]

One request in five meets a fault of tests/faults.py, over real connections to a simulator in another process; every
twentieth round the configuration is loaded again, with other timeouts and an account more or less. Waits take no
time. Fails when a number was wrong, or when memory, threads or open files grew.
"""

import logging
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from access_exporter import simulator
from access_exporter.config import Account as AccountConfig
from access_exporter.config import Api, Config, Duration, PolicyTest
from access_exporter.credentials import Secret
from access_exporter.simulator import Account, PolicyTestUser, Request, Simulator, User
from tests.faults import FAULTS, Fault
from tests.fleet import Fleet

ROOT = Path(__file__).resolve().parent.parent
TEST = "f1a8" * 16
ACCOUNTS = [f"account-{number}" for number in range(4)]
WARM_UP_POLLS = 500
MOST_GROWTH_BYTES = 5 << 20


@dataclass
class Figures:
    """What was seen so far; `wrong` are pages with a number that cannot be."""

    polls: int = 0
    failed: int = 0
    wrong: int = 0
    memory: int = 0
    threads: int = 0
    files: int = 0

    def measure(self) -> None:
        """Note what the process takes now: bytes of memory, threads, open files."""
        self.memory = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
        self.threads = threading.active_count()
        self.files = len(list(Path("/proc/self/fd").iterdir()))


def run(polls: int, seed: int = 1) -> tuple[Figures, Figures]:
    """Make so many polls; return the figures after the first of them, and at the end."""
    with cloudflare(seed) as url:
        exporter = Fleet(config(url, 0))
        figures = warm = Figures()
        while figures.polls < polls:
            for number in range(20):
                exporter.load(config(url, number // 19))
                exporter.poll()
                exporter.clock.now += 600  # longer than any pause
                exporter.clock.slept.clear()
                look(exporter, figures)
            figures.measure()
            if figures.polls <= WARM_UP_POLLS:
                warm = replace(figures)
    return warm, figures


def config(url: str, number: int) -> Config:
    """Return a configuration, another one for each number."""
    api = Api(url=url, timeout=Duration(0.05 + number % 7 / 1000), requests_per_second=10_000, burst=1_000_000)
    test = PolicyTest(id=TEST, name="wiki", stale_after=Duration(1500))
    names = ACCOUNTS if number % 2 else ACCOUNTS[:-1]
    accounts = [AccountConfig(id=name, api_token=Secret(name, name), policy_tests=(test,)) for name in names]
    return Config(api=api, accounts=tuple(accounts))


def look(exporter: Fleet, figures: Figures) -> None:
    """Count polls, failures, and accounts with a number that was never true."""
    for line in exporter.page().splitlines():
        figures.polls += line.startswith("cloudflare_access_poll_success{")
        figures.failed += line.startswith("cloudflare_access_poll_success{") and line.endswith(" 0.0")
        name, _, value = line.partition("{")
        figures.wrong += name == "cloudflare_access_seats_used" and not value.endswith(" 3.0")
        figures.wrong += name == "cloudflare_access_policy_test_users" and value.split()[-1] not in ("0.0", "5.0")


@contextmanager
def cloudflare(seed: int) -> Iterator[str]:
    """Run the simulator in a process of its own, whose memory is not measured; its URL."""
    command = [sys.executable, "-m", "benchmarks.soak", "serve", str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def serve(seed: int) -> None:
    """Answer, and let faults happen, until standard input ends."""
    chance = random.Random(seed)
    # A single page of other rows is no fault, and of those that take time each round has one.
    slow = [fault for fault in FAULTS if fault.reason == "timeout"]
    faults = [fault for fault in FAULTS if not fault.from_there_on and fault not in slow]
    deck: list[Fault] = []

    def choose(request: Request) -> simulator.Fault | None:
        if chance.random() > 0.2:
            return None
        if not deck:  # every fault comes as often as any other, and soon for the first time
            deck.extend(chance.sample([*faults, chance.choice(slow)], len(faults) + 1))
        fault = deck.pop()
        return fault.happen if request.endpoint in fault.endpoints else None

    users = [User(str(number), access_seat=number < 3) for number in range(5)]
    test = simulator.PolicyTest(TEST, "complete", [PolicyTestUser(str(number)) for number in range(5)])
    accounts = [Account(name, users, [test], token=name) for name in ACCOUNTS]
    with Simulator(accounts, max_per_page=2, fault=choose) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def main() -> int:
    """Print the figures; return 1 where something grew or was wrong."""
    logging.disable()
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]))
        return 0
    warm, end = run(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(f"polls={end.polls} failed={end.failed} wrong={end.wrong}")
    for name in ("memory", "threads", "files"):
        before, after = getattr(warm, name), getattr(end, name)
        print(f"{name}: {before} after {warm.polls} polls, {after} at the end, {after - before:+}")
    grew = end.memory - warm.memory >= MOST_GROWTH_BYTES or end.threads > warm.threads or end.files > warm.files
    return int(bool(grew or end.wrong))


if __name__ == "__main__":
    sys.exit(main())
