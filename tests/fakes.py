"""A fake clock and a fake collector, which tests control."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric

from access_exporter.clock import Clock
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.errors import StoppingError

START = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class FakeClock(Clock):
    """A clock that moves only when something sleeps or a test moves it."""

    def __init__(self, now: float = START) -> None:
        super().__init__()
        self.now = now
        self.set_forward = 0.0  # seconds that the time of day was set forward, without the monotonic clock
        self.suspended = 0.0  # seconds while the machine was suspended
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def time(self) -> float:
        return self.now + self.set_forward

    def monotonic(self) -> float:
        return self.now - START

    def awake(self) -> float:
        return self.now - START - self.suspended

    def suspend(self, seconds: float) -> None:
        """Let time pass while the machine is suspended."""
        self.now += seconds
        self.suspended += seconds

    def sleep(self, seconds: float) -> None:
        if self.stop.is_set():
            raise StoppingError("the process is stopping")
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@dataclass
class FakeCollector(Collector[Any]):
    """A collector with summaries and metric families that the test provides."""

    key: Key
    answer: Callable[[Any, float], Any]
    shown: Callable[[Any], Iterable[Metric]]
    subject: object = None
    settings: object = None
    interval: float = 60
    stale_after: float = 150
    summary_type: type = float
    title: str = "Users"
    is_optional: bool = False
    names: Callable[[Any], Iterable[Collector[Any]]] = lambda _: ()

    def targets(self, summary: Any) -> Iterable[Collector[Any]]:
        return self.names(summary)

    def fetch(self, poll: Poll[Any]) -> Any:
        return self.answer(poll.previous, poll.now)

    def plan(self) -> Plan:
        return Plan("nothing", "never polled", 0, "0 requests/h")

    def families(self, summary: Any) -> Iterable[Metric]:
        return self.shown(summary)
