"""Policy tests that exist: GET …/access/policy-tests/{id}, and …/{id}/users ("Get an Access policy test users page").

    cloudflare_access_policy_test_status{account_id="…",policy_test="wiki",status="complete"} 1.0
    cloudflare_access_policy_test_users{account_id="…",policy_test="wiki",status="blocked"} 3.0

A test never changes once it is complete, so its rows are paged once, or until as many are listed as it covers.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint, Found
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.config import Account, PolicyTest
from access_exporter.errors import InvalidResponseError
from access_exporter.exposition import gauge

NAME = "policy_tests"
_PATH = "/accounts/{account_id}/access/policy-tests/{policy_test_id}"
_PERMISSION = "Access: Policy Test Read"
ENDPOINT = Endpoint("policy_test", _PATH, _PERMISSION)
USERS_ENDPOINT = Endpoint("policy_test_users", f"{_PATH}/users", _PERMISSION)

STATUSES = ("blocked", "processing", "exceeded time", "complete")
RESULTS = ("approved", "blocked", "error")


class Progress(msgspec.Struct):
    """What the API says of a test as a whole; any field may be missing."""

    id: str | None = None
    status: str | None = None
    total_users: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    percent_users_processed: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None


class Result(msgspec.Struct, gc=False):
    """The result for one user; any field may be missing."""

    id: str | None = None
    status: str | None = None


class PolicyTestSummary(msgspec.Struct, frozen=True):
    """The state of a test, and the numbers of users by result once it has finished; `finished` is in seconds."""

    status: str | None = None
    population: float | None = None
    processed_ratio: float | None = None
    users: dict[str, int] | None = None
    finished: float | None = None


class PolicyTestCollector(Collector[PolicyTestSummary]):
    """A policy test that exists."""

    title = "Policy test"
    summary_type = PolicyTestSummary

    def __init__(self, account: Account, config: PolicyTest, client: Client) -> None:
        """Ask nothing yet."""
        self._test = FollowedTest(client, account.id, config.id or "", config.stale_after)
        self._labels = {"account_id": account.id, "policy_test": config.label}
        self._id = config.id
        self.key = Key(account.id, NAME, config.label)
        self.subject = (client.url, config.id)
        self.settings = (client.settings, config)
        self.interval = config.interval
        self.stale_after = config.stale_after

    def fetch(self, poll: Poll[PolicyTestSummary]) -> PolicyTestSummary:
        """Ask how far the test is and, when it has just finished, count its rows.

        Raises a PollError when there is no whole answer.
        """
        return self._test.fetch(poll.previous, poll.now)

    def status(self, summary: PolicyTestSummary) -> Iterator[str]:
        """Yield how far the test is and its counts."""
        yield result(summary)

    def plan(self) -> Plan:
        """Return what polling costs: one request for its progress."""
        requests = 3600 / self.interval
        return Plan(
            f"policy test {self.key.target!r}: follows {self._id!r}, polled every {self.interval:.10g} s, "
            f"stale after {self.stale_after:.10g} s, {requests:.4g} requests/h",
            requests,
        )

    def families(self, summary: PolicyTestSummary) -> Iterator[Metric]:
        """Yield everything `/metrics` says about the test."""
        return families(self._labels, self._id, summary)


@dataclass(frozen=True)
class FollowedTest:
    """A policy test by its id, and whom to ask about it; its rows are read within so many seconds."""

    client: Client
    account_id: str
    id: str
    within: float

    def fetch(
        self, previous: PolicyTestSummary | None, now: float, note: Callable[[Result], None] = lambda _: None
    ) -> PolicyTestSummary:
        """Ask how far the test is and, when it has just finished, count its rows and give each of them to `note`.

        Raises a PollError when there is no whole answer.
        """
        progress = self.client.get(ENDPOINT.of(self.account_id, self.id), Progress)
        _check(progress, self.id)
        users = previous.users if previous else None
        finished = previous.finished if previous else None
        if progress.status == "complete" and _is_missing_some(users, progress.total_users):
            counted = self._count(progress.total_users or 0, note)
            users = max(counted, users or {}, key=lambda counts: sum(counts.values()))
            if progress.total_users and not sum(users.values()):
                raise InvalidResponseError(f"the finished test of {progress.total_users:.0f} users has no rows")
            finished = finished or now
        ratio = progress.percent_users_processed
        return PolicyTestSummary(
            status=_documented(progress.status),
            population=progress.total_users,
            processed_ratio=None if ratio is None else ratio / 100,
            users=users,
            finished=finished,
        )

    def _count(self, expected: float, note: Callable[[Result], None]) -> dict[str, int]:
        """Count the users of a finished test by result."""
        resource = USERS_ENDPOINT.of(self.account_id, self.id)
        found: Counter[str | None] = Counter()
        for rows in self.client.walk(resource, Result, self.within, Found(int(expected))):
            found.update(row.status for row in rows)
            for row in rows:
                note(row)
        known = {name: found[name] for name in RESULTS}
        return known | {"unknown": found.total() - sum(known.values())}


def result(test: PolicyTestSummary) -> str:
    """Return how far a test is and its counts, in words."""
    words = [test.status or "no status"]
    if test.processed_ratio is not None and test.status == "processing":
        words.append(f"{test.processed_ratio:.0%} done")
    # A number stays with its word where the line ends.
    words += [
        f"{number:,}\N{NO-BREAK SPACE}{status}"
        for status, number in (test.users or {}).items()
        if number or status != "unknown"
    ]
    return ", ".join(words)


def _check(progress: Progress, test_id: str) -> None:
    """Raise InvalidResponseError for an answer that is not about the test that was asked for."""
    if progress.id and progress.id.lower() != test_id.lower():
        raise InvalidResponseError(f"the answer of {ENDPOINT.place} is about another policy test")
    if progress == Progress(id=progress.id):
        raise InvalidResponseError(f"the answer of {ENDPOINT.place} says nothing of a policy test")


def is_over(summary: PolicyTestSummary) -> bool:
    """Tell whether the test has come to an end, good or bad, and nothing more of it is to be asked."""
    if summary.status == "complete":
        return not _is_missing_some(summary.users, summary.population)
    return summary.status in ("blocked", "exceeded time")


def _is_missing_some(users: dict[str, int] | None, population: float | None) -> bool:
    return users is None or sum(users.values()) < (population or 0)


def _documented(status: str | None) -> str | None:
    """Return a status that may be shown: one that is not documented could be any text."""
    return status if not status or status in STATUSES else "undocumented"


def families(labels: dict[str, str], test_id: str | None, summary: PolicyTestSummary) -> Iterator[Metric]:
    """Yield what `/metrics` says about a policy test, whoever started it."""
    yield gauge(
        "cloudflare_access_policy_test_info",
        "The policy test by its id; always 1.",
        [(labels | {"policy_test_id": test_id}, 1)] if test_id else [],
    )
    yield gauge(
        "cloudflare_access_policy_test_users",
        "Users by their result in the last finished test, counted from its rows, each user once.",
        [(labels | {"status": status}, number) for status, number in (summary.users or {}).items()],
    )
    yield gauge(
        "cloudflare_access_policy_test_population",
        "Users the test covers.",
        [(labels, summary.population)],
    )
    yield gauge(
        "cloudflare_access_policy_test_status",
        "1 for the present status of the test and 0 for the others; all 0 for a status that is not documented.",
        [(labels | {"status": status}, summary.status == status) for status in STATUSES if summary.status],
    )
    yield gauge(
        "cloudflare_access_policy_test_processed_ratio",
        "Share of the users the test has processed, from 0 to 1.",
        [(labels, summary.processed_ratio)],
    )
    yield gauge(
        "cloudflare_access_policy_test_finished_timestamp_seconds",
        "When the exporter first saw the test finished, in seconds since the epoch.",
        [(labels, summary.finished)],
    )
