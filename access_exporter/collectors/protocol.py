"""What the poller knows of a collector: what it is called, how to poll it, and what its numbers look like."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from prometheus_client import Metric

from access_exporter.clock import Clock

Summary = TypeVar("Summary")


class Key(NamedTuple):
    """The name of a target in labels and logs."""

    account_id: str
    collector: str
    target: str


@dataclass(frozen=True)
class Poll(Generic[Summary]):
    """What a collector is given when it is polled; `now` is in seconds since the epoch.

    `previous` is the last summary. `keep` publishes and stores a summary that must not be lost if the poll fails later;
    it returns whether the summary outlasts the process as far as it can, and raises StoppingError where the target is
    no longer polled. `other` returns the summary of another target, as long as its numbers are shown.
    """

    previous: Summary | None
    now: float
    keep: Callable[[Summary], bool]
    other: Callable[[Key], object] = lambda _: None
    clock: Clock = field(default_factory=Clock)


class Plan(NamedTuple):
    """What a collector will do, for `--config.check`: in words, and its requests in an hour."""

    words: str
    requests_per_hour: float


class Collector(Protocol[Summary]):
    """One target: pages of rows in, one frozen summary out, and the summary as metric families.

    Two collectors with the same `key` and `subject` speak of the same thing, so its numbers survive a reload. Two with
    the same `settings` poll it alike, so its schedule survives too. `interval` and `stale_after` are in seconds,
    `title` says on the status page what kind of target it is, and `summary_type` is what the storage decodes.
    """

    key: Key
    title: str
    subject: object
    settings: object
    interval: float
    stale_after: float
    summary_type: type[Summary]

    def fetch(self, poll: Poll[Summary]) -> Summary:
        """Ask Cloudflare and sum up. Raises PollError."""

    def families(self, summary: Summary) -> Iterable[Metric]:
        """Return everything that `/metrics` says about a summary."""

    def status(self, _summary: Summary) -> Iterable[str]:
        """Return what the status page says of a summary, line by line, in plain text."""
        return ()

    def plan(self) -> Plan:
        """Return what polling costs."""

    def next_poll(self, _summary: Summary | None, _started: float) -> float:
        """Return the seconds to the next poll from a poll that started then, in seconds since the epoch."""
        return self.interval

    def lasting(self, _summary: Summary) -> Summary | None:
        """Return what must outlast a time in which the target is not polled or has another subject; None: nothing."""
        return None

    def made_at(self, _summary: Summary) -> float | None:
        """Return when the numbers were made, in seconds since the epoch; None: at the end of the poll."""
        return None


AnyCollector: TypeAlias = Collector[Any]  # Any: each collector has a summary type of its own
