"""The poller, which decides when to poll each target.

Each target has its own schedule, does not wait for other targets, and is never polled twice at the same time. The
poller also handles each failed poll: it writes a log line and updates a counter and the health time series.
"""

import heapq
import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from access_exporter import memory
from access_exporter.clock import LONGEST_WAIT_SECONDS, Clock, Stopwatch
from access_exporter.collectors import AnyCollector, Key, Poll
from access_exporter.errors import InvalidResponseError, PollError, PollTimeoutError, RetryableError, StoppingError
from access_exporter.logs import facts
from access_exporter.polling.snapshots import Snapshots

log = logging.getLogger(__name__)

LATER_SECONDS = 5  # the poller tries again after this time if an optional target has to wait

LONGEST_BREAK_SECONDS = 60  # as long as a slow page may take; after a longer break, the first rows are out of date


def in_thread(poll: Callable[[], None], name: str) -> None:
    """Run a poll in a new daemon thread, which does not block the exit of the process."""
    try:
        threading.Thread(target=poll, name=name, daemon=True).start()
    except RuntimeError:  # the system has no more threads: late polls are better than no polls
        poll()


class Poller:
    """Polls every configured target immediately, and then at its interval, counted from start to start.

    If Cloudflare sends `Retry-After`, only that target waits. An optional target waits until no required target of its
    account is being polled, so that a 429 to the optional target does not delay the required ones.
    """

    def __init__(
        self, snapshots: Snapshots, clock: Clock, start: Callable[[Callable[[], None], str], None] = in_thread
    ) -> None:
        """`start` starts a poll and does not wait for its end; its second argument is a name for the thread."""
        self._snapshots = snapshots
        self._clock = clock
        self._start = start
        self._changed = threading.Condition()
        self._configured: Iterable[AnyCollector] = ()
        self._collectors: dict[Key, AnyCollector] = {}
        self._busy: dict[str, set[Key]] = {}  # the targets that are being polled now, by account
        self._due: list[tuple[float, int, AnyCollector]] = []  # a heap: due time, order, target
        self._order = itertools.count()

    def configure(self, collectors: Iterable[AnyCollector]) -> None:
        """Poll these targets and the targets that their summaries name, and no others.

        An unchanged target keeps its schedule. A new or changed target is due now.
        """
        with self._changed:
            self._configured = [self._known(collector) for collector in collectors]
            self._follow()

    def _known(self, collector: AnyCollector) -> AnyCollector:
        """Return the collector that already polls this target with the same settings; else, return the new one."""
        known = self._collectors.get(collector.identity)
        return known if known and _are_alike(known, collector) else collector

    def _follow(self) -> None:
        """Poll the configured targets, and the targets that their current summaries name."""
        before = self._collectors
        named = self._snapshots.configure(self._configured)
        self._collectors = {collector.identity: self._known(collector) for collector in named}
        self._due = [entry for entry in self._due if self._collectors.get(entry[2].identity) is entry[2]]
        heapq.heapify(self._due)
        new = [each for each in self._collectors.values() if each is not before.get(each.identity)]
        now = self._clock.monotonic()
        for collector in sorted(new, key=lambda each: not self._snapshots.of(each).is_undated):
            if collector.identity not in self._busy.get(collector.identity.account_id, ()):
                self._schedule(collector, now)
        self._changed.notify()

    def run(self) -> None:
        """Start polls when they are due, until the process stops."""
        while not self._clock.stop.is_set():
            wait = self.start_due()
            report = self._snapshots.under_way.report()
            with self._changed:
                if not self._due or self._due[0][0] > self._clock.monotonic():
                    self._changed.wait(self._longest_wait(wait, report))

    def _longest_wait(self, due: float | None, report: float) -> float | None:
        """Return the seconds until the next poll is due or the next report on polls under way; None: no limit."""
        if due is None and not self._busy:
            return None
        waits = [LONGEST_WAIT_SECONDS, *([] if due is None else [due]), *([report] if self._busy else [])]
        return min(waits)

    def wake(self) -> None:
        """Make `run` check the clock and the stop event again."""
        with self._changed:
            self._changed.notify()

    def start_due(self) -> float | None:
        """Start every poll that is due. Return the seconds until the next poll, or None if there is none."""
        while True:
            with self._changed:
                now = self._clock.monotonic()
                if not self._due or self._due[0][0] > now:
                    return self._due[0][0] - now if self._due else None
                collector = heapq.heappop(self._due)[2]
                if collector.is_optional and self._is_polled(collector.identity.account_id):
                    self._schedule(collector, now + LATER_SECONDS)
                    continue
                self._busy.setdefault(collector.identity.account_id, set()).add(collector.identity)
            self._start(partial(self._poll_and_schedule, collector), "/".join(collector.key))

    def _is_polled(self, account_id: str) -> bool:
        """Return whether a required (not optional) target of this account is being polled."""
        polled = (self._collectors.get(target) for target in self._busy.get(account_id, ()))
        return any(each is not None and not each.is_optional for each in polled)

    def poll(self, collector: AnyCollector) -> None:
        """Poll one target now and publish the result."""
        watch = Stopwatch(self._clock)
        before = self._snapshots.of(collector)
        try:
            keep = partial(self._snapshots.keep, collector)
            with self._snapshots.under_way.follow(collector) as progress:
                now, other = self._clock.time(), self._snapshots.summary
                summary = collector.fetch(Poll(before.summary, now, keep, other, self._clock, progress))
            duration = watch.seconds()
            _check_break(watch.suspended())
            self._snapshots.succeeded(collector, summary, duration)
            self._follow_if_others_are_named(collector, before.targets)
        except StoppingError:
            return
        except PollError as failure:
            self._note_failure(collector, failure, watch.seconds())
        except Exception as error:  # noqa: BLE001 – even an unexpected response must not end the polling
            log.error("unexpected error", extra=facts(error=type(error).__name__, at=_place(error)))
            unforeseen = InvalidResponseError(f"an unexpected {type(error).__name__} in the exporter; please report it")
            self._note_failure(collector, unforeseen, watch.seconds())
        else:
            is_first_or_recovered = before.polled_at is None or before.failure is not None
            log.log(
                # An optional target logs its failures at debug, so its successes are no news either.
                logging.INFO if is_first_or_recovered and not collector.is_optional else logging.DEBUG,
                "poll succeeded",
                extra=facts(**collector.key._asdict(), duration=duration),
            )

    def _follow_if_others_are_named(self, collector: AnyCollector, before: Sequence[AnyCollector]) -> None:
        """If the targets that a summary names have changed, poll the new ones and stop polling the old ones."""
        with self._changed:
            now = self._snapshots.of(collector).targets
            if len(now) != len(before) or not all(map(_are_alike, now, before)):
                self._follow()

    def _note_failure(self, collector: AnyCollector, failure: PollError, duration: float) -> None:
        # The snapshot keeps the failure until the next poll. Its traceback would keep pages and connections in memory.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        self._snapshots.failed(collector, failure, duration)
        memory.give_back()  # memory used by an unusual response
        log.log(
            logging.DEBUG if collector.is_optional else logging.WARNING,
            "poll failed",
            extra=facts(**collector.key._asdict(), reason=failure.reason, error=failure, duration=duration),
        )

    def _poll_and_schedule(self, collector: AnyCollector) -> None:
        started, moment = self._clock.monotonic(), self._clock.time()
        try:
            self.poll(collector)
        finally:
            with self._changed:
                self._is_done(collector.identity)
                present = self._collectors.get(collector.identity)
                if present is not None:
                    due = self._next(collector, started, moment) if present is collector else started
                    self._schedule(present, due)
                self._changed.notify()

    def _is_done(self, target: Key) -> None:
        busy = self._busy[target.account_id]
        busy.remove(target)
        if not busy:
            del self._busy[target.account_id]

    def _next(self, collector: AnyCollector, started: float, moment: float) -> float:
        """Return when the next poll is due (monotonic clock), not before the end of a `Retry-After` from Cloudflare.

        `started` (monotonic clock) and `moment` (seconds since the epoch) are the start of the last poll. The schedule
        uses the monotonic clock, because someone may set the system clock.
        """
        snapshot = self._snapshots.of(collector)
        due = started + collector.next_poll(snapshot.summary, moment)
        asked = snapshot.failure.retry_after if isinstance(snapshot.failure, RetryableError) else None
        return max(due, self._clock.monotonic() + asked) if asked else due

    def _schedule(self, collector: AnyCollector, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._order), collector))


def _are_alike(one: AnyCollector, other: AnyCollector) -> bool:
    mine, yours = ((each.identity, each.key, each.subject, each.settings) for each in (one, other))
    return mine == yours


def _check_break(seconds: float) -> None:
    """Raise PollTimeoutError if the machine was suspended during the poll, because the first rows are out of date."""
    if seconds > LONGEST_BREAK_SECONDS:
        raise PollTimeoutError(f"the machine was suspended for {seconds:.0f} s during the poll")


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"
