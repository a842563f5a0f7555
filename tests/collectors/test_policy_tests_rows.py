"""Rows of a finished policy test that come late, never, or too many, and how their list ends."""

import logging
from typing import Any

import msgspec
import pytest

from access_exporter.collectors.followed_policy_test import PolicyTestSummary, is_over
from access_exporter.collectors.policy_tests import differences
from tests.collectors.cloudflare import Cloudflare, answer, honest_pages
from tests.collectors.following import TEST, USERS, expected, exporter, health, progress, results, running
from tests.collectors.starting import moment
from tests.exporter import Exporter

HOUR = 3600
MANY = 2345


def lines(following: Exporter) -> list[str]:
    """What the status page says of the test."""
    (snapshot,) = following.snapshots()
    return list(snapshot.collector.status(snapshot.summary))


class TestLate:
    def test_a_single_row(self, cloudflare: Cloudflare, caplog: pytest.LogCaptureFixture) -> None:
        """One row of many counts only after an hour without more; the difference is told, and it is not paged again."""
        cloudflare.says(TEST, progress(total=MANY))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        following = exporter()
        for _ in range(12):
            page = following.polled()
            assert page == running(is_complete=1, population=MANY, last_success=moment(following.clock.monotonic()))
            assert lines(following)[1:] == ["2,344 of 2,345 users are not listed yet"]
            following.clock.now += 300
        shown: dict[str, Any] = {"users_approved": 1, "population": MANY}
        assert following.polled() == expected(**shown, last_success=moment(HOUR))
        cloudflare.asked.clear()
        for _ in range(3):
            following.clock.now += 300
            following.poll()
        assert [path for path, _ in cloudflare.asked] == [TEST] * 3
        (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
        assert record.__dict__["facts"]["listed"] == 1
        assert record.__dict__["facts"]["announced"] == MANY
        assert lines(following)[1:] == ["lists 1 of 2,345 users; 2,344 are missing"]

    @pytest.mark.parametrize("total", [{}, {"total_users": None}, {"total_users": 0}, {"total_users": "2"}])
    def test_without_a_total(self, cloudflare: Cloudflare, total: dict[str, object]) -> None:
        """Without total_users, the rows must add up to the users with a result."""
        fields = {"status": "complete", "users_approved": 1, "users_blocked": 0, "users_errored": 1, **total}
        population = 0 if total.get("total_users") == 0 else None
        cloudflare.says(TEST, answer(fields))
        cloudflare.lists(USERS, answer(results("approved")))
        following = exporter()
        assert following.polled() == running(is_complete=1, population=population, ratio=None)
        cloudflare.lists(USERS, answer(results("approved", "error")))
        assert following.polled() == expected(users_approved=1, users_error=1, population=population, ratio=None)

    def test_the_total_of_before(self, cloudflare: Cloudflare) -> None:
        """A test that says nothing of its users once it is complete covers those that it covered before."""
        cloudflare.says(TEST, progress("processing", total=2, percent=50))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, answer({"status": "complete"}))
        for rows in ([], results("blocked")):
            cloudflare.lists(USERS, answer(rows))
            following.poll()
            assert "policy_test_users{" not in following.page()
        cloudflare.lists(USERS, answer(results("blocked", "blocked")))
        assert 'status="blocked"} 2.0' in following.polled()

    def test_none_at_all(self, cloudflare: Cloudflare) -> None:
        """A test of some users that lists nobody fails for as long, never has zeros, and is paged once an hour."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS)
        following = exporter()
        for number in range(36):
            assert following.polled() == health(success=0, last_success=None, errors_invalid_response=number + 1)
            following.clock.now += 300
        assert [path for path, _ in cloudflare.asked].count(TEST) == 36
        assert cloudflare.pages_asked().count(1) == 12 + 1 + 1
        cloudflare.lists(USERS, answer(results("error")))
        following.clock.now += HOUR
        assert 'status="error"} 1.0' in following.polled()

    def test_fewer_than_before(self, cloudflare: Cloudflare) -> None:
        """What counts after an hour is the longest list of that time."""
        cloudflare.says(TEST, progress())
        following = exporter()
        for statuses in (("approved", "blocked", "error"), ("approved",), ()):
            cloudflare.lists(USERS, answer(results(*statuses)))
            following.poll()
            following.clock.now += 1800
        expected_counts: dict[str, Any] = {"users_approved": 1, "users_blocked": 1, "users_error": 1}
        assert following.page() == expected(**expected_counts, last_success=moment(HOUR))

    @pytest.mark.parametrize("jump", [365 * 86400, -365 * 86400])
    def test_a_clock_that_is_set(self, cloudflare: Cloudflare, jump: float) -> None:
        """However the time of day is set, rows are awaited for an hour, and with pauses."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer(results("approved")))
        following = exporter()
        following.poll()
        for minutes in (20, 40):
            following.clock.set_forward = jump
            following.clock.now += minutes * 60 - 1
            following.poll()
            assert "policy_test_users{" not in following.page()
            (snapshot,) = following.snapshots()
            assert 1 <= snapshot.collector.next_poll(snapshot.summary, following.clock.time()) <= 300
        following.clock.now += 2
        assert 'status="approved"} 1.0' in following.polled()

    def test_more_than_it_covers(self, cloudflare: Cloudflare) -> None:
        """Rows that were listed are believed rather than a total, and the difference is told."""
        cloudflare.says(TEST, progress(total=2))
        cloudflare.lists(USERS, answer(results("approved", "approved", "blocked")))
        following = exporter()
        assert following.polled() == expected(users_approved=2, users_blocked=1, population=2)
        assert lines(following)[1:] == ["lists 3 users, but says that it covers 2"]

    def test_running_again(self, cloudflare: Cloudflare) -> None:
        """A test that is reported as running again keeps its counts, and is counted again when it has finished."""
        cloudflare.says(TEST, progress(total=2))
        cloudflare.lists(USERS, answer(results("approved", "approved")))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, progress("processing", total=2, percent=50))
        cloudflare.lists(USERS, answer(results("blocked")))
        following.clock.now += 300
        counts: dict[str, Any] = {"users_approved": 2, "population": 2}
        assert following.polled() == expected(
            **counts, is_complete=0, is_processing=1, ratio=0.5, last_success=moment(300)
        )
        cloudflare.says(TEST, progress(total=2))
        assert following.polled() == expected(**counts, last_success=moment(300))
        cloudflare.lists(USERS, answer(results("blocked", "approved")))
        counts = {"users_approved": 1, "users_blocked": 1, "population": 2}
        assert following.polled() == expected(**counts, finished=moment(300), last_success=moment(300))


class TestEnd:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416, 422])
    @pytest.mark.parametrize("total", ["total_users", "total_count"])
    def test_a_refusal(self, cloudflare: Cloudflare, status: int, total: str) -> None:
        """A refused page is the end of the list once all rows are there, by the test or by the list itself."""
        stated = {"total_users": 2} if total == "total_users" else {}
        info = {"result_info": {"total_count": 2}} if total == "total_count" else {}
        cloudflare.says(TEST, answer({"status": "complete", **stated}))
        cloudflare.status_beyond = status
        cloudflare.lists(USERS, answer(results("approved", "error"), **info), beyond="{}")
        following = exporter()
        assert following.polled() == expected(
            users_approved=1, users_error=1, population=stated.get("total_users"), ratio=None
        )

    @pytest.mark.parametrize("status", [400, 403, 404, 416])
    def test_a_refusal_too_early(self, cloudflare: Cloudflare, status: int) -> None:
        """A refused page before all rows are there fails the poll, whatever it says of the totals."""
        cloudflare.says(TEST, progress(total=3))
        info = {"total_count": 0}
        cloudflare.status_beyond = status
        cloudflare.lists(USERS, answer(results("approved", "error"), result_info=info), beyond="{}")
        following = exporter()
        following.poll()
        assert following.failure().partition(": ")[0] in ("not_found", "permission", "invalid_response")
        assert "policy_test_users{" not in following.page()

    @pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (408, "timeout"), (502, "server")])
    def test_that_passes(self, cloudflare: Cloudflare, status: int, reason: str) -> None:
        """A failure that asks to come again is no end."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.status_beyond = status
        cloudflare.lists(USERS, answer(results("approved")), beyond="{}")
        following = exporter()
        following.poll()
        assert following.failure().startswith(reason)


class TestStored:
    def test_of_an_older_version(self) -> None:
        """What an older version stored is read, and a test that it counted is not counted again."""
        old = b'{"status":"complete","population":4.0,"processed_ratio":1.0,"users":{"approved":4},"finished":17.0}'
        summary = msgspec.json.decode(old, type=PolicyTestSummary)
        assert is_over(summary)
        assert list(differences(summary)) == []
