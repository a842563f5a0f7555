"""Rows of a finished policy test that are listed late, never, or too often, and how their list ends."""

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
    """Return the lines about the test on the status page."""
    (snapshot,) = following.snapshots()
    return list(snapshot.collector.status(snapshot.summary))


class TestLate:
    def test_most_rows_missing(self, cloudflare: Cloudflare, caplog: pytest.LogCaptureFixture) -> None:
        """After an hour with missing rows, the listed rows count, with one warning, and are not requested again."""
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
        """Without total_users, the counts are shown when the rows match the test's own numbers of results."""
        fields = {"status": "complete", "users_approved": 1, "users_blocked": 0, "users_errored": 1, **total}
        population = 0 if total.get("total_users") == 0 else None
        cloudflare.says(TEST, answer(fields))
        cloudflare.lists(USERS, answer(results("approved")))
        following = exporter()
        assert following.polled() == running(is_complete=1, population=population, ratio=None)
        cloudflare.lists(USERS, answer(results("approved", "error")))
        assert following.polled() == expected(users_approved=1, users_error=1, population=population, ratio=None)

    def test_earlier_total(self, cloudflare: Cloudflare) -> None:
        """If a complete test no longer has total_users, the exporter uses the last known total_users."""
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

    def test_no_rows(self, cloudflare: Cloudflare) -> None:
        """A test with users but without rows fails its polls, never shows zeros, and is read once an hour."""
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

    def test_longest_list(self, cloudflare: Cloudflare) -> None:
        """After an hour, the longest list so far gives the counts."""
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
        """If the clock jumps, the exporter still waits an hour for missing rows, with pauses between the polls."""
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

    def test_more_rows_than_the_total(self, cloudflare: Cloudflare) -> None:
        """If more rows are listed than total_users says, the rows count, and the status page shows the difference."""
        cloudflare.says(TEST, progress(total=2))
        cloudflare.lists(USERS, answer(results("approved", "approved", "blocked")))
        following = exporter()
        assert following.polled() == expected(users_approved=2, users_blocked=1, population=2)
        assert lines(following)[1:] == ["lists 3 users, but says that it covers 2"]

    def test_running_again(self, cloudflare: Cloudflare) -> None:
        """A test that runs again keeps its counts, and is counted again when it has finished."""
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
    def test_refusal_after_the_last_row(self, cloudflare: Cloudflare, status: int, total: str) -> None:
        """A refused page ends the list if the rows reach the total of the test or of the list."""
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
        """A refused page before the last row fails the poll."""
        cloudflare.says(TEST, progress(total=3))
        info = {"total_count": 0}
        cloudflare.status_beyond = status
        cloudflare.lists(USERS, answer(results("approved", "error"), result_info=info), beyond="{}")
        following = exporter()
        following.poll()
        assert following.failure().partition(": ")[0] in ("not_found", "permission", "invalid_response")
        assert "policy_test_users{" not in following.page()

    @pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (408, "timeout"), (502, "server")])
    def test_temporary_failure(self, cloudflare: Cloudflare, status: int, reason: str) -> None:
        """A temporary failure is not the end of the list."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.status_beyond = status
        cloudflare.lists(USERS, answer(results("approved")), beyond="{}")
        following = exporter()
        following.poll()
        assert following.failure().startswith(reason)


class TestStored:
    def test_state_of_an_older_version(self) -> None:
        """The exporter reads the state of an older version, and does not count a finished test again."""
        old = b'{"status":"complete","population":4.0,"processed_ratio":1.0,"users":{"approved":4},"finished":17.0}'
        summary = msgspec.json.decode(old, type=PolicyTestSummary)
        assert is_over(summary)
        assert list(differences(summary)) == []
