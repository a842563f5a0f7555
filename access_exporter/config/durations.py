"""Durations such as `90s`, `5m`, `1h30m` or `1d`, or a number of seconds."""

import re
from typing import ClassVar

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


class Duration(float):
    """A time span in seconds. People write it as `90s`, `5m`, `1h30m`, `1d` or a number of seconds."""

    minimum: ClassVar[float] = 0.001
    maximum: ClassVar[float] = 365 * 86400  # the timers of the system cannot wait for centuries
    expectation: ClassVar[str] = "a duration from 1ms to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"

    @classmethod
    def parse(cls, value: object) -> "Duration":
        """Return the time span of a value. Raises ValueError, which says what was expected."""
        seconds = _seconds(value)
        if seconds is None or not cls.minimum <= seconds <= cls.maximum:
            raise ValueError(f"expected {cls.expectation}")
        return cls(seconds)


class Interval(Duration):
    """A time between two polls. It is at least ten seconds, so that a typing error cannot use up the rate limit."""

    minimum = 10.0
    expectation = "a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"


def _seconds(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(f"(?:{_DURATION_PART.pattern})+", text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION_PART.findall(text))
