"""How often the exporter polls a policy test that it starts, and how many requests it sends over three days."""

import itertools
from typing import Any

import pytest

from access_exporter.cloudflare import Client
from access_exporter.collectors.fresh_policy_tests import FreshPolicyTestCollector
from access_exporter.config.durations import Duration
from access_exporter.config.model import PolicyTest
from access_exporter.errors import BY_REASON, PollError
from access_exporter.simulator.account import Life
from tests.collectors.starting import POLICIES, only, results
from tests.exporter import ACCOUNT_ID
from tests.faults import answers, refuses

DAY = 86400
MOST_POLLS = 3 * DAY // 300 + 60  # one poll each interval, and the growing pauses of three tests
DEFAULTS = PolicyTest(name="payroll", policies=POLICIES)


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that records the start of each poll."""
    begun: list[float] = []
    fetch = FreshPolicyTestCollector.fetch

    def counting(self: FreshPolicyTestCollector, poll: Any) -> Any:
        begun.append(poll.clock.monotonic())
        return fetch(self, poll)

    monkeypatch.setattr(FreshPolicyTestCollector, "fetch", counting)
    return begun


def fails(monkeypatch: pytest.MonkeyPatch, method: str, kind: type[PollError]) -> None:
    """Make every call of this client method fail with this error."""

    def fail(_client: Client, *arguments: Any) -> None:
        if method == "post":
            arguments[-1]()
        raise kind("planted")

    monkeypatch.setattr(Client, method, fail)


def requests_of_tests(exporter: Any) -> list[Any]:
    """Return the requests about policy tests, without those about the token."""
    return [each for each in exporter.server.arrivals if each.endpoint.startswith("policy_test")]


class TestThreeDays:
    def test_good_polls(self, bench: Any, polls: list[float]) -> None:
        """Over three days, a successful test is started three times and polled about once an interval."""
        exporter = bench(config=DEFAULTS)
        exporter.exporter.run(3 * DAY - 1)
        assert exporter.asked("POST") == [0, DAY, 2 * DAY]
        assert len(polls) <= MOST_POLLS
        assert len(requests_of_tests(exporter)) <= 3 * (1 + 8 + 2)

    @pytest.mark.parametrize("good", [1000, 0], ids=["after a good poll", "from the start"])
    @pytest.mark.parametrize("reason", BY_REASON)
    @pytest.mark.parametrize("method", ["post", "get", "walk"])
    def test_failures(self, bench: Any, polls: list[float], method: str, reason: str, good: float) -> None:
        """After any failure, the next poll is at least a second later, even if all numbers are stale."""
        exporter = bench(config=DEFAULTS)
        exporter.exporter.run(good)
        polls.clear()
        with pytest.MonkeyPatch.context() as patch:
            fails(patch, method, BY_REASON[reason])
            self.check(exporter, polls)

    @staticmethod
    def check(exporter: Any, polls: list[float]) -> None:
        exporter.exporter.run(3 * DAY)
        assert len(polls) <= MOST_POLLS
        assert min(later - earlier for earlier, later in itertools.pairwise(polls)) >= 1
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 0
        assert "policy_test_users{" not in exporter.page()

    @pytest.mark.parametrize(
        ("endpoint", "fault", "most"),
        [
            ("policy_tests", refuses(403, 10000), 3),
            ("policy_tests", answers(502), 3),
            ("policy_test", refuses(404, 12130), 3 + MOST_POLLS),
            ("policy_test", answers(200), 3 + MOST_POLLS),
            ("policy_test_users", refuses(404, 12130), 3 + 2 * MOST_POLLS),
            ("policy_test_users", answers(200), 3 + 2 * MOST_POLLS),
        ],
    )
    def test_refused_requests(self, bench: Any, endpoint: str, fault: Any, most: int) -> None:
        """While requests are refused, the exporter sends one POST a day, and at most two requests each interval."""
        exporter = bench(config=DEFAULTS)
        exporter.server.fault = only(endpoint, fault)
        exporter.exporter.run(3 * DAY)
        assert len(exporter.asked("POST")) in (3, 4)
        assert len(requests_of_tests(exporter)) <= most

    @pytest.mark.parametrize("listed", [0, 1])
    def test_missing_rows(self, bench: Any, polls: list[float], listed: int) -> None:
        """The exporter requests missing rows for an hour, and then at most once an hour if there are no rows at all."""
        life = Life(results("approved", "approved"), share=listed / 2)
        exporter = bench(life, config=DEFAULTS)
        exporter.exporter.run(3 * DAY - 1)
        assert len(polls) <= MOST_POLLS
        assert len(exporter.asked("POST")) == 3
        pages = len(exporter.asked("GET", "policy_test_users"))
        assert pages <= (3 * 100 if listed else 3 * 100 + 72 * 4)
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == listed

    def test_short_stale_after(self, bench: Any, polls: list[float]) -> None:
        """If the numbers are stale before the next test, the exporter polls once at that moment."""
        config = PolicyTest(name="payroll", policies=POLICIES, stale_after=Duration(3600.5))
        exporter = bench(config=config)
        exporter.exporter.run(3 * DAY - 1)
        assert len(polls) <= MOST_POLLS
