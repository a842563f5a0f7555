"""Follows a policy test until its rows are counted: GET …/access/policy-tests/{id}, and …/{id}/users.

The status can be `complete` before Cloudflare lists all rows. While rows are missing, the exporter requests them again,
with growing pauses, for up to an hour. Then it counts the rows that it has, and reports how many are missing.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from access_exporter.clock import Clock
from access_exporter.cloudflare import Client, Endpoint, Found, WalkProgress
from access_exporter.collectors import policy_test_progress
from access_exporter.collectors.policy_test_progress import (
    MOST_USERS,
    PATH,
    PERMISSION,
    STATUSES,
    UNDOCUMENTED,
    Progress,
)
from access_exporter.collectors.possible import MOST, Count, Moment, Ratio, add_up
from access_exporter.collectors.stamps import Stamp
from access_exporter.errors import InvalidResponseError, PollError
from access_exporter.logs import facts

log = logging.getLogger(__name__)

USERS_ENDPOINT = Endpoint("policy_test_users", f"{PATH}/users", PERMISSION, has_totals=False, shows_text=False)
RESULTS = ("approved", "blocked", "error")
_UNKNOWN = "unknown"
PATIENCE_SECONDS = 3600
_FIRST_PAUSE_SECONDS = 5
_TEMPORARY = (408, 429)  # these statuses ask for a retry, so they are not the end of a list


class Result(msgspec.Struct, gc=False):
    """The result of a test for one user. Any field may be missing."""

    id: str | None = None
    status: str | None = None


Row = TypeVar("Row", bound=Result)


class Awaited(msgspec.Struct, frozen=True):
    """A finished test with missing rows.

    `since` is when the wait began, and `requested` is the last request for the rows. `announced` is the expected number
    of rows. `users` counts the rows of the most complete list so far.
    """

    since: Stamp
    requested: Stamp
    announced: Count | None = None
    users: dict[str, Count] | None = None

    @property
    def listed(self) -> int:
        """The number of rows in the most complete list so far."""
        return _sum(self.users)


class PolicyTestSummary(msgspec.Struct, frozen=True):
    """The state of a test, and the number of users by result after it has finished.

    `finished` is in seconds since the epoch. `missing` is the number of users that the test covers but does not list;
    it is negative if the test lists too many. `has_run_again` is True if Cloudflare reported the test as running after
    the exporter had counted `users`.
    """

    status: str | None = None
    population: Annotated[float, Meta(ge=0, le=MOST_USERS)] | None = None
    processed_ratio: Ratio | None = None
    users: dict[str, Count] | None = None
    finished: Moment | None = None
    missing: Annotated[int, Meta(ge=-MOST, le=MOST)] = 0
    has_run_again: bool = False
    awaited: Awaited | None = None

    @property
    def has_older_counts(self) -> bool:
        """Whether `users` counts an earlier test or run, because the current one has no counts yet."""
        return self.users is not None and (self.status != "complete" or self.has_run_again or self.awaited is not None)


def is_possible(summary: PolicyTestSummary) -> bool:
    """Return whether the results are known and the numbers are possible; see `Collector.is_possible`."""
    status, awaited = summary.status, summary.awaited
    return (
        (status is None or status in (*STATUSES, UNDOCUMENTED))
        and add_up(summary.users, (*RESULTS, "unknown"), MOST)
        and (awaited is None or add_up(awaited.users, (*RESULTS, "unknown"), MOST))
        and _sum(summary.users) + summary.missing >= 0
    )


def is_over(summary: PolicyTestSummary) -> bool:
    """Return whether the test has ended, successfully or not, and needs no more requests."""
    if summary.status == "complete":
        return _is_counted(summary)
    return summary.status in ("blocked", "exceeded time")


def pauses(summary: PolicyTestSummary, now: float) -> Iterator[float]:
    """Yield the seconds until the next request for missing rows, and until the end of the wait for them."""
    waited = now - summary.awaited.since.time if summary.awaited else PATIENCE_SECONDS
    if waited < PATIENCE_SECONDS:
        yield growing_pause(waited)
        yield PATIENCE_SECONDS - waited


def growing_pause(waited: float) -> float:
    """Return the pause before the next request: half of the seconds waited so far, but at least five seconds."""
    return max(_FIRST_PAUSE_SECONDS, waited / 2)


def without_rows(summary: PolicyTestSummary) -> InvalidResponseError | None:
    """Return the error for a finished test that covers users but lists none; None for any other test."""
    awaited = summary.awaited
    if awaited is None or awaited.listed or not awaited.announced:
        return None
    return InvalidResponseError(f"the finished test of {awaited.announced} users has no rows")


@dataclass(frozen=True)
class FollowedTest:
    """Reads a policy test with a known id. Reading its rows may take `within` seconds; `walks` counts their pages."""

    client: Client
    account_id: str
    id: str
    within: float
    walks: WalkProgress | None = None

    def progress(self) -> Progress:
        """Request the progress of the test. Raises PollError if the request fails."""
        progress = self.client.get(policy_test_progress.ENDPOINT.of(self.account_id, self.id), Progress)
        progress.check(self.id)
        return progress

    def summary(
        self, progress: Progress, previous: PolicyTestSummary, clock: Clock, note: Callable[[Result], None]
    ) -> PolicyTestSummary:
        """Return the new summary of the test. If the test has finished, count its rows and pass each row to `note`.

        Raises PollError if a request fails.
        """
        present = replace(
            previous,
            status=progress.state,
            population=progress.population,
            processed_ratio=progress.processed_ratio,
        )
        if progress.state != "complete":
            is_running = progress.state in STATUSES
            again = previous.users is not None and (is_running or previous.has_run_again)
            return replace(present, has_run_again=again, awaited=None if is_running else previous.awaited)
        if _is_counted(present):
            return present
        now = Stamp.now(clock)
        awaited = _awaited(progress, previous, now)
        if not awaited.listed and _seconds(awaited.since, now) >= PATIENCE_SECONDS > _seconds(awaited.requested, now):
            return replace(present, awaited=awaited)  # after an hour without a row, request the rows only once an hour
        counts = self._count(awaited.announced, note)
        best = counts if awaited.users is None or _sum(counts) > awaited.listed else awaited.users
        return self._judged(present, replace(awaited, requested=now, users=best), now)

    def rows(self, kind: type[Row], announced: int | None) -> Iterator[Row]:
        """Yield the rows of a finished test, each user once; `announced` is the expected number of rows.

        Raises PollError if the list cannot be read to its end.
        """
        resource = USERS_ENDPOINT.of(self.account_id, self.id)
        listed = 0
        try:
            for rows in self.client.walk(resource, kind, self.within, Found(announced or 0), progress=self.walks):
                listed += len(rows)
                yield from rows
        except PollError as failure:
            if not _is_end(failure, listed, announced):
                raise

    def _judged(self, present: PolicyTestSummary, awaited: Awaited, now: Stamp) -> PolicyTestSummary:
        """Return the summary with the counts if all rows are there or the wait is over; otherwise continue to wait."""
        announced, listed = awaited.announced, awaited.listed
        has_all = listed > 0 if announced is None else listed >= announced
        is_late = _seconds(awaited.since, now) >= PATIENCE_SECONDS and (listed > 0 or not announced)
        if not has_all and not is_late:
            return replace(present, awaited=awaited)
        missing = 0 if announced is None else announced - listed
        if missing:
            numbers = facts(account_id=self.account_id, policy_test_id=self.id, announced=announced, listed=listed)
            log.warning("a policy test lists a different number of users than it covers", extra=numbers)
        finished = None if present.has_run_again else present.finished
        return replace(
            present,
            users=awaited.users,
            finished=awaited.since.time if finished is None else finished,
            missing=missing,
            has_run_again=False,
            awaited=None,
        )

    def _count(self, announced: int | None, note: Callable[[Result], None]) -> dict[str, int]:
        """Count the users of a finished test by result, and pass each row to `note`."""
        found = Counter(dict.fromkeys((*RESULTS, _UNKNOWN), 0))
        for row in self.rows(Result, announced):
            found[row.status if row.status in RESULTS else _UNKNOWN] += 1
            note(row)
        return dict(found)


def _is_end(failure: PollError, listed: int, announced: int | None) -> bool:
    """Return whether a refused page is the end of the list, because all expected rows were listed before it."""
    if failure.status is None or not 400 <= failure.status < 500 or failure.status in _TEMPORARY:
        return False
    totals = [total for total in (announced, failure.total) if total is not None]
    return any(listed >= total > 0 or listed == total for total in totals)  # with rows, a total of 0 means nothing


def _awaited(progress: Progress, previous: PolicyTestSummary, now: Stamp) -> Awaited:
    """Return the start of the wait for the rows of a finished test, and the expected number of rows.

    The expected number is the population, or else the number of users with a result, or else the last such number that
    the API stated.
    """
    before = previous.awaited or Awaited(now, now)
    announced = expected_rows(progress.population, progress.processed, before.announced, previous.population)
    return replace(before, since=before.since.dated(now), requested=before.requested.dated(now), announced=announced)


def expected_rows(*stated: float | None) -> int | None:
    """Return the first of these numbers that is above 0; 0 if there are only zeros; None if all are unknown."""
    return next((int(each) for each in stated if each), 0 if any(each is not None for each in stated) else None)


def _seconds(since: Stamp, now: Stamp) -> float:
    return now.uptime - since.uptime


def _is_counted(summary: PolicyTestSummary) -> bool:
    if summary.users is None or summary.has_run_again or summary.awaited:
        return False
    return _sum(summary.users) + max(0, summary.missing) >= (summary.population or 0)


def _sum(users: dict[str, int] | None) -> int:
    return sum((users or {}).values())
