"""No policy test starts before its time, even after a reload or a change of the clock."""

import json
from typing import Any

import msgspec
import pytest

from access_exporter.collectors.followed_policy_test import PolicyTestSummary
from access_exporter.collectors.fresh_summary import FreshSummary
from access_exporter.collectors.stamps import Stamp
from access_exporter.config.model import PolicyTest
from access_exporter.simulator.account import Life
from tests.collectors.starting import POLICIES, REFRESH, Bench, moment, payroll, results, shows
from tests.exporter import ACCOUNT_ID
from tests.fakes import START

OTHERS = ("other-policy",)
FIRST = PolicyTest(name="first", policies=("first-policy",))
YEAR = 365 * 86400.0
STARTED = f'policy_test_started_timestamp_seconds{{{{account_id="{ACCOUNT_ID}",policy_test="payroll"}}}} {{}}\n'


def started(bench: Bench) -> list[tuple[float, str]]:
    """Return the start of each test, in seconds since the start, and its first policy."""
    posts = [arrival for arrival in bench.server.arrivals if arrival.method == "POST"]
    return [(each.time - START, json.loads(each.body)["policies"][0]) for each in posts]


class TestReload:
    @pytest.mark.parametrize("after", ["removed", "exchanged", "another kind", "removed and added again"])
    def test_reload_while_a_post_waits(self, bench: Any, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
        """If a reload removes a test while its POST waits for the rate limit, that POST is not sent."""
        exporter = bench(config=FIRST, requests_per_second=0.1, burst=1)
        exporter.account.lives[OTHERS] = exporter.account.lives[FIRST.policies] = lambda: Life(results("error"))
        tests = {"removed": [], "exchanged": [payroll(policies=OTHERS)], "another kind": [PolicyTest(id="payroll")]}
        sleep = exporter.clock.sleep

        def reload(seconds: float) -> None:
            monkeypatch.undo()
            assert policies_of(exporter) == ["first-policy"]
            exporter.exporter.load(exporter.config(FIRST, *tests.get(after, [])))
            if after == "removed and added again":
                exporter.exporter.load(exporter.config(FIRST, payroll()))
            sleep(seconds)

        exporter.exporter.load(exporter.config(FIRST, payroll()))
        monkeypatch.setattr(exporter.clock, "sleep", reload)
        exporter.exporter.run(100)
        last = {"exchanged": [OTHERS[0]], "removed and added again": [POLICIES[0]]}.get(after, [])
        assert policies_of(exporter) == ["first-policy", *last]

    def test_policies_changed_and_changed_back(self, bench: Any) -> None:
        """If policies are changed and changed back, no new test starts, and the old results are shown."""
        exporter = bench()
        exporter.account.lives[OTHERS] = lambda: Life(results("error"))
        for _ in range(5):
            exporter.exporter.run(100)
            exporter.exporter.load(exporter.config(payroll(policies=OTHERS)))
            exporter.exporter.run(100)
            assert shows(exporter.page(), error=1, approved=0)
            exporter.exporter.load(exporter.config(payroll()))
        exporter.exporter.run(100)
        assert started(exporter) == [(0, POLICIES[0]), (100, OTHERS[0])]
        assert shows(exporter.page(), approved=3, blocked=1)
        exporter.exporter.run(REFRESH)
        assert started(exporter)[2:] == [(REFRESH, POLICIES[0])]

    def test_removed_and_added_again(self, bench: Any) -> None:
        """A test that is removed from the configuration and added again does not start before its time."""
        exporter = bench()
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config())
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(PolicyTest(id="gone", name="payroll")))
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(payroll()))
        exporter.exporter.run(REFRESH - 301)
        assert started(exporter) == [(0, POLICIES[0])]
        assert shows(exporter.page(), approved=3)
        exporter.exporter.run(2)
        assert [at for at, _ in started(exporter)] == [0, REFRESH]

    def test_a_refused_start(self, bench: Any) -> None:
        """A refused test is not started again early, even if other policies were tested meanwhile."""
        exporter = bench(config=payroll(policies=("unknown",)))
        exporter.exporter.run(100)
        for policies in (POLICIES, ("unknown",), POLICIES, ("unknown",)):
            exporter.exporter.load(exporter.config(payroll(policies=policies)))
            exporter.exporter.run(100)
        assert [policy for _, policy in started(exporter)] == ["unknown", POLICIES[0]]
        assert exporter.exporter.failure().endswith("the next test starts at 2026-09-21 15:13:20 UTC")


class TestPace:
    def test_start_time_of_a_delayed_test(self, bench: Any) -> None:
        """The time of a test is when its POST is sent, so the next test starts a full refresh later."""
        exporter = bench(config=FIRST, requests_per_second=0.1, burst=1)
        exporter.account.lives[FIRST.policies] = lambda: Life(results("error"))
        exporter.exporter.load(exporter.config(FIRST, payroll()))
        exporter.exporter.run(1.5 * REFRESH)
        first, second = (at for at, policy in started(exporter) if policy == POLICIES[0])
        assert first > 5
        assert second - first >= REFRESH
        assert STARTED.format(moment(second)) in exporter.page()


class TestClock:
    @pytest.mark.parametrize("jump", [YEAR, -YEAR, 2 * REFRESH, -2 * REFRESH, 0.9 * REFRESH])
    @pytest.mark.parametrize("polls", [0.1, 0.9])
    def test_clock_that_is_set_and_set_back(self, bench: Any, jump: float, polls: float) -> None:
        """If the clock jumps and returns, the next test starts one refresh after the last, and the counts stay."""
        exporter = bench()
        exporter.exporter.run(100)
        exporter.clock.set_forward = jump
        exporter.exporter.run(polls * REFRESH - 100)
        assert shows(exporter.page(), approved=3)
        exporter.clock.set_forward = 0
        exporter.exporter.run((1 - polls) * REFRESH - 1)
        assert len(exporter.asked("POST")) == 1
        assert shows(exporter.page(), approved=3)
        exporter.exporter.run(302)
        assert len(exporter.asked("POST")) == 2

    @pytest.mark.parametrize("jump", [YEAR, -YEAR])
    def test_clock_that_is_set(self, bench: Any, jump: float) -> None:
        """If the clock is set, the next test starts one refresh after the last, and timestamps use the new time."""
        exporter = bench()
        exporter.exporter.run(100)
        exporter.clock.set_forward = jump
        exporter.exporter.run(REFRESH - 101)
        assert len(exporter.asked("POST")) == 1
        assert STARTED.format(moment(jump)) in exporter.page()
        exporter.exporter.run(2)
        assert len(exporter.asked("POST")) == 2

    @pytest.mark.parametrize("jump", [YEAR, -YEAR])
    def test_while_a_test_runs(self, bench: Any, jump: float) -> None:
        """If the clock is set while a test runs, the pauses between its polls still grow."""
        exporter = bench(Life(results("approved"), seconds=600))
        exporter.exporter.run(20)
        exporter.clock.set_forward = jump
        exporter.exporter.run(900)
        assert shows(exporter.page(), approved=1)
        assert len(exporter.asked("GET", "policy_test")) < 20

    def test_future_times_after_a_restart(self) -> None:
        """After a restart, a start time in the future becomes the current time, and the old counts are dropped."""
        now = Stamp(START, "now", 5.0)
        future = START + YEAR
        seen = PolicyTestSummary(finished=future)
        users = {"approved": 1}
        before = FreshSummary(future, finished=future, users=users, test=seen, dated=Stamp(1, "before", 1))
        assert before.at(now) == FreshSummary(START, dated=now)
        seen = PolicyTestSummary(finished=START - 50)
        recent = msgspec.structs.replace(before, asked=START - 60, finished=START - 50, test=seen)
        assert recent.at(now) == msgspec.structs.replace(recent, dated=now)

    def test_state_of_an_older_version(self) -> None:
        """The exporter can read the state that an older version stored."""
        old = msgspec.json.decode(b'{"asked":17.0,"test_id":"t","test":{"status":"complete"}}', type=FreshSummary)
        assert old.at(Stamp(START, "now", 5.0)).asked == 17.0
        assert old.is_running()


def policies_of(bench: Bench) -> list[str]:
    return [policy for _, policy in started(bench)]
