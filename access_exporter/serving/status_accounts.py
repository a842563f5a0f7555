"""An account on the status page: its targets, its seats and its urgency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

from access_exporter.collectors import users_summary
from access_exporter.config import Account
from access_exporter.polling import History, Snapshot, Walked

# The same thresholds as in the alerts.
SEATS_WARNING = 0.8
SEATS_CRITICAL = 0.9


@dataclass(frozen=True)
class Row:
    """A target on the page. `fresh`: `/metrics` shows its numbers. `walked`: the progress of its poll under way."""

    snapshot: Snapshot
    fresh: bool
    walked: Walked | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether the target has no finished poll yet."""
        return self.snapshot.polled_at is None


class Urgency(IntEnum):
    """The groups of accounts on the page, the most urgent first."""

    FAILING = 0
    OVER = 1
    NEAR = 2
    WARNED = 3
    WAITING = 4
    CALM = 5


@dataclass(frozen=True)
class Shown:
    """An account and its targets."""

    account: Account
    rows: Sequence[Row]

    @cached_property
    def required(self) -> Sequence[Row]:
        """The targets that are not optional. The page counts only these."""
        return [row for row in self.rows if not row.snapshot.collector.is_optional]

    @cached_property
    def failing(self) -> Sequence[Row]:
        """The required targets with a failed last poll."""
        return [row for row in self.required if row.snapshot.failure is not None]

    @cached_property
    def waiting(self) -> Sequence[Row]:
        """The required targets with their first poll under way."""
        return [row for row in self.required if row.is_waiting]

    @cached_property
    def warnings(self) -> Sequence[str]:
        """The warnings about successful polls, such as `exceeded time` of a policy test."""
        fresh = (row.snapshot for row in self.required if row.fresh)
        found = (snapshot.collector.concern(snapshot.summary) for snapshot in fresh)
        return [words for words in found if words]

    @cached_property
    def _users(self) -> Row | None:
        fresh = (row for row in self.rows if row.fresh)
        return next((row for row in fresh if isinstance(row.snapshot.summary, users_summary.UsersSummary)), None)

    @property
    def people(self) -> users_summary.UsersSummary | None:
        """The numbers of users, or None while there are none or they are stale."""
        summary = self._users.snapshot.summary if self._users else None
        return summary if isinstance(summary, users_summary.UsersSummary) else None

    @property
    def history(self) -> History | None:
        """The seats since the start of the exporter, or None before the second poll."""
        history = self._users.snapshot.history if self._users else None
        return history if history and history.polls > 1 else None

    @cached_property
    def share(self) -> float | None:
        """The seats in use divided by the seat limit, or None if one of them is unknown."""
        limit = self.account.seat_limit
        return self.people.seats_used / limit if self.people and limit else None

    @property
    def level(self) -> str:
        """The CSS class for the share of seats in use."""
        share = self.share or 0
        return "bad" if share >= SEATS_CRITICAL else "warn" if share >= SEATS_WARNING else "calm"

    @property
    def share_in_words(self) -> str:
        """The share, rounded down (99.9 % becomes `99%`), or the number of seats over the limit, such as `3 over`."""
        limit = self.account.seat_limit
        if self.share is None or self.people is None or limit is None:
            return ""
        over = self.people.seats_used - limit
        return f"{over:,} over" if over > 0 else f"{math.floor(self.share * 100)}%"

    @cached_property
    def urgency(self) -> Urgency:
        """The group of the account on the page."""
        if self.failing:
            return Urgency.FAILING
        if self.share is not None and self.share > 1:
            return Urgency.OVER
        if self.share is not None and self.share >= SEATS_WARNING:
            return Urgency.NEAR
        if self.warnings:
            return Urgency.WARNED
        return Urgency.WAITING if self.waiting else Urgency.CALM


def by_urgency(accounts: Sequence[Shown]) -> list[Shown]:
    """Return the accounts, the most urgent first.

    Accounts near or over the seat limit are sorted by their share of seats in use, others as in the configuration.
    """

    def place(shown: Shown) -> tuple[Urgency, float]:
        sorts_by_share = shown.urgency in (Urgency.OVER, Urgency.NEAR)
        return shown.urgency, -(shown.share or 0) if sorts_by_share else 0

    return sorted(accounts, key=place)
