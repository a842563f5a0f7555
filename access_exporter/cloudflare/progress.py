"""The progress of a walk over a list: pages fetched, pages expected, and remaining time."""

import threading
from collections import deque
from typing import NamedTuple

from access_exporter.clock import Clock

_MOST_PAGES = 10_000  # the most pages to expect, because a wrong total may be huge
_LATEST_PAGES = 20  # the remaining time comes from the latest pages, because the first ones are often faster


class Walked(NamedTuple):
    """The pages fetched, the pages expected, and the remaining time in seconds; None for an unknown value."""

    pages: int
    expected: int | None
    remaining: float | None


class WalkProgress:
    """Measures the progress of the current walk of a poll. It is safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        """Start without a walk."""
        self._clock = clock
        self._lock = threading.Lock()
        self.begin(0, 1)

    def begin(self, rows: int, page_size: int) -> None:
        """Begin a walk over a list that had `rows` rows in the last walk; 0 if unknown."""
        with self._lock:
            self._pages = self._rows = 0
            self._total, self._largest, self._page_size = rows, 0, page_size
            self._times = deque([self._clock.monotonic()], maxlen=_LATEST_PAGES + 1)

    def note(self, rows: int, total: int | None) -> None:
        """Count a page with `rows` rows. `total` is the number of rows of the list, if the page states it."""
        with self._lock:
            self._pages += 1
            self._rows += rows
            self._total = total or self._total
            self._largest = max(self._largest, rows)
            self._times.append(self._clock.monotonic())

    def walked(self) -> Walked | None:
        """Return the progress of the walk; None before its first page."""
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
