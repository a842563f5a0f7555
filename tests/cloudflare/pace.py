"""A rate limiter, and the times at which requests were sent."""

from access_exporter.cloudflare.rate_limit import RateLimiter
from tests.fakes import FakeClock

WINDOW = 300


class Bench:
    """A rate limiter, and the times at which requests were sent."""

    def __init__(self, rate: float = 2, burst: int = 40, concurrency: int = 4) -> None:
        self.clock = FakeClock()
        self.limiter = RateLimiter(rate, burst, concurrency, self.clock)
        self.left: list[float] = []

    def send(self, requests: int = 1, until: float = float("inf")) -> list[float]:
        """Send this number of requests one after the other, none after `until`, and return their times."""
        before = len(self.left)
        for _ in range(requests):
            if self.clock.monotonic() > until:
                break
            with self.limiter.turn():
                self.left.append(self.clock.monotonic())
        return self.left[before:]

    def most_in_a_window(self) -> int:
        """Return the largest number of requests sent in any five minutes."""
        first = most = 0
        for last, time in enumerate(self.left):
            while self.left[first] < time - WINDOW:
                first += 1
            most = max(most, last - first + 1)
        return most
