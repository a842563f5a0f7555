"""How far a walk over a list is: the pages fetched, the pages expected, and how long the rest takes."""

import threading
from collections import deque
from typing import NamedTuple

from access_exporter.clock import Clock

_MOST_PAGES = 10_000  # a total may be any number
_LATEST_PAGES = 20  # that give the pace: the first pages of a walk are often faster than all others


class Walked(NamedTuple):
    """The progress of a walk; None stands for an unknown value. `remaining` is in seconds."""

    pages: int
    expected: int | None
    remaining: float | None


class WalkProgress:
    """How far the present walk of a poll is. Several threads may fetch its pages."""

    def __init__(self, clock: Clock) -> None:
        """No walk has begun."""
        self._clock = clock
        self._lock = threading.Lock()
        self.begin(0, 1)

    def begin(self, rows: int, page_size: int) -> None:
        """Begin a walk over a list that had this many rows the last time; 0 if that is unknown."""
        with self._lock:
            self._pages = self._rows = 0
            self._total, self._largest, self._page_size = rows, 0, page_size
            self._times = deque([self._clock.monotonic()], maxlen=_LATEST_PAGES + 1)

    def note(self, rows: int, total: int | None) -> None:
        """Note a page with so many rows, and the length of the whole list, if the page says it."""
        with self._lock:
            self._pages += 1
            self._rows += rows
            self._total = total or self._total
            self._largest = max(self._largest, rows)
            self._times.append(self._clock.monotonic())

    def walked(self) -> Walked | None:
        """Return how far the walk is; None before its first page."""
        with self._lock:
            if not self._pages:
                return None
            expected = self._expected()
            if expected is None:
                return Walked(self._pages, None, None)
            pace = (self._clock.monotonic() - self._times[0]) / (len(self._times) - 1)
            return Walked(self._pages, expected, pace * (expected - self._pages))

    def _expected(self) -> int | None:
        if not self._total:
            return None
        missing = max(0, self._total - self._rows)
        return max(self._pages, min(_MOST_PAGES, self._pages + -(-missing // (self._largest or self._page_size))))
