"""Stand-ins that tests turn by hand."""

from access_exporter.clock import Clock

START = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class FakeClock(Clock):
    """A clock that stands still but for its sleeps."""

    def __init__(self, now: float = START) -> None:
        super().__init__()
        self.now = now
        self.slept: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now - START

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
