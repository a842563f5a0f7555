"""The cost of polls: CPU time, memory, requests, and duration with slow responses."""

import contextlib
import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from benchmarks.cloudflare import PAGE_SIZE, TEST_ID, Scenario
from benchmarks.processes import (
    Cloudflare,
    Exporter,
    Program,
    cloudflare,
    configuration,
    cpu,
    exporter,
    once,
    polled,
    program,
)

FORMATS: list[dict[str, str]] = [
    form | encoding
    for form in ({}, {"Accept": "application/openmetrics-text;version=1.0.0"})
    for encoding in ({}, {"Accept_Encoding": "gzip"})
]


class Cpu(msgspec.Struct, frozen=True):
    """Median CPU time in seconds to read all users once, for the exporter and its alternatives."""

    exporter: float
    download: float
    sdk: float


def compare_cpu(users: int, rounds: int = 9) -> Cpu:
    """Measure CPU time by turns, each in a process that has done the same before.

    The exporter is idle between its polls.
    """
    every_ten_seconds = {"users": {"interval": "10s", "stale_after": "1d"}}
    with (
        cloudflare(Scenario(users)) as server,
        configuration(server.url, account=every_ten_seconds) as configured,
        exporter(configured) as running,
        program("baselines", "download", server.url) as download,
        program("baselines", "sdk", server.url) as sdk,
    ):
        running.wait_until_polled()
        assert int(download.tell()) == users // PAGE_SIZE
        assert int(sdk.tell()) == users
        polls, downloads, iterations = [], [], []
        for number in range(rounds):
            polls.append(_spent(running, running.wait_for_next_poll))
            downloads.append(_spent(download, download.tell))
            if number % 3 == 1:  # a third of the rounds is enough, because the SDK takes more than ten seconds
                iterations.append(_spent(sdk, sdk.tell))
                running.wait_for_next_poll()  # otherwise, the next round could start during a poll
    return Cpu(*map(statistics.median, (polls, downloads, iterations)))


def excess_by_slope(pages: tuple[int, int] = (50, 350), rounds: int = 15) -> float:
    """Return the CPU time of each page beyond the first 50, as a multiple of the CPU time of a plain download.

    The start of a poll or download costs the same for both numbers of pages, so the difference does not include it.
    """
    with contextlib.ExitStack() as stack:
        ways: list[tuple[Exporter | Program, Callable[[], object]]] = []
        for number in pages:
            server = stack.enter_context(cloudflare(Scenario(number * PAGE_SIZE - 1)))
            running = stack.enter_context(exporter(stack.enter_context(configuration(server.url))))
            download = stack.enter_context(program("baselines", "download", server.url))
            running.wait_until_polled()
            ways += [(running, running.poll), (download, download.tell)]
        turns = [[_spent(*way) for way in ways] for _ in range(rounds)]
    ours, theirs, all_ours, all_theirs = map(statistics.median, zip(*turns, strict=True))
    return float((all_ours - ours) / (all_theirs - theirs))


def _spent(measured: Exporter | Program, do: Callable[[], object]) -> float:
    before = cpu(measured.process)
    do()
    return cpu(measured.process) - before


def excess_of_unusual(users: int, unusual: dict[str, Any], every: int, domains: int = 0, rounds: int = 5) -> float:
    """Return the CPU time of polls with one unusual user in `every` users, as a multiple of polls without them."""
    account = {"users": {"domains": domains}}
    with contextlib.ExitStack() as stack:
        running = []
        for values in (unusual, {}):
            server = stack.enter_context(cloudflare(Scenario(users, unusual=values, unusual_every=every)))
            configured = stack.enter_context(configuration(server.url, account=account))
            running.append(stack.enter_context(exporter(configured)))
            running[-1].wait_until_polled()
        turns = [[_spent(each, each.poll) for each in running] for _ in range(rounds)]
    with_them, without = map(statistics.median, zip(*turns, strict=True))
    return float(with_them / without)


class Cost(msgspec.Struct, frozen=True):
    """The cost of one poll of every account: CPU time in seconds, and peak memory in MB."""

    cpu: float
    memory: float


def costs(sizes: Iterable[tuple[int, int]], rounds: int = 5) -> list[Cost]:
    """Return the cost for each pair of a number of accounts and a number of users, measured by turns.

    Between the polls, the benchmark scrapes each exporter in every format.
    """
    with contextlib.ExitStack() as stack:
        exporters = [stack.enter_context(polled(accounts, users)) for accounts, users in sizes]
        turns = []
        for _ in range(rounds):
            turns.append([_spent(running, running.poll) for running in exporters])
            for running, headers in itertools.product(exporters, FORMATS):
                running.get("/metrics", **headers)
        medians = map(statistics.median, zip(*turns, strict=True))
        return [Cost(spent, running.peak_memory()) for spent, running in zip(medians, exporters, strict=True)]


class Wall(msgspec.Struct, frozen=True):
    """Seconds for the same pages in each way, and the most requests that the exporter had in flight."""

    first: float
    concurrent: float
    one_by_one: float
    sdk: float
    most_in_flight: int


def wall(pages: int, latency: float) -> Wall:
    """Poll pages with this latency in seconds: with the default concurrency, one by one, and with the SDK."""
    with cloudflare(Scenario(pages * PAGE_SIZE, latency=latency)) as server:
        first, concurrent, most = _polled_twice(server, {})
        _, one_by_one, one = _polled_twice(server, {"concurrency": 1})
        assert one == 1
        with program("baselines", "sdk", server.url) as sdk:
            started = time.monotonic()
            sdk.tell()
            return Wall(first, concurrent, one_by_one, time.monotonic() - started, most)


def _polled_twice(server: Cloudflare, api: dict[str, Any]) -> tuple[float, float, int]:
    """Return the seconds of the first and of the second poll, and the most requests in flight."""
    with configuration(server.url, api=api) as configured, exporter(configured) as running:
        running.wait_until_polled()
        first = running.poll_duration()
        running.poll()
        return first, running.poll_duration(), server.asked().most_in_flight


def excess_over_pace(pages: int, rate: float, burst: int) -> int:
    """Return how many requests arrived earlier than the rate and the burst allow."""
    with (
        cloudflare(Scenario(pages * PAGE_SIZE - 1)) as server,
        configuration(server.url, api={"requests_per_second": rate, "burst": burst}) as configured,
    ):
        once(configured)
        times = server.asked().times
    assert len(times) == pages
    return sum(time < times[0] + (number - burst) / rate for number, time in enumerate(times))


def wasted_requests(users: int, claimed_users: int) -> int:
    """Return how many requests for missing pages the exporter sends if the total claims too many users."""
    with cloudflare(Scenario(users, claimed_users)) as server, configuration(server.url) as configured:
        once(configured)
        return sum(page > -(-users // PAGE_SIZE) for page in server.asked().pages)


class Requests(msgspec.Struct, frozen=True):
    """How many requests it takes to read all users once."""

    exporter: int
    sdk: int


def requests(users: int) -> Requests:
    """Return the number of requests, which the server counts."""
    with cloudflare(Scenario(users)) as server:
        with configuration(server.url) as configured:
            once(configured)
        ours = len(server.asked().times)
        with program("baselines", "sdk", server.url) as sdk:
            assert int(sdk.tell()) == users
        return Requests(ours, len(server.asked().times))


def requests_for_finished_test(polls: int) -> float:
    """Return the requests per poll of a finished policy test, after the exporter has counted its results."""
    account = {"users": False, "policy_tests": [{"id": TEST_ID}]}
    with (
        cloudflare(Scenario(tested_users=2500)) as server,
        configuration(server.url, account=account) as configured,
        exporter(configured) as running,
    ):
        running.wait_until_polled()
        server.asked()
        for _ in range(polls):
            running.poll()
        return len(server.asked().times) / polls
