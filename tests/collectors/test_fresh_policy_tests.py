"""Policy tests that the exporter starts: the exposition and the requests over the life of a test."""

import itertools
from typing import Any

import msgspec
import pytest

from access_exporter.config.durations import Duration, Interval
from access_exporter.simulator import PolicyTestUser
from access_exporter.simulator.account import Life
from tests.collectors.starting import (
    COUNTS,
    POLICIES,
    REFRESH,
    counted,
    expected,
    moment,
    only,
    payroll,
    results,
    shows,
)
from tests.exporter import ACCOUNT_ID
from tests.faults import refuses


class TestLife:
    def test_from_start_to_finish(self, bench: Any) -> None:
        """While a test runs, its progress and the last finished counts are shown, and its own counts at its end."""
        exporter = bench()
        exporter.exporter.run(1)
        assert exporter.page() == expected(is_processing=1)
        exporter.exporter.run(29)
        assert exporter.page() == expected(is_processing=1, ratio=0.25, last_success=moment(22.5))
        exporter.exporter.run(70)
        finished = moment(75.9375)
        assert exporter.page() == expected(**counted(is_complete=1, ratio=1, finished=finished, last_success=finished))
        exporter.exporter.run(REFRESH - 99)
        again: dict[str, Any] = {"started": moment(REFRESH), "last_success": moment(REFRESH)}
        assert exporter.page() == expected(**counted(is_processing=1, finished=finished, **again))
        exporter.exporter.run(100)
        again = {"started": moment(REFRESH), "last_success": moment(REFRESH + 75.9375), "ratio": 1, "is_complete": 1}
        changes = {"newly_approved": 0, "newly_blocked": 0, "newly_error": 0}
        assert exporter.page() == expected(**counted(finished=moment(REFRESH + 75.9375), **again, **changes))

    def test_requests(self, bench: Any) -> None:
        """Each refresh sends one POST, then asks for the progress at growing intervals, and reads the rows once."""
        exporter = bench()
        exporter.exporter.run(2 * REFRESH - 1)
        assert exporter.asked("POST") == [0, REFRESH]
        bodies = [msgspec.json.decode(each.body) for each in exporter.server.arrivals if each.method == "POST"]
        assert bodies == [{"policies": list(POLICIES)}] * 2
        first = [0, 5, 10, 15, 22.5, 33.75, 50.625, 75.9375]
        assert exporter.asked("GET", "policy_test") == first + [REFRESH + seconds for seconds in first]
        # An empty page ends the list of rows.
        assert exporter.asked("GET", "policy_test_users") == [75.9375] * 2 + [REFRESH + 75.9375] * 2

    def test_long_test(self, bench: Any) -> None:
        """The exporter asks for the progress of a long test at least once an interval."""
        exporter = bench(Life(results("approved"), seconds=3000))
        exporter.exporter.run(3500)
        asked = exporter.asked("GET", "policy_test")
        assert max(later - earlier for earlier, later in itertools.pairwise(asked)) == 300
        assert 3000 <= asked[-1] <= 3300

    def test_an_empty_account(self, bench: Any) -> None:
        """A test that covers no users finishes with zeros."""
        exporter = bench(Life(()))
        exporter.exporter.run(10)
        assert exporter.page() == expected(**dict.fromkeys(COUNTS, 0), population=0, is_complete=1, finished=moment(0))

    @pytest.mark.parametrize("end", ["blocked", "exceeded time"])
    def test_that_fails(self, bench: Any, end: str) -> None:
        """A failed test shows its status, the old counts stay until they are stale, and later tests start on time."""
        good, bad = Life(results("approved"), seconds=0), Life(results("approved", "blocked"), end=end, share=0.5)
        exporter = bench(good, bad, bad, good, config=payroll(stale_after=Duration(1.5 * REFRESH)))
        status = f"is_{end.replace(' ', '_')}"
        values: dict[str, Any] = {"population": 2, "ratio": 0.5, status: 1, "started": moment(REFRESH)}
        exporter.exporter.run(1.4 * REFRESH)
        before: dict[str, Any] = {**dict.fromkeys(COUNTS, 0), "users_approved": 1, "finished": moment(0)}
        assert exporter.page() == expected(**values, **before, last_success=moment(REFRESH + 1200))
        exporter.exporter.run(0.2 * REFRESH)
        values["finished"] = moment(0)
        assert exporter.page() == expected(**values, last_success=moment(1.5 * REFRESH + 300))
        exporter.exporter.run(1.5 * REFRESH)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH, 3 * REFRESH]
        assert shows(exporter.page(), approved=1)
        assert len(exporter.asked("GET", "policy_test")) == 4

    def test_that_never_ends(self, bench: Any) -> None:
        """A test that never ends is abandoned when the next test is due."""
        exporter = bench(Life(results("approved"), end="processing"), Life(results("blocked")))
        exporter.exporter.run(REFRESH - 1)
        last = moment(75.9375 * 1.5**6 + 9 * 300)  # pauses grow by half until they are 300 s
        assert exporter.page() == expected(is_processing=1, ratio=1, population=1, last_success=last)
        exporter.exporter.run(2)
        assert exporter.asked("POST") == [0, REFRESH]
        assert shows(exporter.page(), blocked=1)

    def test_that_is_deleted(self, bench: Any) -> None:
        """If Cloudflare no longer knows a test, its polls fail, it has no status, and the next test starts on time."""
        exporter = bench()
        exporter.exporter.run(REFRESH + 1)
        exporter.server.fault = only("policy_test", refuses(404, 12130))
        exporter.exporter.run(REFRESH - 10)
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 0
        assert exporter.exporter.health(ACCOUNT_ID)["not_found"] > 10
        page = exporter.page()
        status = [line for line in page.splitlines() if line.startswith("cloudflare_access_policy_test_status{")]
        assert [line.split()[-1] for line in status] == ["0.0"] * 4
        assert shows(page, approved=3)
        exporter.server.fault = None
        exporter.exporter.run(100)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1


class TestStatusPage:
    def test_progress_and_changes(self, bench: Any) -> None:
        """The status page shows the progress, the counts, and how many results changed since the test before."""
        exporter = bench(Life(results("approved", "approved", "error")), Life(results("blocked", "blocked", "error")))
        exporter.exporter.run(1)
        assert "complete, 2 approved, 0 blocked, 1 error" in exporter.status_page()
        assert "no earlier test to compare with" in exporter.status_page()
        exporter.exporter.run(REFRESH)
        assert "since the test before: 2 newly blocked" in exporter.status_page()
        exporter.exporter.run(REFRESH)
        assert "since the test before: no changes" in exporter.status_page()


class TestReload:
    def test_other_policies_are_tested_at_once(self, bench: Any) -> None:
        """If a reload changes the policies of a test, a new test starts at once and the old numbers disappear."""
        exporter = bench()
        exporter.account.lives["third",] = lambda: Life(results("error"), seconds=60)
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(payroll(policies=("third",))))
        exporter.exporter.run(1)
        assert exporter.page() == expected(is_processing=1, population=1, started=moment(100), last_success=moment(100))

    def test_longer_refresh(self, bench: Any) -> None:
        """After a reload with a longer refresh, the next test starts that time after the last, and the numbers stay."""
        exporter = bench()
        exporter.exporter.run(100)
        exporter.exporter.load(exporter.config(payroll(refresh=Interval(2 * REFRESH))))
        exporter.exporter.run(2 * REFRESH - 101)
        assert exporter.asked("POST") == [0]
        assert shows(exporter.page(), approved=3)
        exporter.exporter.run(2)
        assert exporter.asked("POST") == [0, 2 * REFRESH]


class TestChanges:
    def test_changed_results(self, bench: Any) -> None:
        """A person counts as changed only if two tests in a row have different results for this person."""
        before = results("approved", "approved", "blocked", "error", "blocked", "approved")
        after = results("approved", "blocked", "approved", "blocked", "error", "blocked")[:5]
        joined = PolicyTestUser("someone-else", status="blocked")
        exporter = bench(Life(before), Life([*after, joined]))
        exporter.exporter.run(10)
        assert "changed_users" not in exporter.page()
        exporter.exporter.run(REFRESH)
        changes = {"newly_approved": 1, "newly_blocked": 2, "newly_error": 1}
        assert all(
            f'change="{change}",policy_test="payroll"}} {number}.0' in exporter.page()
            for change, number in changes.items()
        )

    def test_compared_with_the_last_finished_test(self, bench: Any) -> None:
        """A test is compared with the last finished test, even if a failed test lies between them."""
        bad = Life(results("error", "error"), end="exceeded time", share=0.5)
        exporter = bench(Life(results("approved", "blocked")), bad, Life(results("blocked", "blocked")))
        exporter.exporter.run(2 * REFRESH + 10)
        assert 'change="newly_blocked",policy_test="payroll"} 1.0' in exporter.page()
        assert 'change="newly_error",policy_test="payroll"} 0.0' in exporter.page()
