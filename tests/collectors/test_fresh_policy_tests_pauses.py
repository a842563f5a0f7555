"""How often a policy test that the exporter starts is polled, and what that costs, whatever goes wrong for days."""

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
MOST_POLLS = 3 * DAY // 300 + 60  # one each interval, and the growing pauses of three tests
DEFAULTS = PolicyTest(name="payroll", policies=POLICIES)


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When polls began."""
    begun: list[float] = []
    fetch = FreshPolicyTestCollector.fetch

    def counting(self: FreshPolicyTestCollector, poll: Any) -> Any:
        begun.append(poll.clock.monotonic())
        return fetch(self, poll)

    monkeypatch.setattr(FreshPolicyTestCollector, "fetch", counting)
    return begun


def fails(monkeypatch: pytest.MonkeyPatch, method: str, kind: type[PollError]) -> None:
    """Let every call of the client fail as if Cloudflare had answered so."""

    def fail(_client: Client, *arguments: Any) -> None:
        if method == "post":
            arguments[-1]()
        raise kind("planted")

    monkeypatch.setattr(Client, method, fail)


def requests_of_tests(exporter: Any) -> list[Any]:
    """Return what was requested of policy tests, and not of the token."""
    return [each for each in exporter.server.arrivals if each.endpoint.startswith("policy_test")]


class TestThreeDays:
    def test_of_good_polls(self, bench: Any, polls: list[float]) -> None:
        """A test that goes well is started three times, and polled hardly more often than at its interval."""
        exporter = bench(config=DEFAULTS)
        exporter.exporter.run(3 * DAY - 1)
        assert exporter.asked("POST") == [0, DAY, 2 * DAY]
        assert len(polls) <= MOST_POLLS
        assert len(requests_of_tests(exporter)) <= 3 * (1 + 8 + 2)

    @pytest.mark.parametrize("good", [1000, 0], ids=["after a good one", "from the start"])
    @pytest.mark.parametrize("reason", BY_REASON)
    @pytest.mark.parametrize("method", ["post", "get", "walk"])
    def test_of_failures(self, bench: Any, polls: list[float], method: str, reason: str, good: float) -> None:
        """Whatever fails, and however: no poll follows another within seconds, also when all numbers are stale."""
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
    def test_of_requests(self, bench: Any, endpoint: str, fault: Any, most: int) -> None:
        """What is refused for days costs a POST a day, and one or two requests at each interval."""
        exporter = bench(config=DEFAULTS)
        exporter.server.fault = only(endpoint, fault)
        exporter.exporter.run(3 * DAY)
        assert len(exporter.asked("POST")) in (3, 4)
        assert len(requests_of_tests(exporter)) <= most

    @pytest.mark.parametrize("listed", [0, 1])
    def test_of_rows_that_are_missing(self, bench: Any, polls: list[float], listed: int) -> None:
        """Rows that never come are requested for an hour, and then hourly at most where there are none at all."""
        life = Life(results("approved", "approved"), share=listed / 2)
        exporter = bench(life, config=DEFAULTS)
        exporter.exporter.run(3 * DAY - 1)
        assert len(polls) <= MOST_POLLS
        assert len(exporter.asked("POST")) == 3
        pages = len(exporter.asked("GET", "policy_test_users"))
        assert pages <= (3 * 100 if listed else 3 * 100 + 72 * 4)
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == listed

    def test_with_a_short_time_to_live(self, bench: Any, polls: list[float]) -> None:
        """Numbers that are stale long before the next test lead to one poll at that moment, and to no other."""
        config = PolicyTest(name="payroll", policies=POLICIES, stale_after=Duration(3600.5))
        exporter = bench(config=config)
        exporter.exporter.run(3 * DAY - 1)
        assert len(polls) <= MOST_POLLS
