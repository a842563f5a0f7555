"""The progress of polls under way. Every 30 s, it logs a line for each poll that takes longer than that."""

import contextlib
import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from access_exporter.clock import Clock
from access_exporter.cloudflare import Walked, WalkProgress
from access_exporter.collectors import AnyCollector, Key
from access_exporter.logs import facts

log = logging.getLogger(__name__)

REPORT_SECONDS = 30
MOST_LINES = 10  # at a time; if there are more polls, they share one line


@dataclass(frozen=True)
class _Poll:
    key: Key
    progress: WalkProgress
    started: float


class UnderWay:
    """Follows the progress of polls from their start to their end."""

    def __init__(self, clock: Clock) -> None:
        """Start without polls."""
        self._clock = clock
        self._lock = threading.Lock()
        self._polls: dict[Key, _Poll] = {}
        self._reported = clock.monotonic()

    @contextlib.contextmanager
    def follow(self, collector: AnyCollector) -> Iterator[WalkProgress]:
        """Follow a poll of this target in a `with` block. Yield the object that the poll reports its progress to."""
        poll = _Poll(collector.key, WalkProgress(self._clock), self._clock.monotonic())
        with self._lock:
            if not self._polls:
                self._reported = poll.started
            self._polls[collector.identity] = poll
        try:
            yield poll.progress
        finally:
            with self._lock:
                if self._polls.get(collector.identity) is poll:
                    del self._polls[collector.identity]

    def of(self, collector: AnyCollector) -> Walked | None:
        """Return the progress of a target's poll; None before the first page and while the target is not polled."""
        poll = self._polls.get(collector.identity)
        return poll.progress.walked() if poll else None

    def report(self) -> float:
        """Log the progress of long polls if 30 s have passed since the last report. Return the seconds to the next."""
        now = self._clock.monotonic()
        with self._lock:
            rest = self._reported + REPORT_SECONDS - now
            if rest > 0:
                return rest
            self._reported = now
            polls = [poll for poll in self._polls.values() if now - poll.started >= REPORT_SECONDS]
        walks = [(poll.key, walked) for poll in polls if (walked := poll.progress.walked())]
        if len(walks) > MOST_LINES:
            _log_sum([walked for _, walked in walks])
            return REPORT_SECONDS
        for key, walked in walks:
            log.info("poll under way", extra=facts(**key._asdict(), **_facts(*walked)))
        return REPORT_SECONDS


def _log_sum(walks: Iterable[Walked]) -> None:
    pages, expected, remaining = zip(*walks, strict=True)
    known = [number for number in expected if number is not None]
    total = sum(known) if len(known) == len(expected) else None
    latest = max((seconds for seconds in remaining if seconds is not None), default=None)
    log.info("polls under way", extra=facts(polls=len(pages), **_facts(sum(pages), total, latest)))


def _facts(pages: int, expected: int | None, remaining: float | None) -> dict[str, object]:
    """Return the facts of a log line, without unknown ones."""
    seconds = None if remaining is None else round(remaining)
    all_facts = {"pages": pages, "expected": expected, "remaining_seconds": seconds}
    return {name: value for name, value in all_facts.items() if value is not None}
