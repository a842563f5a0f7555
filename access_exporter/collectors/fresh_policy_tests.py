"""Starts a policy test after each `refresh`: POST …/access/policy-tests ("Start Access policy test").

    cloudflare_access_policy_test_started_timestamp_seconds{account_id="…",policy_test="payroll"} 1.79e+09
    cloudflare_access_policy_test_changed_users{account_id="…",change="newly_blocked",policy_test="payroll"} 2.0

The exporter starts a test, follows it while it runs, and counts its rows once when it has finished. Then it sends no
request until the next refresh, or until someone edits the policies.

The exporter stores the start before it sends the request, so a restart never starts the test again too early. If it
cannot store the start, it sends no request. The counts of the last finished test stay until they are stale. If the
machine's clock is set to another time, the exporter shifts its stored times by the same amount.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint, Permission
from access_exporter.collectors import fresh_schedule, policy_test_progress, policy_tests
from access_exporter.collectors.access_policies import Tested
from access_exporter.collectors.followed_policy_test import (
    USERS_ENDPOINT,
    FollowedTest,
    PolicyTestSummary,
    growing_pause,
    pauses,
    without_rows,
)
from access_exporter.collectors.fresh_schedule import Schedule
from access_exporter.collectors.fresh_summary import TEST_ID, FreshSummary, Refusal
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.collectors.result_digest import DigestBuilder
from access_exporter.collectors.stamps import Stamp
from access_exporter.errors import BY_REASON, InvalidResponseError, NetworkError, NotFoundError, PollError
from access_exporter.exposition import gauge

ENDPOINT = Endpoint("policy_tests", "/accounts/{account_id}/access/policy-tests", "Access: Policy Test Write")

REQUESTS_OF_A_TEST = 3  # at least: one to start it, one for its status, and one for each page of rows
_SHORTEST_PAUSE_SECONDS = 1


class Started(msgspec.Struct):
    """The response to the start of a test."""

    id: str | None = None


@dataclass(frozen=True)
class FreshTest:
    """A test to start: its labels, policies and schedule; times are in seconds.

    `policies` is the JSON for the request, or None if the policies are unknown. `info` has more labels of
    `cloudflare_access_policy_test_info`.
    """

    account_id: str
    label: str
    policies: str | None = field(repr=False)  # rules may name people
    schedule: Schedule
    interval: float
    stale_after: float
    info: Mapping[str, str] = field(default_factory=dict)


class FreshPolicyTestCollector(Collector[FreshSummary]):
    """Starts a policy test, and polls it until it has finished."""

    title = "Policy test"
    summary_type = FreshSummary
    endpoints = (ENDPOINT, policy_test_progress.ENDPOINT, USERS_ENDPOINT)

    settings: object

    def __init__(self, test: FreshTest, client: Client) -> None:
        """`client` belongs to the account of the test."""
        self._test = test
        self._client = client
        self._schedule = test.schedule
        self._account_id = test.account_id
        self.key = Key(test.account_id, policy_tests.NAME, test.label)
        self.settings = (client.settings, test)
        self.interval = test.interval
        self.stale_after = test.stale_after

    def revision(self, _poll: Poll[FreshSummary] | None = None) -> str | None:
        """Return the revision of the policies; None if it is unknown."""
        return None

    def fetch(self, poll: Poll[FreshSummary]) -> FreshSummary:
        """Start a test if one is due, or request the progress of the current test.

        Raises PollError if a request fails, or if the last start failed and the next one is not due.
        """
        revision = self.revision(poll)
        state = fresh_schedule.known(self._present(poll), revision)
        if poll.previous and state is not poll.previous:
            poll.keep(state)  # at once, because the rest of the poll may fail
        if self._test.policies is not None and self._schedule.next_start(state, revision) <= poll.now:
            state = self._start(state, poll, revision)
        if state.refusal:
            raise BY_REASON[state.refusal.reason](f"{state.refusal.message}; {self._next(state)}")
        if state.asked is None:
            return state  # without the policies, there is nothing to start
        if state.test_id is None:
            lost = "the exporter stopped or was reconfigured while it started a test, so the id of the test is unknown"
            raise NetworkError(f"{lost}; {self._next(state)}")
        return self._follow(state, poll) if state.is_running() else state

    def _present(self, poll: Poll[FreshSummary]) -> FreshSummary:
        """Return the last summary with its times shifted to the current clock, and with `stale` updated."""
        state = (poll.previous or FreshSummary()).at(Stamp.now(poll.clock))
        stale = state.finished is not None and poll.now - state.finished >= self.stale_after
        return state if stale is state.stale else replace(state, stale=stale)

    def _start(self, state: FreshSummary, poll: Poll[FreshSummary], revision: str | None) -> FreshSummary:
        asked: FreshSummary | None = None

        def before() -> None:
            nonlocal asked
            asked = self._schedule.asking(state, Stamp.now(poll.clock), revision)
            if not poll.keep(asked):
                raise _not_kept()

        try:
            test_id = start(self._client, self._account_id, json.loads(self._test.policies or "[]"), before)
        except PollError as failure:
            if asked and not failure.was_sent:
                poll.keep(state)
            if not asked or not failure.was_sent:
                raise
            outcome = replace(asked, refusal=Refusal(failure.reason, str(failure)))
        else:
            outcome = replace(asked or self._schedule.asking(state, Stamp.now(poll.clock), revision), test_id=test_id)
        poll.keep(outcome)
        return outcome

    def _follow(self, state: FreshSummary, poll: Poll[FreshSummary]) -> FreshSummary:
        followed = FollowedTest(self._client, self._account_id, state.test_id or "", self.stale_after, poll.progress)
        try:
            progress = followed.progress()
        except NotFoundError:
            test = replace(state.test, status="forgotten", population=None, processed_ratio=None)
            poll.keep(replace(state, test=test))
            raise
        digest = DigestBuilder(state.before)
        test = followed.summary(progress, state.test, poll.clock, note=digest.add)
        if failure := without_rows(test):
            poll.keep(replace(state, test=replace(state.test, awaited=test.awaited)))
            raise failure
        return state.with_results(test, digest)

    def status(self, summary: FreshSummary) -> Iterator[str]:
        """Yield the progress of the test, its counts, and the changes since the previous test."""
        yield policy_tests.result(summary.shown)
        yield from policy_tests.differences(summary.shown)
        if summary.changed is None or summary.stale:
            yield "no earlier test to compare with"
            return
        changes = [f"{number:,} {change.replace('_', ' ')}" for change, number in summary.changed.items() if number]
        yield f"since the test before: {', '.join(changes) or 'no changes'}"

    def concern(self, summary: FreshSummary) -> str | None:
        """Return the status of a test that ended without a result."""
        return policy_tests.concern(summary.test)

    def has_news(self, summary: FreshSummary) -> bool:
        """Return whether the result of any user changed in the last test."""
        return not summary.stale and any((summary.changed or {}).values())

    def plan(self) -> Plan:
        """Return the least cost of polling, as if each test finished before the first request for its status."""
        refresh = self._schedule.refresh
        requests, policies = REQUESTS_OF_A_TEST * 3600 / refresh, json.loads(self._test.policies or "[]")
        number = "1 policy" if len(policies) == 1 else f"{len(policies)} policies"
        return Plan(
            f"policy test {self.key.target!r}",
            f"starts a test of {number} every {refresh:.10g} s, stale after {self.stale_after:.10g} s",
            requests,
            f"{requests:.4g} requests/h or more",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to start tests."""
        yield Permission(ENDPOINT.permission, None)

    def next_poll(self, summary: FreshSummary | None, started: float) -> float:
        """Return the seconds from a poll to the next; `started` is its start, in seconds since the epoch.

        While a test runs, the pause is half the time that the test has taken so far, but at most the interval. The next
        poll is never later than the start of the next test, or than the moment at which the counts become stale.
        """
        if summary is None:
            return self.interval
        waits = [self.interval, self._schedule.next_start(summary, self.revision()) - started]
        if summary.finished is not None and summary.finished >= started and waits[1] <= 0:
            return _SHORTEST_PAUSE_SECONDS  # someone edited the policies while this test ran
        if summary.is_running() and summary.test.awaited:
            waits.extend(pauses(summary.test, started))
        elif summary.is_running() and summary.asked is not None:
            waits.append(growing_pause(started - summary.asked))
        if (finished := self.made_at(summary)) is not None:
            waits.append(finished + self.stale_after - started)
        return max(_SHORTEST_PAUSE_SECONDS, min(wait for wait in waits if wait > 0))

    def is_possible(self, summary: FreshSummary, _succeeded_at: float | None) -> bool:
        """Return whether the numbers are possible for a test."""
        return summary.is_possible()

    def lasting(self, summary: FreshSummary) -> FreshSummary | None:
        """Return the start of the last test, without counts. The exporter can read the counts again."""
        if summary.asked is None:
            return None
        finished = summary.finished if summary.test.users is not None else None
        test = PolicyTestSummary(finished=finished)
        lasting = FreshSummary(summary.asked, summary.refusal, summary.test_id, test, dated=summary.dated)
        return replace(lasting, revision=summary.revision, edited=summary.edited, share=summary.share)

    def made_at(self, summary: FreshSummary) -> float | None:
        """Return when the counted test finished; None without counts."""
        return None if summary.users is None or summary.stale else summary.finished

    def times(self, summary: FreshSummary) -> Iterator[float | None]:
        """Yield when the exporter started tests, and when it first saw them finished."""
        yield from (summary.asked, summary.edited, summary.finished, summary.test.finished)

    def _next(self, state: FreshSummary) -> str:
        moment = datetime.fromtimestamp(self._schedule.next_start(state, None), UTC)
        return f"the next test starts at {moment:%Y-%m-%d %H:%M:%S} UTC"

    def families(self, summary: FreshSummary) -> Iterator[Metric]:
        """Yield the metric families of a policy test that the exporter starts."""
        labels = {"account_id": self._account_id, "policy_test": self._test.label}
        info = {**self._test.info, "policy_test_id": summary.test_id} if summary.test_id else None
        yield from policy_tests.families(labels, info, summary.shown)
        yield gauge(
            "cloudflare_access_policy_test_started_timestamp_seconds",
            "When the exporter started the test, in seconds since the epoch.",
            [(labels, summary.asked if summary.test_id else None)],
        )
        yield gauge(
            "cloudflare_access_policy_test_refresh_interval_seconds",
            "The configured time from the start of one test to the start of the next.",
            [(labels, self._schedule.refresh)],
        )
        yield gauge(
            "cloudflare_access_policy_test_changed_users",
            "Users whose result changed between the last two finished tests.",
            [
                (labels | {"change": change}, number)
                for change, number in ({} if summary.stale else summary.changed or {}).items()
            ],
        )


def start(client: Client, account_id: str, policies: list[Tested], before: Callable[[], None]) -> str:
    """Start a test of these policies, and return its id. Calls `before` and raises PollError as `Client.post` does."""
    test = client.post(ENDPOINT.of(account_id), Started, {"policies": policies}, before)
    if test.id is None or not re.fullmatch(TEST_ID, test.id):
        raise InvalidResponseError(f"the response from {ENDPOINT.place} has no test id")
    return test.id


def _not_kept() -> NetworkError:
    """Return the error for a start that cannot be stored: after a restart, the exporter would start the test again."""
    failure = NetworkError(
        "no test started: the storage folder cannot be written, so after a restart the exporter would start the test "
        "again; make the folder writable, or leave out --storage.path"
    )
    failure.was_sent = False
    return failure
