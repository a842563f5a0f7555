"""Discovered applications: which policy tests the exporter starts for them, and which metrics it shows."""

import itertools
import logging
from collections import Counter
from typing import Any

import pytest

from access_exporter.config.model import PolicyTest
from tests.collectors.discovering import (
    DAY,
    HOUR,
    STAFF,
    application,
    discovery,
    in_order,
    own,
    reusable,
)
from tests.exporter import ACCOUNT_ID
from tests.faults import refuses


def bodies_of(*policies: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the part of an application's own policies that a test contains."""
    kept = ("name", "decision", "include", "exclude", "require")
    return [{name: policy[name] for name in kept} for policy in policies]


class TestStarts:
    def test_each_application_once(self, discover: Any) -> None:
        """Sixty applications on three pages start sixty tests, one each, with the policies in the right order."""
        shared = [reusable(f"shared-{number}") for number in range(30)]
        rows, expected = [], []
        for number in range(60):
            alone = own(f"alone-{number}", precedence=2)
            first = shared[number % 30]
            rows.append(application(f"app {number % 50}", alone, first | {"precedence": 1}, id=f"{number:036}"))
            expected.append([first["id"], *bodies_of(alone)])
        found = discover(*rows, policies=shared, tests=[discovery(limit=60)], requests_per_second=2, burst=40)
        found.run(12 * HOUR - 1)
        assert found.bodies() == in_order(expected)
        times = [arrival.time for arrival in found.server.arrivals]
        assert max(sum(start <= time < start + 300 for time in times) for start in times) <= 600
        assert found.started()[-1][0] < 10 * 60
        assert found.value("discovered_policy_tests") == 60
        assert len(set(found.labels().values())) == 60

    def test_applications_without_policies_for_people(self, discover: Any) -> None:
        """Applications without a policy that evaluates people are counted, but not tested."""
        found = discover(
            application("allow", own()),
            application("both", own("a"), own("b", "bypass", precedence=2)),
            application("none"),
            application("null", policies=None),
            {"id": "absent"},
            application("bypass", own(decision="bypass"), own(decision="non_identity")),
            application("by id", "bypassed"),
            application("bookmark", own(), type="bookmark"),
            policies=[reusable("x", "bypass", id="bypassed")],
        )
        found.run(60)
        assert set(found.labels()) == {"app-allow", "app-both"}
        assert found.bodies() == in_order([bodies_of(own()), bodies_of(own("a"), own("b", "bypass"))])
        assert found.value('undiscovered_applications reason="no_policies"') == 6
        assert found.value("discovered_policy_tests") == 2

    def test_later_tests_are_spread(self, discover: Any) -> None:
        """Each application is tested once a refresh, and tests that started together are spread over time."""
        found = discover(*(application(str(number), own(str(number))) for number in range(30)))
        found.run(2.5 * DAY)
        starts: dict[str, list[float]] = {}
        for time, ((policy,)) in found.started():
            starts.setdefault(policy["name"], []).append(time)
        for times in starts.values():
            assert DAY / 2 <= times[1] - times[0] <= DAY + 1
            assert all(second - first == pytest.approx(DAY, abs=5) for first, second in itertools.pairwise(times[1:]))
        hours = Counter(time // HOUR for times in starts.values() for time in times[1:])
        assert max(hours.values()) <= 10

    def test_cost(self, discover: Any) -> None:
        """Fifty applications need at most 60 requests an hour, because a finished test needs no more requests."""
        found = discover(*(application(str(number), own(str(number))) for number in range(50)))
        found.run(2 * DAY)
        assert len(found.server.arrivals) <= 2 * 24 * 60

    def test_refused_tests(self, discover: Any) -> None:
        """If Cloudflare refuses the tests, each test fails, and none is requested again before its time."""
        found = discover(*(application(str(number), own()) for number in range(3)))
        found.account.may_start_tests = False
        found.run(6 * HOUR)
        assert len(found.started()) == 3
        assert "needs the permission Access: Policy Test Write" in found.exporter.failure()


class TestNames:
    def test_same_name(self, discover: Any) -> None:
        """Two applications with the same name get the first eight digits of their ids in their labels."""
        ids = ["f174e90a-fafe-4643-bbbc-4a0ed4fc8415", "0a1b2c3d-fafe-4643-bbbc-4a0ed4fc8415"]
        found = discover(*(application("wiki", own(), id=each) for each in ids), application("other", own()))
        found.run(60)
        assert found.labels() == {ids[0]: "wiki f174e90a", ids[1]: "wiki 0a1b2c3d", "app-other": "other"}

    def test_renamed_application(self, discover: Any) -> None:
        """A renamed application keeps its numbers under the new name, and no test is started."""
        found = discover(application("wiki", own()))
        found.run(1000)
        before = found.exporter.page()
        found.lists(application("handbook", own(), id="app-wiki"))
        found.run(900)
        lines = [line for line in before.splitlines() if "policy_test_" in line]
        assert len(lines) > 10
        assert all(line.replace('"wiki"', '"handbook"') in found.exporter.page() for line in lines)
        assert "wiki" not in found.exporter.page().replace("app-wiki", "")
        assert len(found.started()) == 1

    def test_a_configured_test_wins(self, discover: Any, caplog: pytest.LogCaptureFixture) -> None:
        """An application with the same name as a configured test is not tested, and the log says so once."""
        tests = [PolicyTest(name="wiki", policies=("shared",)), discovery()]
        found = discover(
            application("wiki", own()),
            application("pay", own("pay")),
            policies=[reusable("s", id="shared")],
            tests=tests,
        )
        found.run(HOUR)
        assert found.bodies() == in_order([["shared"], bodies_of(own("pay"))])
        assert found.value('undiscovered_applications reason="excluded"') == 1
        assert [record.getMessage() for record in caplog.records if "configured" in record.getMessage()] == [
            "application not tested: a configured policy test has its name"
        ]


class TestSelection:
    def test_match_and_exclude(self, discover: Any) -> None:
        """Applications that fit `match` and not `exclude` are tested; all others are counted."""
        names = ["prod wiki", "prod pay", "prod test", "staging", "[prod]"]
        section = discovery(match=("prod *", "[p*"), exclude=("* test", "staging"))
        found = discover(*(application(name, own()) for name in names), tests=[section])
        found.run(60)
        assert set(found.labels().values()) == {"prod wiki", "prod pay", "[prod]"}
        assert found.value('undiscovered_applications reason="excluded"') == 2

    def test_limit(self, discover: Any, caplog: pytest.LogCaptureFixture) -> None:
        """The exporter tests the first applications by name up to the limit, counts the rest, and logs one warning."""
        found = discover(*(application(name, own()) for name in "dbca"), tests=[discovery(limit=2)])
        found.run(3 * HOUR)
        assert set(found.labels().values()) == {"a", "b"}
        assert found.value('undiscovered_applications reason="limit"') == 2
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
            "more applications than the limit; the rest is not tested"
        ]

    def test_reload(self, discover: Any) -> None:
        """A new `match` takes effect at once, even if the list cannot be read, and no test is started twice."""
        found = discover(application("wiki", own()), application("pay", own("pay")))
        found.run(100)
        found.server.fault = lambda request: refuses(403, 10000) if request.endpoint == "apps" else None
        found.exporter.load(found.config(discovery(match=("wiki",))))
        assert set(found.labels().values()) == {"wiki"}
        found.server.fault = None
        found.exporter.load(found.config(discovery()))
        found.run(HOUR)
        assert set(found.labels().values()) == {"wiki", "pay"}
        assert len(found.started()) == 2
        found.exporter.load(found.config())
        assert "wiki" not in found.exporter.page()
        assert "cloudflare_access_applications" not in found.exporter.page()


class TestLists:
    def test_a_deleted_application(self, discover: Any) -> None:
        """A deleted application disappears at the next poll; if it returns, it is not tested before its time."""
        found = discover(application("wiki", own()), application("pay", own("pay")))
        found.run(100)
        found.lists(application("pay", own("pay")))
        found.run(900)
        assert "wiki" not in found.exporter.page()
        found.lists(application("wiki", own()), application("pay", own("pay")))
        found.run(1000)
        assert set(found.labels().values()) == {"wiki", "pay"}
        assert found.value('policy_test_users policy_test="wiki",status="approved"') == 1
        assert len(found.started()) == 2

    @pytest.mark.parametrize("endpoint", ["apps", "policies"])
    def test_permission_that_is_revoked(self, endpoint: str, discover: Any) -> None:
        """After the permission is revoked, known applications are still tested, and the error names the permission."""
        found = discover(application("wiki", own()))
        found.run(100)
        found.server.fault = lambda request: refuses(403, 10000) if request.endpoint == endpoint else None
        found.run(3 * DAY)
        assert "Access: Apps and Policies Read" in found.exporter.failure()
        assert found.exporter.health(ACCOUNT_ID)["permission"] == 288
        assert [body for _, body in found.started()] == [bodies_of(own())] * 4
        assert found.value('policy_test_users policy_test="wiki",status="approved"') == 1
        assert found.value("discovered_policy_tests") is None  # stale

    def test_permission_that_was_never_granted(self, discover: Any) -> None:
        """A token that never had the permission starts no discovered test, and all other targets are polled."""
        tests = [PolicyTest(name="x", policies=("shared",)), discovery()]
        found = discover(application("wiki", own()), policies=[reusable("s", id="shared")], tests=tests)
        found.server.fault = lambda request: refuses(403, 10000) if request.endpoint in ("apps", "policies") else None
        found.run(HOUR)
        assert [body for _, body in found.started()] == [["shared"]]
        assert found.exporter.failure().count("Access: Apps and Policies Read") == 1

    def test_unreadable_policies(self, discover: Any, caplog: pytest.LogCaptureFixture) -> None:
        """An application with unreadable policies keeps its last known policies and its test."""
        found = discover(application("wiki", own()), application("new", 5))
        found.run(100)
        found.lists(application("wiki", policies={"invalid": True}), application("pay", own(), None))
        found.run(2 * DAY)
        assert [body for _, body in found.started()] == [bodies_of(own())] * 3
        assert found.value('undiscovered_applications reason="no_policies"') == 1
        assert "cannot read the policies of some applications; their last known policies stay" in caplog.text

    def test_unusual_names_and_types(self, discover: Any) -> None:
        """Any application name gives a valid exposition, and an unknown application type is shown as "unknown"."""
        names = ["", None, "x" * 5000, "line\nbreak\x00\x1b[31m", "jdoe@example.com", '"quoted\\', "  ", "\u202ewiki"]
        found = discover(
            *(application(name, own(), id=f"id-{number}", type="new type") for number, name in enumerate(names))
        )
        found.run(100)
        assert found.value('applications type="unknown"') == len(names)
        labels = found.labels()
        assert labels["id-0"] == "id-0"
        assert labels["id-1"] == "id-1"
        assert labels["id-2"] == "x" * 200
        assert labels["id-3"] == "line\N{REPLACEMENT CHARACTER}break\N{REPLACEMENT CHARACTER}" + (
            "\N{REPLACEMENT CHARACTER}[31m"
        )
        assert len(set(labels.values())) == len(names)

    def test_fields_of_an_own_policy(self, discover: Any) -> None:
        """A test contains all fields of an own policy that a test accepts, and no others."""
        policy = own(
            include=[STAFF, {"github": {"name": "a", "team": None}}],
            exclude=None,
            approval_groups=[{"approvals_needed": 1}],
            approval_required=True,
            isolation_required=False,
            purpose_justification_prompt="why?",
            purpose_justification_required=True,
            session_duration="24h",
            uid="x",
            app_count=3,
            connection_rules={},
        )
        found = discover(application("wiki", policy))
        found.run(1)
        without = ("id", "precedence", "reusable", "created_at", "updated_at", "uid", "app_count", "connection_rules")
        body = {name: value for name, value in policy.items() if name not in without and value is not None}
        assert found.bodies() == [[body]]
