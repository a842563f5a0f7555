"""A poller with a fake clock; each poll runs in the thread of the test."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from access_exporter.collectors.protocol import Key
from access_exporter.exposition.families import gauge
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots, Store
from tests.fakes import FakeClock, FakeCollector


class Bench:
    """A poller that polls when `turn` or `finish` is called, and the results of its polls."""

    def __init__(self, store: Store | None = None) -> None:
        self.clock = FakeClock()
        self.snapshots = Snapshots(self.clock, store)
        self.started: list[Callable[[], None]] = []
        self.poller = Poller(self.snapshots, self.clock, lambda poll, name: self.started.append(poll))
        self.polled: list[tuple[str, float]] = []
        self.outcome: dict[str, Exception | float] = {}
        self.took: dict[str, float] = {}

    def target(self, name: str, interval: float = 60, stale_after: float = 150, **changes: Any) -> FakeCollector:
        def fetch(_: Any, _now: float) -> float:
            self.polled.append((name, self.clock.monotonic()))
            self.clock.now += self.took.get(name, 0)
            outcome = self.outcome.get(name, 1.0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        made = FakeCollector(
            key=Key("account", "users", name),
            answer=fetch,
            shown=lambda value: [gauge("value", "A value.", [({"target": name}, value)])],
            subject=name,
            interval=interval,
            stale_after=stale_after,
        )
        return replace(made, **changes)

    def start(self) -> float | None:
        return self.poller.start_due()

    def finish(self) -> None:
        started, self.started = self.started, []
        for poll in started:
            poll()

    def turn(self, seconds: float) -> None:
        """Let time pass, and run each poll when it is due."""
        end = self.clock.now + seconds
        while True:
            self.start()
            self.finish()
            wait = self.start()
            if wait is None or self.clock.now + wait > end:
                break
            self.clock.now += wait
        self.clock.now = max(end, self.clock.now)

    def series(self) -> dict[tuple[str, str], float]:
        """Return the served values by name and target; the errors of a target are added up."""
        text = b"".join(self.snapshots.page(Format.TEXT).text_with(Encoded())).decode()
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name.removeprefix("cloudflare_access_"), sample.labels["target"]
                found[key] = found.get(key, 0) + sample.value
        return found
