"""The snapshots: for each target, the numbers of its last successful poll and the result of its last poll.

The exporter replaces a snapshot as a whole, and renders its text once. Metrics of the polls:

cloudflare_access_poll_success{account_id="…",collector="users",target="users"} 1.0
cloudflare_access_poll_errors_total{account_id="…",collector="users",reason="auth",target="users"} 0.0
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple, Protocol

from prometheus_client import Metric

from access_exporter.clock import Clock, is_future
from access_exporter.collectors import AnyCollector, Key
from access_exporter.errors import REASONS, PollError, StoppingError
from access_exporter.exposition import Format, Page, Rendered, assemble, counter, gauge, render
from access_exporter.logs import facts
from access_exporter.polling.history import History
from access_exporter.polling.lasting import Lasting, Others
from access_exporter.polling.storage import Kept
from access_exporter.polling.under_way import UnderWay

log = logging.getLogger(__name__)

_NOTHING = Rendered()
_NO_HISTORY = History()


@dataclass(frozen=True)
class Snapshot:
    """A target after its last poll. Times are in seconds since the epoch; only `fresh_until` is of the monotonic clock.

    `is_undated`: the stored summary has a time in the future, so its age is unknown and its numbers are not shown.
    `targets`: the targets that the summary names. `history`: past values of the number that the status page draws.
    """

    collector: AnyCollector
    summary: object = None
    polled_at: float | None = None
    succeeded_at: float | None = None
    fresh_until: float = float("-inf")
    duration: float | None = None
    failure: PollError | None = None
    is_undated: bool = False
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    data: Rendered = _NOTHING
    health: Rendered = _NOTHING
    targets: tuple[AnyCollector, ...] = ()
    history: History = _NO_HISTORY


def health_families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the metrics about the polls of a target, or nothing if the target is optional."""
    if snapshot.collector.is_optional:
        return
    labels = snapshot.collector.key._asdict()
    yield gauge(
        "cloudflare_access_poll_success",
        "1 if the last poll of the target succeeded, 0 if it failed; absent before the first poll.",
        [(labels, None if snapshot.polled_at is None else snapshot.failure is None)],
    )
    yield gauge(
        "cloudflare_access_poll_duration_seconds",
        "Duration of the last poll, including waits for the rate limit.",
        [(labels, snapshot.duration)],
    )
    yield gauge(
        "cloudflare_access_poll_interval_seconds",
        "Configured time from the start of one poll to the start of the next.",
        [(labels, snapshot.collector.interval)],
    )
    yield gauge(
        "cloudflare_access_poll_last_success_timestamp_seconds",
        "End of the last successful poll, in seconds since the epoch; absent before the first.",
        [(labels, snapshot.succeeded_at)],
    )
    yield counter(
        "cloudflare_access_poll_errors_total",
        "Failed polls by reason.",
        [(labels | {"reason": reason}, number) for reason, number in snapshot.errors.items()],
    )


class Store(Protocol):
    """A store that keeps summaries over a restart."""

    def save(self, collector: AnyCollector, summary: object, succeeded_at: float | None, others: Others) -> bool:
        """Store a summary, the end of the last successful poll and the kept parts of other subjects; return success."""

    def load(self, collector: AnyCollector) -> Kept | None:
        """Return the stored data for the name of the target, or None."""

    def set_aside(self, collector: AnyCollector, reason: str) -> None:
        """Rename the stored summary of the target, so that it is not used, and log the reason."""


class _Made(NamedTuple):
    page: Page
    version: int
    fresh_until: float


class Snapshots:
    """The snapshots of all configured targets. Each is replaced as a whole, so a thread never reads half of one."""

    def __init__(self, clock: Clock, store: Store | None = None) -> None:
        """Start without targets. With a store, a new target starts with its stored summary."""
        self.under_way = UnderWay(clock)
        self.clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._lasting = Lasting()
        self._snapshots: dict[Key, Snapshot] = {}
        self._version = 0
        self._made: dict[Format, _Made] = {}
        self._headers: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}

    def configure(self, collectors: Iterable[AnyCollector]) -> list[AnyCollector]:
        """Keep snapshots of these targets and of the targets that their summaries name. Return all their collectors.

        A target keeps its numbers if its subject is the same as before.
        """
        with self._lock:
            snapshots: dict[Key, Snapshot] = {}
            for collector in collectors:
                named = snapshots[collector.identity] = self._carried_over(collector)
                snapshots |= {each.identity: self._carried_over(each) for each in named.targets}
            for gone in self._snapshots.keys() - snapshots.keys():
                self._lasting.note(self._snapshots[gone].collector, self._snapshots[gone].summary)
            self._snapshots = snapshots
            self._version += 1
            return [snapshot.collector for snapshot in snapshots.values()]

    def succeeded(self, collector: AnyCollector, summary: object, duration: float) -> None:
        """Publish the result of a successful poll; `duration` is in seconds."""
        now, level = self.clock.time(), collector.level(summary)
        history = self.of(collector).history
        published = self._update(
            collector,
            summary=summary,
            history=history if level is None else history.noted(self.clock.monotonic(), level),
            polled_at=now,
            succeeded_at=now,
            fresh_until=self._fresh_until(collector, summary, now),
            duration=duration,
            failure=None,
        )
        if published:
            self._save(collector, summary, now)

    def keep(self, collector: AnyCollector, summary: object) -> bool:
        """Publish and store a summary that must outlast a failed poll. Return False if it could not be stored.

        Without a store, return True. Raises StoppingError if the target is no longer polled.
        """
        if self._update(collector, summary=summary):
            return self._save(collector, summary, self.of(collector).succeeded_at)
        with self._lock:
            self._lasting.note(collector, summary)
        raise StoppingError("the target is no longer polled")

    def failed(self, collector: AnyCollector, failure: PollError, duration: float) -> None:
        """Record a failed poll, and keep the numbers; `duration` is in seconds."""
        errors = self.of(collector).errors
        self._update(
            collector,
            polled_at=self.clock.time(),
            duration=duration,
            failure=failure,
            errors=errors | {failure.reason: errors[failure.reason] + 1},
        )

    def of(self, collector: AnyCollector) -> Snapshot:
        """Return the current snapshot of a target, or an empty snapshot if the target is no longer configured."""
        snapshot = self._snapshots.get(collector.identity)
        return snapshot if snapshot and snapshot.collector.subject == collector.subject else Snapshot(collector)

    def summary(self, key: Key) -> object:
        """Return the summary of a target, or None if there is none or it is stale."""
        snapshot = self._snapshots.get(key)
        return snapshot.summary if snapshot and self.is_fresh(snapshot) else None

    def all(self) -> list[Snapshot]:
        """Return all snapshots in the order of the configuration."""
        return list(self._snapshots.values())

    def is_fresh(self, snapshot: Snapshot) -> bool:
        """Return whether the numbers of a snapshot are fresh enough to be shown."""
        return self.clock.monotonic() <= snapshot.fresh_until

    def all_tried(self) -> bool:
        """Return whether every required target has had a poll, successful or not, or has stored numbers.

        Targets that another target's summary names do not count, so that a newly found target does not make a running
        exporter unready.
        """
        snapshots = self.all()
        named = {target.identity for snapshot in snapshots for target in snapshot.targets}
        required = (each for each in snapshots if not each.collector.is_optional)
        return all(each.polled_at or each.succeeded_at for each in required if each.collector.identity not in named)

    def current_page(self, form: Format) -> Page | None:
        """Return the page of all metrics, or None if a poll ended or numbers went stale since it was made."""
        made = self._made.get(form)
        is_current = made and made.version == self._version and self.clock.monotonic() <= made.fresh_until
        return made.page if made and is_current else None

    def page(self, form: Format) -> Page:
        """Return the current page; if there is none, render it. This is slow, so call it in a thread."""
        if page := self.current_page(form):
            return page
        version = self._version  # read this first: a poll that ends from here on makes the page out of date
        snapshots = self.all()
        fresh = [snapshot for snapshot in snapshots if self.is_fresh(snapshot)]
        fresh_until = min((snapshot.fresh_until for snapshot in fresh), default=float("inf"))
        rendered = chain((each.data for each in fresh), (each.health for each in snapshots))
        before = self._made.get(form)
        page = assemble(form, (each.of(form) for each in rendered), before and before.page)
        self._made[form] = _Made(page, version, fresh_until)
        return page

    def _carried_over(self, collector: AnyCollector) -> Snapshot:
        before = self._snapshots.get(collector.identity)
        if before is None:
            return self._restored(collector)
        if before.collector.subject != collector.subject:
            self._lasting.note(before.collector, before.summary)
            return self._restored(collector)
        if before.collector is collector:  # same settings, so the text is the same
            return before
        later = collector.stale_after - before.collector.stale_after
        return self._rendered(replace(before, collector=collector, fresh_until=before.fresh_until + later))

    def _save(self, collector: AnyCollector, summary: object, succeeded_at: float | None) -> bool:
        stored = collector.to_store(summary)
        if self._store is None or stored is None:
            return True
        return self._store.save(collector, stored, succeeded_at, self._lasting.others(collector))

    def _restored(self, collector: AnyCollector) -> Snapshot:
        kept = self._store.load(collector) if self._store else None
        if kept:
            self._lasting.restore(collector, kept.others)
        if kept is None or kept.summary is None:
            return self._rendered(Snapshot(collector, summary=self._lasting.of(collector)))
        summary, succeeded_at, _ = kept
        now = self.clock.time()
        if any(is_future(each, now) for each in (succeeded_at, collector.made_at(summary), *collector.times(summary))):
            log.warning("stored numbers are dated in the future and not shown", extra=facts(**collector.key._asdict()))
            if self._store and collector.lasting(summary) is None:  # else the file must outlast the next restart, too
                self._store.set_aside(collector, "it is dated in the future")
            return self._rendered(Snapshot(collector, summary=summary, is_undated=True))
        snapshot = Snapshot(collector, summary=summary, succeeded_at=succeeded_at)
        if succeeded_at is not None:
            snapshot = replace(snapshot, fresh_until=self._fresh_until(collector, summary, succeeded_at))
        return self._rendered(snapshot)

    def _fresh_until(self, collector: AnyCollector, summary: object, succeeded_at: float) -> float:
        made, now = collector.made_at(summary), self.clock.time()
        if is_future(made, now):
            return float("-inf")
        age = max(0.0, now - (succeeded_at if made is None else made))
        return self.clock.monotonic() + collector.stale_after - age

    def _update(self, collector: AnyCollector, **changes: Any) -> bool:  # Any: fields of a snapshot, of several types
        with self._lock:
            before = self._snapshots.get(collector.identity)
            if before is None or before.collector.subject != collector.subject:
                return False  # a reload removed the target during the poll
            self._snapshots[collector.identity] = self._rendered(
                replace(before, **changes), numbers="summary" in changes
            )
            self._version += 1
            return True

    def _rendered(self, snapshot: Snapshot, *, numbers: bool = True) -> Snapshot:
        """Return the snapshot with newly rendered text. Render the numbers only if they may have changed."""
        if numbers and snapshot.summary is not None:
            collector = snapshot.collector
            summary = collector.without_removed(snapshot.summary)
            data = render(collector.families(summary), self._headers)
            snapshot = replace(snapshot, summary=summary, data=data, targets=tuple(collector.targets(summary)))
        return replace(snapshot, health=render(health_families(snapshot), self._headers))
