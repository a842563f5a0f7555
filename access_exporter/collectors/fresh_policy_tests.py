"""Policy tests the exporter starts itself: POST …/access/policy-tests ("Start Access policy test"), once a refresh.

    cloudflare_access_policy_test_started_timestamp_seconds{account_id="…",policy_test="payroll"} 1.79e+09
    cloudflare_access_policy_test_changed_users{account_id="…",change="newly_blocked",policy_test="payroll"} 2.0

A test is asked for, followed while it runs, and counted once when it has finished; then nothing more is asked until
the next refresh. That it was asked for is kept before the request leaves: whatever happens then, even the end of the
process, it is not asked for again before its time. The counts of the last finished test stay until they are stale.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from msgspec.structs import replace
from prometheus_client import Metric

from access_exporter.answers import Endpoint
from access_exporter.client import Client
from access_exporter.collectors import policy_tests
from access_exporter.collectors.outcomes import Collecting, Outcomes
from access_exporter.collectors.policy_tests import PolicyTestSummary
from access_exporter.config import Account, PolicyTest
from access_exporter.errors import BY_REASON, InvalidResponseError, NetworkError, NotFoundError, PollError
from access_exporter.exposition import gauge

ENDPOINT = Endpoint("policy_tests", "/accounts/{account_id}/access/policy-tests", "Access: Policy Test Write")

DAY = 86400
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it becomes a label, and part of a path
_FIRST_PAUSE_SECONDS = 5
_SHORTEST_PAUSE_SECONDS = 1


class Started(msgspec.Struct):
    """What the API says of a test it starts."""

    id: str | None = None


class Refusal(msgspec.Struct, frozen=True):
    """Why a test was not started."""

    reason: str
    message: str


class FreshSummary(msgspec.Struct, frozen=True):
    """The test that was asked for last, and the numbers of the one that finished last; times are in seconds.

    `before` are the results of the test before the present one, while its rows may still have to be counted.
    """

    asked: float | None = None
    refusal: Refusal | None = None
    test_id: str | None = None
    test: PolicyTestSummary = PolicyTestSummary()
    users: dict[str, int] | None = None
    finished: float | None = None
    changed: dict[str, int] | None = None
    outcomes: Outcomes | None = None
    before: Outcomes | None = None

    @property
    def shown(self) -> PolicyTestSummary:
        """The progress of the present test, with the counts of the last finished one."""
        return replace(self.test, users=self.users, finished=self.finished)

    def is_running(self) -> bool:
        """Tell whether a test was started that is not known to be over."""
        return self.test_id is not None and not policy_tests.is_over(self.test)


Keep = Callable[[FreshSummary], None]


@dataclass(frozen=True)
class FreshTest:
    """A policy test as configured, and whom to ask about it."""

    client: Client
    account_id: str
    config: PolicyTest

    def fetch(self, previous: FreshSummary | None, now: float, keep: Keep) -> FreshSummary:
        """Start a test where one is due, or ask how far the present one is; `now` is in seconds since the epoch.

        Raises a PollError when there is no whole answer, and as long as there is no test to follow.
        """
        state = _without_stale(previous or FreshSummary(), self.config, now)
        if _seconds_to_refresh(state, self.config, now) <= 0:
            state = self._start(state, now, keep)
        if state.refusal:
            raise BY_REASON[state.refusal.reason](f"{state.refusal.message}; {_next(state, self.config)}")
        if state.test_id is None:
            lost = "the exporter ended while it started a test, or was configured anew, so that its id is not known"
            raise NetworkError(f"{lost}; {_next(state, self.config)}")
        return self._follow(state, now, keep) if state.is_running() else state

    def _start(self, state: FreshSummary, now: float, keep: Keep) -> FreshSummary:
        asked = replace(state, asked=now, refusal=None, test_id=None, test=PolicyTestSummary(), before=state.outcomes)
        sent = False

        def before() -> None:
            nonlocal sent
            sent = True
            keep(asked)

        try:
            body = {"policies": self.config.policies}
            test = self.client.post(ENDPOINT, Started, body, before, account_id=self.account_id)
            if not _ID.fullmatch(test.id or ""):
                raise InvalidResponseError(f"the answer of {ENDPOINT.place} names no test")
        except PollError as failure:
            if not failure.was_sent:
                keep(state)
            if not sent or not failure.was_sent:
                raise
            outcome = replace(asked, refusal=Refusal(failure.reason, str(failure)))
        else:
            outcome = replace(asked, test_id=test.id)
        keep(outcome)
        return outcome

    def _follow(self, state: FreshSummary, now: float, keep: Keep) -> FreshSummary:
        followed = replace(self.config, id=state.test_id)
        collecting = Collecting(state.before)
        try:
            test = policy_tests.fetch(self.client, self.account_id, followed, state.test, now, note=collecting.add)
        except NotFoundError:
            keep(replace(state, test=PolicyTestSummary(status="forgotten")))
            raise
        counted = test.users is not state.test.users
        state = replace(state, test=test)
        if not counted:
            return state
        outcomes = collecting.finished()
        return replace(
            state,
            users=test.users,
            finished=test.finished,
            changed=state.before.changes_to(outcomes) if state.before else None,
            outcomes=outcomes,
            before=None if policy_tests.is_over(test) else state.before,
        )


def _without_stale(state: FreshSummary, config: PolicyTest, now: float) -> FreshSummary:
    """Drop the numbers of a test that finished too long ago; when that was, and the results to compare, stay."""
    if state.finished is None or now - state.finished < config.stale_after:
        return state
    return replace(state, users=None, changed=None)


def made(summary: FreshSummary) -> float | None:
    """Return when the numbers were made, in seconds since the epoch; None where there are none of a finished test."""
    return None if summary.users is None else summary.finished


def _seconds_to_refresh(state: FreshSummary, config: PolicyTest, now: float) -> float:
    """Return the time to the next test; where the machine's clock was far ahead before, that is now."""
    refresh = config.refresh or DAY
    if state.asked is None or abs(now - state.asked) >= refresh:
        return 0
    return state.asked + refresh - now


def _next(state: FreshSummary, config: PolicyTest) -> str:
    moment = datetime.fromtimestamp((state.asked or 0) + (config.refresh or DAY), UTC)
    return f"the next test is started at {moment:%Y-%m-%d %H:%M:%S} UTC"


def pause(config: PolicyTest, state: FreshSummary, started: float) -> float:
    """Return the seconds from a poll that started then to the next one.

    While a test runs it is half the time the test has taken so far, at most the interval; it never misses the moment
    of the next test, nor that at which the last numbers are stale.
    """
    waits = [config.interval, _seconds_to_refresh(state, config, started) or config.interval]
    if state.is_running() and state.asked is not None:
        waits.append(max(_FIRST_PAUSE_SECONDS, (started - state.asked) / 2))
    if (finished := made(state)) is not None:
        waits.append(finished + config.stale_after - started)
    return max(_SHORTEST_PAUSE_SECONDS, min(waits))


def families(account: Account, config: PolicyTest, summary: FreshSummary) -> Iterator[Metric]:
    """Yield everything `/metrics` says about a policy test that is started afresh."""
    labels = {"account_id": account.id, "policy_test": config.label}
    yield from policy_tests.families(account, replace(config, id=summary.test_id), summary.shown)
    yield gauge(
        "cloudflare_access_policy_test_started_timestamp_seconds",
        "When the exporter started the test, in seconds since the epoch.",
        [(labels, summary.asked if summary.test_id else None)],
    )
    yield gauge(
        "cloudflare_access_policy_test_refresh_interval_seconds",
        "The configured time from the start of one test to the start of the next.",
        [(labels, config.refresh)],
    )
    yield gauge(
        "cloudflare_access_policy_test_changed_users",
        "Users whose result in the last finished test is another one than in the finished test before.",
        [(labels | {"change": change}, number) for change, number in (summary.changed or {}).items()],
    )
