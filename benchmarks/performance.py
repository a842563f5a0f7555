"""Measures the CPU time, memory, requests and latency that the exporter promises: python -m benchmarks.performance.

Writes docs/performance.md and docs/performance.svg. The benchmark uses real processes on the loopback interface. To
compare programs, it measures them by turns in the same run.
"""

import math
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import chain, pairwise

import msgspec

from benchmarks import chart, devices, documents, polling, scraping
from benchmarks.chart import Box
from benchmarks.cloudflare import PAGE_SIZE
from benchmarks.documents import DOCS

USERS = (1_000, 10_000, 100_000, 1_000_000)
ACCOUNTS = (1, 10, 100, 1_000)
USERS_PER_ACCOUNT = 100
MANY = 100_000
PAGES, LATENCY = 200, 0.1


class Promise(msgspec.Struct, frozen=True):
    """A measured figure, its upper or lower limit, and the number of decimals in the table."""

    what: str
    figure: float
    limit: float
    at_least: bool = False
    unit: str = ""
    digits: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether the figure is within the limit, without rounding."""
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def row(self) -> tuple[str, str, str, str]:
        """Return the row of the table for this promise."""
        sign = "≥" if self.at_least else "≤"
        unit = self.unit and f" {self.unit}"
        measured = f"{self.figure:,.{self.digits}f}{unit}"
        return self.what, measured, f"{sign} {self.limit:,g}{unit}", "yes" if self.is_kept else "**no**"


class Growth(msgspec.Struct, frozen=True):
    """The cost of polls for each number of users, and the cost of polls and scrapes for each number of accounts."""

    users: list[polling.Cost]
    accounts: list[polling.Cost]
    scrapes: list[scraping.Scrapes]

    def steepest(self) -> float:
        """Return the steepest slope of any line on two logarithmic axes; proportional growth has slope 1."""
        lines = [
            *((USERS, [getattr(cost, name) for cost in self.users]) for name in ("cpu", "memory")),
            *((ACCOUNTS, [getattr(cost, name) for cost in self.accounts]) for name in ("cpu", "memory")),
            *((ACCOUNTS, [getattr(each, name) for each in self.scrapes]) for name in ("nothing_new", "all_polled")),
        ]
        return max(slope for sizes, line in lines for slope in slopes(sizes, line))


def slopes(sizes: Sequence[float], costs: Sequence[float]) -> Iterator[float]:
    """Yield the slope of each step of a line on two logarithmic axes."""
    for (small, cheap), (large, dear) in pairwise(zip(sizes, costs, strict=True)):
        yield math.log(dear / cheap) / math.log(large / small)


def measure_growth() -> Growth:
    """Measure all sizes by turns, each in its own processes."""
    return Growth(
        polling.costs([(1, users) for users in USERS]),
        polling.costs([(accounts, USERS_PER_ACCOUNT) for accounts in ACCOUNTS]),
        scraping.scrapes(ACCOUNTS),
    )


def of_polls(cpu: polling.Cpu, wall: polling.Wall, growth: Growth) -> Iterator[Promise]:
    """Measure the promises about polls."""
    memory = dict(zip(USERS, growth.users, strict=True))
    requests, full = polling.requests(9_999), polling.requests(10_000)
    pages = f"{PAGES} pages of {LATENCY * 1000:.0f} ms"
    yield Promise("CPU of the SDK, relative to the exporter", cpu.sdk / cpu.exporter, 20, at_least=True, digits=1)
    yield Promise("CPU of the exporter, relative to a plain download", cpu.exporter / cpu.download, 1.5, digits=2)
    slope = polling.excess_by_slope()
    yield Promise(
        "The same for each page after the first 50, without the start; the poll before read the same list",
        slope,
        1.3,
        digits=2,
    )
    yield from of_unusual_rows()
    yield Promise("Peak memory with 10,000 users", memory[10_000].memory, 60, unit="MB")
    yield Promise("Peak memory with 1,000,000 users", memory[1_000_000].memory, 160, unit="MB")
    by_devices = devices.compare_cpu(MANY)
    yield Promise(
        "CPU of a poll that judges idle seats by devices, relative to a poll without devices",
        by_devices.with_devices / by_devices.alone,
        2,
        digits=2,
    )
    yield Promise("Peak memory with 1,000,000 users and as many devices", devices.memory(1_000_000), 220, unit="MB")
    yield Promise("Peak memory with 1,000 accounts of 100 users", growth.accounts[-1].memory, 120, unit="MB")
    yield Promise(f"{pages}: time, relative to the SDK", wall.concurrent / wall.sdk, 0.25, digits=3)
    yield Promise(f"{pages}: most requests in flight", wall.most_in_flight, 4)
    yield Promise(
        "Requests sent earlier than the pace allows, of 120 at 30 per second", polling.excess_over_pace(120, 30, 40), 0
    )
    yield Promise(
        "Unnecessary requests if the total is five times too high", polling.wasted_requests(10_000, 50_000), 4
    )
    yield Promise("Requests for 9,999 users", requests.exporter, 10)
    yield Promise("Requests of the SDK for 9,999 users", requests.sdk, requests.exporter + 1, at_least=True)
    yield Promise("Requests for 10,000 users, with a full last page", full.exporter, 11)
    yield Promise("Requests to poll a finished policy test", polling.requests_for_finished_test(5), 1)


def of_unusual_rows() -> Iterator[Promise]:
    """Measure polls with rows that take the slow decoder, compared with polls of the same rows without such values."""
    empty, zoneless = {"last_successful_login": ""}, {"last_successful_login": "2026-05-01T10:00:00"}
    domain = {"email": "user@b\u00fccher.example"}
    for what, unusual, every, limit in (
        ("an empty login on each page", empty, PAGE_SIZE, 2),
        ("an empty login in each row", empty, 1, 3),
        ("a time without a zone in each row", zoneless, 1, 3),
        ("a user of b\u00fccher.example on each page", domain, PAGE_SIZE, 3),
    ):
        measured = polling.excess_of_unusual(MANY, unusual, every, domains=20 if unusual is domain else 0)
        yield Promise(f"CPU with {what}, relative to the CPU without it", measured, limit, digits=2)


def of_scrapes(growth: Growth) -> Iterator[Promise]:
    """Measure the promises about scrapes and about the process."""
    rates = scraping.compare_rates(100)
    latency = scraping.by_many(1_000, clients=8)
    moved = scraping.during_polls(MANY)
    later = moved.during_polls.p99 - moved.alone.p99
    times = rates.exporter / rates.prometheus_client
    yield Promise("Scrapes per second with 100 accounts, relative to prometheus-client", times, 10, at_least=True)
    yield Promise(
        "Scrape of 1,000 accounts, median time", growth.scrapes[-1].nothing_new * 1e3, 20, unit="ms", digits=1
    )
    yield Promise(
        "The same after a new poll of every account", growth.scrapes[-1].all_polled * 1e3, 20, unit="ms", digits=1
    )
    yield Promise("Scrapes by 8 clients: p99, relative to the median", latency.p99 / latency.median, 5, digits=1)
    yield Promise("Increase of the p99 of scrapes during a poll of 100,000 users", later * 1e3, 50, unit="ms", digits=1)
    yield Promise(
        "Time from the start of the process to the first response of /metrics",
        scraping.start(),
        0.5,
        unit="s",
        digits=2,
    )
    yield Promise("CPU of an idle exporter", scraping.idle_cpu() * 100, 0.1, unit="%", digits=3)
    yield Promise("Steepest growth, as an exponent (1 means proportional)", growth.steepest(), 1.1, digits=2)


def growth_tables(growth: Growth) -> str:
    """Return tables with the cost of polls and scrapes at each size."""
    users = documents.table(
        ("Users", "CPU of a poll", "CPU per user", "Peak memory"),
        (
            (f"{users:,}", f"{cost.cpu * 1e3:,.1f} ms", f"{cost.cpu / users * 1e6:.2f} µs", f"{cost.memory:.0f} MB")
            for users, cost in zip(USERS, growth.users, strict=True)
        ),
    )
    accounts = documents.table(
        ("Accounts", "CPU to poll all", "Peak memory", "Scrape", "Scrape after new polls"),
        (
            (
                f"{accounts:,}",
                f"{cost.cpu * 1e3:,.1f} ms",
                f"{cost.memory:.0f} MB",
                f"{scrapes.nothing_new * 1e3:.2f} ms",
                f"{scrapes.all_polled * 1e3:.2f} ms",
            )
            for accounts, cost, scrapes in zip(ACCOUNTS, growth.accounts, growth.scrapes, strict=True)
        ),
    )
    return f"{users}\n{accounts}"


def drawing(cpu: polling.Cpu, growth: Growth) -> str:
    """Return the chart."""
    ways = {"Cloudflare's SDK": cpu.sdk, "The exporter": cpu.exporter, "Plain download": cpu.download}
    by_users = {
        "CPU of a poll, ms": [cost.cpu * 1e3 for cost in growth.users],
        "Peak memory, MB": [cost.memory for cost in growth.users],
    }
    by_accounts = {
        "CPU to poll all, ms": [cost.cpu * 1e3 for cost in growth.accounts],
        "Peak memory, MB": [cost.memory for cost in growth.accounts],
        "Scrape, ms": [each.nothing_new * 1e3 for each in growth.scrapes],
        "Scrape after new polls, ms": [each.all_polled * 1e3 for each in growth.scrapes],
    }
    return chart.document(
        900,
        600,
        "What polls and scrapes cost",
        chart.bars(
            Box(30, 40, 840, 120), "CPU per user", {way: spent / MANY * 1e6 for way, spent in ways.items()}, "µs"
        ),
        chart.lines(Box(30, 190, 400, 400), "An account that grows", "users", USERS, by_users),
        chart.lines(Box(470, 190, 400, 400), "More accounts of 100 users", "accounts", ACCOUNTS, by_accounts),
    )


def waiting(wall: polling.Wall) -> str:
    """Describe how long the same pages took by default, one by one, and with the SDK."""
    return (
        f"{PAGES} pages of {LATENCY * 1000:.0f} ms take {wall.concurrent:.2f} s by default ({wall.first:.2f} s the "
        f"first time), {wall.one_by_one:.2f} s with `concurrency: 1`, and {wall.sdk:.1f} s with the SDK. The default "
        f"takes {wall.concurrent / wall.one_by_one:.3f} of the time of `concurrency: 1`.\n"
    )


def machine() -> str:
    """Describe the machine and its load."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("cloudflare", "requests", "prometheus-client"))
    return (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, "
        f"with {packages}; load before the run: {os.getloadavg()[0]:.1f}.\n"
    )


def main() -> None:
    """Measure all promises, and write the document and the chart."""
    where, started = machine(), time.monotonic()
    cpu = polling.compare_cpu(MANY)
    wall = polling.wall(PAGES, LATENCY)
    growth = measure_growth()
    rows = []
    for promise in chain(of_polls(cpu, wall, growth), of_scrapes(growth)):
        rows.append(promise.row())
        print(*promise.row(), sep=" | ", file=sys.stderr, flush=True)
    promises = documents.table(("Promise", "Measured", "Limit", "Kept"), rows)
    documents.write(
        DOCS / "performance.md", {"promises": f"{where}\n{promises}\n{waiting(wall)}", "growth": growth_tables(growth)}
    )
    (DOCS / "performance.svg").write_text(drawing(cpu, growth), encoding="utf-8")
    print(f"wrote docs/performance.md and docs/performance.svg after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
