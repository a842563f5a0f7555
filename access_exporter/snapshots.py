"""The last good numbers of every target and how its polls went, kept whole and rendered once.

cloudflare_access_poll_success{account_id="…",collector="users",target="users"} 1.0
cloudflare_access_poll_errors_total{account_id="…",collector="users",reason="auth",target="users"} 0.0
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from prometheus_client import Metric

from access_exporter.clock import Clock
from access_exporter.errors import REASONS, PollError
from access_exporter.exposition import Format, Part, Rendered, counter, gauge, render

_NOTHING = Rendered((), ())


class Key(NamedTuple):
    """What names a target in labels and logs."""

    account_id: str
    collector: str
    target: str


@dataclass(frozen=True)
class Target:
    """One thing polled.

    `fetch` takes the last summary, of the type `summary`, the time, and what keeps a summary that the poll must not
    lose before its end; `families` turns a summary into metrics. Two targets of the same key and `subject` speak of
    the same thing, so its numbers outlive a reload; two of the same `settings` are polled alike, so its schedule does
    too. `pause` is the time from one poll to the next, given the summary and when the poll started, and `made` when
    the numbers of a summary were made, where these are not the interval and the moment of the poll.
    """

    key: Key
    subject: object
    settings: object
    interval: float
    stale_after: float
    summary: type
    fetch: Callable[[Any, float, Callable[[Any], None]], Any] = field(compare=False)
    families: Callable[[Any], Iterable[Metric]] = field(compare=False)
    pause: Callable[[Any, float], float] | None = field(default=None, compare=False)
    made: Callable[[Any], float | None] = field(default=lambda _: None, compare=False)

    def next_poll(self, summary: Any, started: float) -> float:
        """Return the seconds from the start of a poll, in seconds since the epoch, to the next one."""
        return self.pause(summary, started) if self.pause and summary is not None else self.interval


@dataclass(frozen=True)
class Snapshot:
    """A target after its last poll. Times are seconds since the epoch, but for `fresh_until` (monotonic)."""

    target: Target
    summary: Any = None
    polled_at: float | None = None
    succeeded_at: float | None = None
    fresh_until: float = float("-inf")
    duration: float | None = None
    failure: PollError | None = None
    errors: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REASONS, 0))
    data: Rendered = _NOTHING
    health: Rendered = _NOTHING


def _health(snapshot: Snapshot) -> Iterator[Metric]:
    labels = snapshot.target.key._asdict()
    yield gauge(
        "cloudflare_access_poll_success",
        "1 where the last poll of the target succeeded, 0 where it failed; absent before the first.",
        [(labels, None if snapshot.polled_at is None else snapshot.failure is None)],
    )
    yield gauge(
        "cloudflare_access_poll_duration_seconds",
        "How long the last poll took, waits for the pace included.",
        [(labels, snapshot.duration)],
    )
    yield gauge(
        "cloudflare_access_poll_interval_seconds",
        "The configured time from one poll to the next.",
        [(labels, snapshot.target.interval)],
    )
    yield gauge(
        "cloudflare_access_poll_last_success_timestamp_seconds",
        "When the last successful poll ended, in seconds since the epoch; absent before the first.",
        [(labels, snapshot.succeeded_at)],
    )
    yield counter(
        "cloudflare_access_poll_errors_total",
        "Failed polls by reason.",
        [(labels | {"reason": reason}, number) for reason, number in snapshot.errors.items()],
    )


class Store(Protocol):
    """Where summaries outlive the process."""

    def save(self, target: Target, summary: Any, succeeded_at: float | None) -> None:
        """Keep a summary and when the last good poll was, in seconds since the epoch."""

    def load(self, target: Target) -> tuple[Any, float | None] | None:
        """Return what was kept of the target, or None."""


class _Merged(NamedTuple):
    version: int
    fresh_until: float
    part: Part


class Snapshots:
    """The snapshot of every configured target; each is replaced whole, so a reader never sees half of one."""

    def __init__(self, clock: Clock, store: Store | None = None) -> None:
        """Start without targets; with a store, targets start with what it kept of them."""
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._snapshots: dict[Key, Snapshot] = {}
        self._version = 0
        self._merged: dict[Format, _Merged] = {}
        self._headers: dict[bytes, bytes] = {}

    def configure(self, targets: Iterable[Target]) -> None:
        """Hold exactly these targets; one that is about the same subject as before keeps its numbers."""
        with self._lock:
            self._snapshots = {target.key: self._carried_over(target) for target in targets}
            self._version += 1

    def succeeded(self, target: Target, summary: Any, duration: float) -> None:
        """Publish the outcome of a walk that reached the end; `duration` is in seconds."""
        now = self._clock.time()
        published = self._update(
            target,
            summary=summary,
            polled_at=now,
            succeeded_at=now,
            fresh_until=self._fresh_until(target, summary, now),
            duration=duration,
            failure=None,
        )
        if published and self._store:
            self._store.save(target, summary, now)

    def keep(self, target: Target, summary: Any) -> None:
        """Publish and store what a poll must not lose, whatever comes of the poll."""
        if self._update(target, summary=summary) and self._store:
            self._store.save(target, summary, self.of(target).succeeded_at)

    def failed(self, target: Target, failure: PollError, duration: float) -> None:
        """Note that a walk failed: the numbers stay; `duration` is in seconds."""
        errors = self.of(target).errors
        self._update(
            target,
            polled_at=self._clock.time(),
            duration=duration,
            failure=failure,
            errors=errors | {failure.reason: errors[failure.reason] + 1},
        )

    def of(self, target: Target) -> Snapshot:
        """Return the present snapshot of a target; an empty one where the target is no longer configured."""
        snapshot = self._snapshots.get(target.key)
        return snapshot if snapshot and snapshot.target.subject == target.subject else Snapshot(target)

    def all(self) -> list[Snapshot]:
        """Return every snapshot, in the order of the configuration."""
        return list(self._snapshots.values())

    def is_fresh(self, snapshot: Snapshot) -> bool:
        """Tell whether a snapshot's numbers are young enough to be shown."""
        return self._clock.monotonic() <= snapshot.fresh_until

    def all_tried(self) -> bool:
        """Tell whether every target was polled at least once, with or without success, or restored from the store."""
        return all(snapshot.polled_at or snapshot.succeeded_at for snapshot in self.all())

    def part(self, form: Format) -> Part:
        """Return all targets' families; put together again only after a poll ended or numbers went stale."""
        merged = self._merged.get(form)
        if merged is None or merged.version != self._version or self._clock.monotonic() > merged.fresh_until:
            merged = self._merged[form] = self._merge(form)
        return merged.part

    def _merge(self, form: Format) -> _Merged:
        version = self._version
        snapshots = self.all()
        fresh = [snapshot for snapshot in snapshots if self.is_fresh(snapshot)]
        parts = [snapshot.data.blocks(form) for snapshot in fresh]
        parts += [snapshot.health.blocks(form) for snapshot in snapshots]
        fresh_until = min((snapshot.fresh_until for snapshot in fresh), default=float("inf"))
        before = self._merged.get(form)
        return _Merged(version, fresh_until, Part(parts, before and before.part))

    def _carried_over(self, target: Target) -> Snapshot:
        before = self._snapshots.get(target.key)
        if before is None or before.target.subject != target.subject:
            return self._restored(target)
        later = target.stale_after - before.target.stale_after
        return self._rendered(replace(before, target=target, fresh_until=before.fresh_until + later))

    def _restored(self, target: Target) -> Snapshot:
        kept = self._store.load(target) if self._store else None
        if kept is None:
            return self._rendered(Snapshot(target))
        summary, succeeded_at = kept
        snapshot = Snapshot(target, summary=summary, succeeded_at=succeeded_at)
        if succeeded_at is not None:
            snapshot = replace(snapshot, fresh_until=self._fresh_until(target, summary, succeeded_at))
        return self._rendered(snapshot)

    def _fresh_until(self, target: Target, summary: Any, succeeded_at: float) -> float:
        made = target.made(summary)
        age = max(0.0, self._clock.time() - (succeeded_at if made is None else made))
        return self._clock.monotonic() + target.stale_after - age

    def _update(self, target: Target, **changes: Any) -> bool:
        with self._lock:
            before = self._snapshots.get(target.key)
            if before is None or before.target.subject != target.subject:
                return False  # a reload took the target away while it was polled
            self._snapshots[target.key] = self._rendered(replace(before, **changes), numbers="summary" in changes)
            self._version += 1
            return True

    def _rendered(self, snapshot: Snapshot, *, numbers: bool = True) -> Snapshot:
        """Return the snapshot with its text written; its numbers only where they may have changed."""
        data = snapshot.data
        if numbers and snapshot.summary is not None:
            data = render(snapshot.target.families(snapshot.summary), self._headers)
        return replace(snapshot, data=data, health=render(_health(snapshot), self._headers))
