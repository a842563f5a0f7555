"""When an edit of a policy starts a new policy test."""

import itertools
from typing import Any

import pytest

from access_exporter.config.durations import Interval
from access_exporter.config.model import PolicyTest
from access_exporter.simulator.account import Life
from tests.collectors.discovering import DAY, GUESTS, HOUR, STAFF, application, own, reusable
from tests.collectors.starting import results
from tests.faults import refuses

POLL = 900
SHARED = reusable("shared", id="shared")


def includes(found: Any) -> list[Any]:
    """Return the start of each test and the `include` rules of its first policy."""
    return [(time, policies[0]["include"]) for time, policies in found.started()]


class TestEdits:
    def test_at_the_next_poll(self, discover: Any) -> None:
        """An edit starts a test at the next poll of the applications, and the changed results are shown."""
        found = discover(application("wiki", own()), application("pay", own("pay")))
        found.run(1000)
        found.lists(application("wiki", own(include=[GUESTS])), application("pay", own("pay")))
        found.account.any_life = lambda _: Life(results("blocked", "blocked"), seconds=60)
        found.run(900)
        assert sorted(includes(found), key=str) == [(0, [STAFF]), (0, [STAFF]), (2 * POLL, [GUESTS])]
        assert found.value('policy_test_changed_users change="newly_blocked",policy_test="wiki"') == 1
        assert found.value('policy_test_changed_users change="newly_blocked",policy_test="pay"') is None

    def test_at_most_one_an_hour(self, discover: Any) -> None:
        """Frequent edits start at most one test an hour, and the last edit is always tested."""
        found = discover(application("wiki", own()))
        for number in range(20):
            found.run(POLL)
            found.lists(application("wiki", own(include=[{"group": {"id": str(number)}}])))
        found.run(2 * HOUR)
        times = [time for time, _ in found.started()]
        assert times[:2] == [0, POLL]
        assert all(later - earlier == pytest.approx(HOUR, abs=5) for earlier, later in itertools.pairwise(times[1:]))
        assert includes(found)[-1][1] == [{"group": {"id": "19"}}]
        assert times[-1] <= 20 * POLL + HOUR

    def test_of_a_reusable_policy(self, discover: Any) -> None:
        """An edit of a reusable policy starts the tests of all applications that use it."""
        found = discover(*(application(name, "shared") for name in "ab"), application("c", own()), policies=[SHARED])
        found.run(POLL - 1)
        found.account.lists["policies"] = (SHARED | {"include": [GUESTS]},)
        found.run(POLL)
        assert [policies for time, policies in found.started() if time] == [["shared"], ["shared"]]

    @pytest.mark.parametrize("seconds", [2000, 10_000])
    def test_while_a_test_runs(self, seconds: int, discover: Any) -> None:
        """After an edit, the new test starts when the running test ends, but at most an hour later."""
        found = discover(application("wiki", own()))
        found.account.any_life = lambda _: Life(results("approved"), seconds=seconds)
        found.run(100)
        found.lists(application("wiki", own(include=[GUESTS])))
        found.run(HOUR)
        (_, [(time, include)]) = includes(found)[:1], includes(found)[1:]
        assert include == [GUESTS]
        assert min(seconds, HOUR) <= time <= min(seconds + 310, HOUR + 1)

    def test_no_edit(self, discover: Any) -> None:
        """A new order of keys, rules or rows starts no test, and neither does a change outside the policies."""
        policy = own(include=[STAFF, GUESTS])
        found = discover(application("wiki", policy, "shared"), application("pay", own()), policies=[SHARED])
        found.run(100)
        other = dict(reversed((policy | {"include": [GUESTS, STAFF], "require": None, "uid": "x"}).items()))
        found.lists(application("pay", own()), application("wiki", other, "shared", updated_at="now"))
        found.account.lists["policies"] = (SHARED | {"app_count": 7},)
        found.run(HOUR)
        assert len(found.started()) == 2

    def test_a_refused_test(self, discover: Any) -> None:
        """If Cloudflare refused a test, an edit of its policies starts a new test at the next poll."""
        found = discover(application("wiki", own()))
        found.server.fault = lambda request: refuses(400, 12130) if request.method == "POST" else None
        found.run(100)
        found.server.fault = None
        found.lists(application("wiki", own(include=[GUESTS])))
        found.run(POLL)
        assert includes(found) == [(0, [STAFF]), (POLL, [GUESTS])]
        assert found.exporter.failure() == ""


class TestConfigured:
    TEST = PolicyTest(name="payroll", policies=("shared", "other"), refresh=Interval(DAY))

    def test_edit(self, discover: Any) -> None:
        """An edit of a configured policy starts its test; an edit of another policy does not."""
        other, unused = reusable("other", id="other"), reusable("unused")
        found = discover(policies=[SHARED, other, unused], tests=[self.TEST])
        found.run(2 * HOUR)
        found.account.lists["policies"] = (SHARED, other, unused | {"include": [GUESTS]})
        found.run(2 * HOUR)
        assert len(found.started()) == 1
        found.account.lists["policies"] = (SHARED, other | {"updated_at": "later"}, unused)
        found.run(POLL + 300)
        assert [policies for _, policies in found.started()] == [["shared", "other"]] * 2

    def test_beside_discovery(self, discover: Any) -> None:
        """With discovery of applications, the exporter reads the list of policies only once for both."""
        other = reusable("other", id="other")
        found = discover(policies=[SHARED, other], tests=[self.TEST, PolicyTest(discover="applications")])
        found.run(2 * HOUR - 1)
        found.account.lists["policies"] = (SHARED | {"include": [GUESTS]}, other)
        found.run(POLL)
        assert [policies for _, policies in found.started()] == [["shared", "other"]] * 2
        assert [each.endpoint for each in found.server.arrivals].count("policies") == 9

    def test_missing_permission(self, discover: Any, caplog: pytest.LogCaptureFixture) -> None:
        """Without the permission to list policies, tests start as usual, and no error or warning appears."""
        found = discover(policies=[SHARED, reusable("other", id="other")], tests=[self.TEST])
        found.server.fault = lambda request: refuses(403, 10000) if request.endpoint == "policies" else None
        found.run(2 * HOUR)
        found.server.fault = None
        found.run(2 * HOUR)
        assert len(found.started()) == 1
        assert found.exporter.failure() == ""
        assert not [record for record in caplog.records if record.levelname == "WARNING"]
