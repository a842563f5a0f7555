"""Stand-ins that tests turn by hand."""

import threading

from access_exporter.clock import Clock
from access_exporter.errors import StoppingError

START = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class FakeClock(Clock):
    """A clock that stands still but for its sleeps."""

    def __init__(self, now: float = START) -> None:
        super().__init__()
        self.now = now
        self.set_forward = 0.0  # seconds by which somebody set the time of day, and nothing else
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def time(self) -> float:
        return self.now + self.set_forward

    def monotonic(self) -> float:
        return self.now - START

    def sleep(self, seconds: float) -> None:
        if self.stop.is_set():
            raise StoppingError("the process is stopping")
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds
