"""Keeps the pace of one credential: how many requests may be in flight, and when the next request may leave.

Cloudflare allows a credential 1,200 requests in five minutes. If a credential exceeds that, Cloudflare refuses it for
the next five minutes (https://developers.cloudflare.com/fundamentals/api/reference/limits/). So the burst is part of
the budget of five minutes, not an addition to it. A 429 pauses every request with the credential.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from access_exporter.clock import Clock
from access_exporter.cloudflare.places import Places
from access_exporter.config import Api
from access_exporter.errors import RateLimitedError

WINDOW_SECONDS = 300
_ROUNDING = 1e-6
_NO_TURN = "rate-limit budget exhausted: this credential has no request left at the moment"


class RateLimiter:
    """Keeps a credential under `requests_per_second * 300` requests in any five minutes."""

    def __init__(self, rate: float, burst: int, concurrency: int, clock: Clock) -> None:
        """Start with the whole burst available; `rate` is in requests a second."""
        self._clock = clock
        self._lock = threading.Lock()
        self._places = Places(concurrency)
        self._optional_places = Places(1)  # so that an optional request that hangs delays no required request
        self._pace = (rate, burst, concurrency)
        self._paused_until = float("-inf")
        self._slow_until = float("-inf")
        self._slow_interval = 0.0
        self._slow_next = float("-inf")
        self._earned_at = float("-inf")  # GCRA: when all requests so far will fit the average rate
        self._interval, self._tolerance = _interval_and_tolerance(rate, burst)

    @property
    def waiting(self) -> int:
        """The number of requests that wait for a place in flight."""
        return self._places.waiting

    def change(self, rate: float, burst: int, concurrency: int) -> None:
        """Change the pace. A pause continues. There is no new burst, because the last one may be recent."""
        with self._lock:
            if self._pace == (rate, burst, concurrency):
                return
            self._pace = (rate, burst, concurrency)
            self._interval, self._tolerance = _interval_and_tolerance(rate, burst)
        self._places.change(concurrency)
        self.pause(0)

    @contextmanager
    def turn(self, patience: float = float("inf"), *, is_optional: bool = False) -> Iterator[None]:
        """Wait until a request may leave, and hold its place in flight. All optional requests share one other place.

        Raises RateLimitedError as soon as it is clear that the wait takes longer than `patience` seconds.
        """
        give_up_at = self._clock.monotonic() + patience
        places = self._optional_places if is_optional else self._places
        if not places.enter(patience):
            raise RateLimitedError(_NO_TURN)
        try:
            while (wait := self.take()) > 0:
                if self._clock.monotonic() + wait > give_up_at:
                    raise RateLimitedError(_NO_TURN)
                self._clock.sleep(wait)
            yield
        finally:
            places.leave()

    def take(self) -> float:
        """Reserve a request and return 0, or reserve nothing and return the seconds to wait before the next attempt."""
        with self._lock:
            now = self._clock.monotonic()
            slow = now < self._slow_until and self._slow_interval > self._interval
            earned_at = max(self._earned_at, now)
            allowed_at = max(earned_at - self._tolerance, self._paused_until, self._slow_next if slow else now)
            if allowed_at - now > _ROUNDING:
                return allowed_at - now
            self._earned_at = earned_at + self._interval
            self._slow_next = now + self._slow_interval
            return 0.0

    def pause(self, seconds: float) -> None:
        """Send no request for this many seconds, and then start without a burst."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
            self._earned_at = max(self._earned_at, self._paused_until + self._tolerance)

    def paused_for(self) -> float:
        """Return the seconds until the end of the pause; 0 without a pause."""
        return max(0.0, self._paused_until - self._clock.monotonic())

    def slow_down(self, remaining: int, reset: float) -> None:
        """Spread the `remaining` requests that the server still allows over the `reset` seconds they must last."""
        with self._lock:
            now = self._clock.monotonic()
            reset = min(max(0.0, reset), WINDOW_SECONDS)
            self._slow_interval = reset / (max(0, remaining) + 1)
            self._slow_next = now + self._slow_interval
            self._slow_until = now + reset

    def is_at_rest(self) -> bool:
        """Return whether the limiter is like a new one: no request, no pause, and the whole budget."""
        with self._lock:
            over = max(self._earned_at, self._paused_until, self._slow_until) <= self._clock.monotonic()
        return over and self._places.are_unused and self._optional_places.are_unused


class RateLimiters:
    """The limiter of each secret. A limiter survives reloads and rotations, because Cloudflare's own count does."""

    def __init__(self, clock: Clock) -> None:
        """Start without limiters; call `configure` first."""
        self._clock = clock
        self._rate = (1.0, 1, 1)
        self._limiters: dict[tuple[tuple[str, str], ...], RateLimiter] = {}

    def of(self, headers: Mapping[str, str]) -> RateLimiter:
        """Return the limiter of the secret in these headers."""
        secret = tuple(headers.items())
        return self._limiters.get(secret) or self._limiters.setdefault(secret, RateLimiter(*self._rate, self._clock))

    def configure(self, api: Api, in_use: Iterable[Mapping[str, str]]) -> None:
        """Set the pace of `api` on every limiter, and remove idle limiters of secrets that are not in use."""
        self._rate = (api.requests_per_second, api.burst, api.concurrency)
        kept = {tuple(headers.items()) for headers in in_use}
        for secret, limiter in list(self._limiters.items()):
            limiter.change(*self._rate)
            if secret not in kept and limiter.is_at_rest():
                del self._limiters[secret]


def _interval_and_tolerance(rate: float, burst: int) -> tuple[float, float]:
    """Return the seconds between two requests, and the seconds that a burst may borrow from later requests.

    A full burst and the steady stream after it must fit in the budget of five minutes, with one request to spare.
    """
    burst = max(1, min(burst, int(rate * WINDOW_SECONDS / 2)))
    interval = WINDOW_SECONDS / max(rate * WINDOW_SECONDS - burst - 1, rate * WINDOW_SECONDS / 4)
    return interval, (burst - 1) * interval
