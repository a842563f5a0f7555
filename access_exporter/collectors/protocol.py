"""The interface of a collector for the poller: its name, how to poll it, and its numbers as metrics."""

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

    `previous` is the last summary. `keep` publishes and stores a summary that must not be lost if the poll fails later.
    It returns whether the summary is stored, if there is a storage, and raises StoppingError if the target is no longer
    polled. `other` returns the summary of another target while its numbers are shown. `progress` follows the walks of
    the poll, for people who wait for it.
    """

    previous: Summary | None
    now: float
    keep: Callable[[Summary], bool]
    other: Callable[[Key], object] = lambda _: None
    clock: Clock = field(default_factory=Clock)
    progress: WalkProgress | None = None


class Plan(NamedTuple):
    """A line of `--config.check`: what is polled and how, its requests in an hour, and the same in words."""

    what: str
    how: str
    requests_per_hour: float
    cost: str


class Collector(Protocol[Summary]):
    """One target: pages of rows in, one frozen summary out, and the summary as metric families.

    If two collectors have the same `identity` and `subject`, they are for the same target, and its numbers survive a
    reload. If they also have the same `key` and `settings`, its schedule survives, too. `interval` and `stale_after`
    are in seconds. `title` is the kind of target on the status page. The storage decodes `summary_type`. `/metrics`
    shows requests to `endpoints` while a configured collector names them. With `is_first`, other collectors read the
    summary, so a single round of polls starts with it. With `is_optional`, the target has no health on `/metrics`, and
    its failures are logged at debug: they need no action.
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
        """What identifies the target: its key, unless its name may change."""
        return self.key

    def fetch(self, poll: Poll[Summary]) -> Summary:
        """Request rows from Cloudflare and return their summary. Raises PollError."""

    def targets(self, _summary: Summary) -> "Iterable[Collector[Any]]":  # Any: each has a summary type of its own
        """Return the collectors of the targets that a summary names; they are polled while it names them."""
        return ()

    def without_removed(self, summary: Summary) -> Summary:
        """Return the summary without what was removed from the configuration since it was made."""
        return summary

    def families(self, summary: Summary) -> Iterable[Metric]:
        """Return everything that `/metrics` says about a summary."""

    def status(self, _summary: Summary) -> Iterable[str]:
        """Return the lines of the status page about a summary, in plain text."""
        return ()

    def has_news(self, _summary: Summary) -> bool:
        """Return whether a summary says something that people should see first."""
        return False

    def concern(self, _summary: Summary) -> str | None:
        """Return a warning of a word or two about the summary of a good poll; None: no warning."""
        return None

    def level(self, _summary: Summary) -> float | None:
        """Return the number whose history the status page draws; None: there is none."""
        return None

    def plan(self) -> Plan | None:
        """Return the cost of polling; None if it is negligible."""
        return None

    def permissions(self) -> Iterable[Permission]:
        """Return the permissions that the token needs."""
        return ()

    def next_poll(self, _summary: Summary | None, _started: float) -> float:
        """Return the seconds to the next poll from a poll that started then, in seconds since the epoch."""
        return self.interval

    def to_store(self, summary: Summary) -> Summary | None:
        """Return the part of a summary that may be stored; None: nothing."""
        return summary

    def is_possible(self, _summary: Summary, _succeeded_at: float | None) -> bool:
        """Return whether a stored summary is possible: a program that can write the file can write anything.

        `succeeded_at` is when the last good poll ended, in seconds since the epoch. The types were checked before.
        """
        return True

    def lasting(self, _summary: Summary) -> Summary | None:
        """Return what to keep while the target is not polled or has another subject; None: nothing."""
        return None

    def made_at(self, _summary: Summary) -> float | None:
        """Return when the numbers were made, in seconds since the epoch; None: at the end of the poll."""
        return None

    def times(self, _summary: Summary) -> Iterable[float | None]:
        """Return what the exporter's clock said when it noted something in the summary, in seconds since the epoch.

        If one of them is in the future, the age of a stored summary is unknown.
        """
        return ()


AnyCollector: TypeAlias = Collector[Any]  # Any: each collector has a summary type of its own
