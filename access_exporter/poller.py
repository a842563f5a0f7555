"""When what is polled: every target on its own schedule, never twice at once, none waiting for another.

The poller is also where a failure is handled: once, as a log line, a counter and a health series.
"""

import heapq
import itertools
import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import partial

from access_exporter import memory
from access_exporter.clock import Clock
from access_exporter.errors import InvalidResponseError, PollError, RetryableError, StoppingError
from access_exporter.logs import facts
from access_exporter.snapshots import Key, Snapshots, Target

log = logging.getLogger(__name__)


def in_thread(poll: Callable[[], None], name: str) -> None:
    """Run a poll in a thread of its own, which ends with it and does not keep the process from ending."""
    try:
        threading.Thread(target=poll, name=name, daemon=True).start()
    except RuntimeError:  # the system has no more threads to give: others polled late are better than none polled
        poll()


class Poller:
    """Polls every configured target at once and then at its interval, counted from start to start.

    A target that Cloudflare asked not to ask for (`Retry-After`) waits for as long, and no other with it.
    """

    def __init__(
        self, snapshots: Snapshots, clock: Clock, start: Callable[[Callable[[], None], str], None] = in_thread
    ) -> None:
        """`start` runs a poll, named for people, without waiting for it."""
        self._snapshots = snapshots
        self._clock = clock
        self._start = start
        self._changed = threading.Condition()
        self._targets: dict[Key, Target] = {}
        self._busy: set[Key] = set()
        self._due: list[tuple[float, int, Target]] = []  # a heap
        self._order = itertools.count()

    def configure(self, targets: Iterable[Target]) -> None:
        """Poll exactly these targets. A target polled as before keeps its schedule, every other is due now."""
        with self._changed:
            before, self._targets = self._targets, {}
            for target in targets:
                same = before.get(target.key)
                self._targets[target.key] = same if same == target else target
                if same != target and target.key not in self._busy:
                    self._schedule(target, self._clock.monotonic())
            self._due = [entry for entry in self._due if self._targets.get(entry[2].key) is entry[2]]
            heapq.heapify(self._due)
            self._snapshots.configure(self._targets.values())
            self._changed.notify()

    def run(self) -> None:
        """Start polls as they come due, until the process stops."""
        while not self._clock.stop.is_set():
            wait = self.start_due()
            with self._changed:
                if not self._due or self._due[0][0] > self._clock.monotonic():
                    self._changed.wait(wait)

    def wake(self) -> None:
        """Let `run` look at the clock and at the stop event again."""
        with self._changed:
            self._changed.notify()

    def start_due(self) -> float | None:
        """Start every poll that is due; return the seconds until the next, or None when there is none."""
        while True:
            with self._changed:
                now = self._clock.monotonic()
                if not self._due or self._due[0][0] > now:
                    return self._due[0][0] - now if self._due else None
                target = heapq.heappop(self._due)[2]
                self._busy.add(target.key)
            self._start(lambda target=target: self._poll_and_schedule(target), "/".join(target.key))  # type: ignore[misc]

    def poll(self, target: Target) -> None:
        """Poll one target now and publish what came of it."""
        started = self._clock.monotonic()
        before = self._snapshots.of(target)
        try:
            summary = target.fetch(before.summary, self._clock.time(), partial(self._snapshots.keep, target))
            duration = self._clock.monotonic() - started
            self._snapshots.succeeded(target, summary, duration)
        except StoppingError:
            return
        except PollError as failure:
            self._note_failure(target, failure, started)
        except Exception as error:  # noqa: BLE001 – no answer of Cloudflare, foreseen or not, may end the polling
            log.error("unexpected error", extra=facts(error=type(error).__name__, at=_place(error)))
            unforeseen = InvalidResponseError(f"an unexpected {type(error).__name__} in the exporter; please report it")
            self._note_failure(target, unforeseen, started)
        else:
            news = before.polled_at is None or before.failure is not None
            log.log(
                logging.INFO if news else logging.DEBUG,
                "poll succeeded",
                extra=facts(**target.key._asdict(), duration=duration),
            )

    def _note_failure(self, target: Target, failure: PollError, started: float) -> None:
        duration = self._clock.monotonic() - started
        # The failure is kept until the next poll; what it came through would keep pages and connections with it.
        failure.__traceback__ = failure.__context__ = failure.__cause__ = None
        self._snapshots.failed(target, failure, duration)
        memory.give_back()  # what an odd answer took
        log.warning(
            "poll failed",
            extra=facts(**target.key._asdict(), reason=failure.reason, error=failure, duration=duration),
        )

    def _poll_and_schedule(self, target: Target) -> None:
        started, moment = self._clock.monotonic(), self._clock.time()
        try:
            self.poll(target)
        finally:
            with self._changed:
                self._busy.discard(target.key)
                present = self._targets.get(target.key)
                if present is not None:
                    due = self._next(target, started, moment) if present is target else started
                    self._schedule(present, due)
                self._changed.notify()

    def _next(self, target: Target, started: float, moment: float) -> float:
        """Return when the poll comes that follows the one of `started` (monotonic): no sooner than Cloudflare asked.

        `moment` is the same in seconds since the epoch; nothing else is counted by a clock that may be set meanwhile.
        """
        snapshot = self._snapshots.of(target)
        due = started + target.next_poll(snapshot.summary, moment)
        asked = snapshot.failure.retry_after if isinstance(snapshot.failure, RetryableError) else None
        return max(due, self._clock.monotonic() + asked) if asked else due

    def _schedule(self, target: Target, due: float) -> None:
        heapq.heappush(self._due, (due, next(self._order), target))


def _place(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"
