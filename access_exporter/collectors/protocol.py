"""The interface between collectors and the poller: a collector's name, schedule, requests and metrics."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from prometheus_client import Metric

from access_exporter.clock import Clock
from access_exporter.cloudflare import Endpoint, Permission, WalkProgress

Summary = TypeVar("Summary")


class Key(NamedTuple):
    """The name of a target in labels and logs."""

    account_id: str
    collector: str
    target: str


@dataclass(frozen=True)
class Poll(Generic[Summary]):
    """What the poller passes to a collector; `now` is in seconds since the epoch.

    `previous` is the last summary. `keep` publishes and stores a summary at once, so that it is not lost if the poll
    fails later. `keep` returns False if there is a storage but the summary could not be stored. It raises StoppingError
    if the poller has removed the target. `other` returns the summary of another target while `/metrics` shows it.
    `progress` counts the pages of the poll, for the log and the status page.
    """

    previous: Summary | None
    now: float
    keep: Callable[[Summary], bool]
    other: Callable[[Key], object] = lambda _: None
    clock: Clock = field(default_factory=Clock)
    progress: WalkProgress | None = None


class Plan(NamedTuple):
    """A line of `--config.check`: what the exporter polls and how, its requests in an hour, and the cost in words."""

    what: str
    how: str
    requests_per_hour: float
    cost: str


class Collector(Protocol[Summary]):
    """Polls one target: turns pages of rows into one frozen summary, and the summary into metric families.

    A collector sends no request before `fetch`.

    - `identity` and `subject` identify the target. If a new collector has the same ones after a reload, the numbers of
      the target stay. If it has the same `key` and `settings`, too, the schedule stays as well.
    - `interval` and `stale_after` are in seconds.
    - `title` is the kind of target on the status page.
    - `summary_type` is the type that the storage decodes.
    - `endpoints` are the endpoints that it requests. `/metrics` shows request metrics only of these.
    - `is_first` is True if other collectors read the summary. `--once` polls such targets first.
    - `is_optional` is True if a failure needs no action. The exporter logs the failure at debug level, and `/metrics`
      has no health metrics of the target.
    """

    key: Key
    title: str
    subject: object
    settings: object
    interval: float
    stale_after: float
    summary_type: type[Summary]
    endpoints: tuple[Endpoint, ...] = ()
    is_first: bool = False
    is_optional: bool = False

    @property
    def identity(self) -> Key:
        """The key that identifies the target. It differs from `key` only if the name of the target may change."""
        return self.key

    def fetch(self, poll: Poll[Summary]) -> Summary:
        """Request rows from Cloudflare and return their summary. Raises PollError."""

    def targets(self, _summary: Summary) -> "Iterable[Collector[Any]]":  # Any: each has a summary type of its own
        """Return collectors for the targets that a summary names. The poller polls them as long as it names them."""
        return ()

    def without_removed(self, summary: Summary) -> Summary:
        """Return the summary without the parts that are no longer in the configuration."""
        return summary

    def families(self, summary: Summary) -> Iterable[Metric]:
        """Return the metric families of a summary."""

    def status(self, _summary: Summary) -> Iterable[str]:
        """Return the lines of the status page about a summary, in plain text."""
        return ()

    def has_news(self, _summary: Summary) -> bool:
        """Return whether the status page should mark the target as changed."""
        return False

    def concern(self, _summary: Summary) -> str | None:
        """Return a warning of one or two words about the summary of a successful poll; None for no warning."""
        return None

    def level(self, _summary: Summary) -> float | None:
        """Return the number for the chart on the status page; None for no chart."""
        return None

    def plan(self) -> Plan | None:
        """Return the cost of polling; None if it is negligible."""
        return None

    def permissions(self) -> Iterable[Permission]:
        """Return the permissions that the token needs."""
        return ()

    def next_poll(self, _summary: Summary | None, _started: float) -> float:
        """Return the seconds from a poll to the next. `_started` is its start, in seconds since the epoch."""
        return self.interval

    def to_store(self, summary: Summary) -> Summary | None:
        """Return the part of a summary that the exporter may store; None to store nothing."""
        return summary

    def is_possible(self, _summary: Summary, _succeeded_at: float | None) -> bool:
        """Return whether the numbers of a stored summary are possible. Another program may have changed the file.

        `succeeded_at` is the end of the last successful poll, in seconds since the epoch. The storage checks the types.
        """
        return True

    def lasting(self, _summary: Summary) -> Summary | None:
        """Return what to keep while the target is not configured or has another subject; None to keep nothing."""
        return None

    def made_at(self, _summary: Summary) -> float | None:
        """Return when the numbers were read, in seconds since the epoch; None for the end of the poll."""
        return None

    def times(self, _summary: Summary) -> Iterable[float | None]:
        """Return the times in the summary that come from the exporter's clock, in seconds since the epoch.

        If such a time of a stored summary is in the future, the clock was wrong, and the age of the summary is unknown.
        """
        return ()


AnyCollector: TypeAlias = Collector[Any]  # Any: each collector has a summary type of its own
