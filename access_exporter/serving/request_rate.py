"""A rate limit on requests: one token bucket for all clients together, as in the exporter-toolkit."""

import re
from collections.abc import Callable
from time import monotonic

# The format of durations in Go: https://pkg.go.dev/time#ParseDuration
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 0.001, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(rf"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)({'|'.join(_UNITS)})", re.ASCII)


class RequestRate:
    """A bucket with at most `burst` tokens. It gains one token in each interval, and each request takes one."""

    def __init__(self, interval: float, burst: int, clock: Callable[[], float] = monotonic) -> None:
        """Start with a full bucket. `interval` is in seconds; 0 means no limit."""
        self._interval, self._burst, self._clock = interval, burst, clock
        self._tokens, self._filled_at = float(burst), clock()

    def allows(self) -> bool:
        """Take a token for a request. Return whether the bucket had one."""
        if not self._interval:
            return True
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) / self._interval)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def seconds(interval: str | int) -> float:
    """Return the seconds of an interval such as 1s, 1m30s or 0. Raises ValueError if it is not a duration."""
    text = str(interval)
    if text == "0":
        return 0
    if not re.fullmatch(f"(?:{_PART.pattern})+", text):
        raise ValueError("expected a duration with its unit, such as 500ms, 1s or 1m30s, or 0 for no limit")
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
