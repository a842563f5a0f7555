"""Follows existing policy tests: GET …/access/policy-tests/{id}, and …/{id}/users.

    cloudflare_access_policy_test_status{account_id="…",policy_test="wiki",status="complete"} 1.0
    cloudflare_access_policy_test_users{account_id="…",policy_test="wiki",status="blocked"} 3.0

Cloudflare calls the second endpoint "Get an Access policy test users page". A complete test never changes, so the
exporter counts its rows once.
"""

import math
from collections.abc import Iterator

from msgspec.structs import replace
from prometheus_client import Metric

from access_exporter.clock import is_future
from access_exporter.cloudflare import Client, Permission
from access_exporter.collectors import policy_test_progress
from access_exporter.collectors.followed_policy_test import (
    USERS_ENDPOINT,
    FollowedTest,
    PolicyTestSummary,
    is_possible,
    pauses,
    without_rows,
)
from access_exporter.collectors.policy_test_progress import STATUSES, UNDOCUMENTED
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.collectors.texts import moment
from access_exporter.config import Account, PolicyTest
from access_exporter.exposition import gauge

NAME = "policy_tests"
_SHORTEST_PAUSE_SECONDS = 1


class PolicyTestCollector(Collector[PolicyTestSummary]):
    """Polls a policy test that already exists."""

    title = "Policy test"
    summary_type = PolicyTestSummary
    endpoints = (policy_test_progress.ENDPOINT, USERS_ENDPOINT)

    def __init__(self, account: Account, config: PolicyTest, client: Client) -> None:
        """`config` has the id of the test."""
        self._client = client
        self._account_id = account.id
        self._labels = {"account_id": account.id, "policy_test": config.label}
        self._id = config.id
        self.key = Key(account.id, NAME, config.label)
        self.subject = (client.url, config.id)
        self.settings = (client.settings, config)
        self.interval = config.interval
        self.stale_after = config.stale_after

    def fetch(self, poll: Poll[PolicyTestSummary]) -> PolicyTestSummary:
        """Request the progress of the test, and count its rows once it has finished.

        Raises PollError if a request fails, or if a finished test that covers users lists none.
        """
        previous = poll.previous or PolicyTestSummary()
        if is_future(previous.finished, poll.now):
            previous = replace(previous, finished=None)
        test = FollowedTest(self._client, self._account_id, self._id or "", self.stale_after, poll.progress)
        summary = test.summary(test.progress(), previous, poll.clock, note=lambda _: None)
        if failure := without_rows(summary):
            poll.keep(replace(previous, awaited=summary.awaited))
            raise failure
        return summary

    def next_poll(self, summary: PolicyTestSummary | None, started: float) -> float:
        """Return the seconds to the next poll: the interval, or less while rows of a finished test are missing."""
        waits = pauses(summary or PolicyTestSummary(), started)
        return max(_SHORTEST_PAUSE_SECONDS, min((self.interval, *waits)))

    def is_possible(self, summary: PolicyTestSummary, _succeeded_at: float | None) -> bool:
        """Return whether the numbers are possible for a test."""
        return is_possible(summary)

    def times(self, summary: PolicyTestSummary) -> Iterator[float | None]:
        """Yield when the exporter first saw the test finished."""
        yield summary.finished

    def status(self, summary: PolicyTestSummary) -> Iterator[str]:
        """Yield the progress of the test and its counts."""
        yield result(summary)
        yield from differences(summary)

    def concern(self, summary: PolicyTestSummary) -> str | None:
        """Return the status of a test that ended without a result."""
        return concern(summary)

    def plan(self) -> Plan:
        """Return the cost of polling: one request for the progress of the test."""
        requests = 3600 / self.interval
        return Plan(
            f"policy test {self.key.target!r}",
            f"follows {self._id!r}, polled every {self.interval:.10g} s, stale after {self.stale_after:.10g} s",
            requests,
            f"{requests:.4g} requests/h",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to read the test."""
        progress = policy_test_progress.ENDPOINT
        yield Permission(progress.permission, progress.of(self._account_id, self._id or ""))

    def families(self, summary: PolicyTestSummary) -> Iterator[Metric]:
        """Yield the metric families of the test."""
        return families(self._labels, {"policy_test_id": self._id} if self._id else None, summary)


def result(test: PolicyTestSummary) -> str:
    """Return the progress and the counts of a test in words, and say so if the counts are from an older test."""
    words = [test.status or "no status"]
    if test.processed_ratio is not None and test.status in ("processing", "exceeded time"):
        words.append(f"{math.floor(test.processed_ratio * 100)}% done")
    if not test.has_older_counts:
        return ", ".join((*words, *_counts(test)))
    finished = f", finished on {moment(test.finished)}" if test.finished is not None else ""
    return f"{', '.join(words)}; the counts are from an older test{finished}: {', '.join(_counts(test))}"


def concern(test: PolicyTestSummary) -> str | None:
    """Return the status of a test that ended without a result; None for any other test."""
    return test.status if test.status in ("blocked", "exceeded time", UNDOCUMENTED) else None


def _counts(test: PolicyTestSummary) -> list[str]:
    """Return the users by result. A no-break space keeps each number and its word on one line."""
    return [
        f"{number:,}\N{NO-BREAK SPACE}{status}"
        for status, number in (test.users or {}).items()
        if number or status != "unknown"
    ]


def differences(test: PolicyTestSummary) -> Iterator[str]:
    """Yield, in words, the difference between the number of rows and the number of users that the test covers."""
    if test.awaited and test.awaited.announced:
        announced = test.awaited.announced
        yield f"{announced - test.awaited.listed:,} of {announced:,} users are not listed yet"
    listed = sum((test.users or {}).values())
    if test.missing > 0:
        yield f"lists {listed:,} of {listed + test.missing:,} users; {test.missing:,} are missing"
    elif test.missing < 0:
        yield f"lists {listed:,} users, but says that it covers {listed + test.missing:,}"


def families(labels: dict[str, str], info: dict[str, str] | None, summary: PolicyTestSummary) -> Iterator[Metric]:
    """Yield the metric families of any policy test; `info` has the ids for the labels of `…_info`."""
    yield gauge(
        "cloudflare_access_policy_test_info",
        "The id of the policy test, and of its application if the test was discovered; always 1.",
        [(labels | info, 1)] if info else [],
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
        "1 for the current status of the test and 0 for the others; all 0 if the status is not documented.",
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
