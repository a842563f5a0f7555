"""A followed policy test: responses about it, and the whole exposition. A poll takes no time."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.collectors.cloudflare import EMPTY, Cloudflare, answer, honest_pages, pages
from tests.collectors.following import (
    ABSENT,
    EXAMPLE,
    TEST,
    USERS,
    expected,
    exporter,
    health,
    progress,
    results,
    running,
)
from tests.collectors.starting import STATUSES as STATES
from tests.collectors.starting import moment


class TestFinished:
    @pytest.mark.parametrize("beyond", [EMPTY, EXAMPLE], ids=["empty page", "same page for ever"])
    def test_documented_example(self, cloudflare: Cloudflare, beyond: str) -> None:
        """The documented example gives one approved user, even if the server sends it for every page."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, EXAMPLE, beyond=beyond)
        assert exporter().polled() == expected(users_approved=1, population=1)

    def test_every_result(self, cloudflare: Cloudflare) -> None:
        """Users are counted by result, with unknown results apart; the counts of the test itself are ignored."""
        cloudflare.says(TEST, progress(total=12))
        words = ["approved"] * 4 + ["blocked"] * 3 + ["error"] * 2 + ["success", "Approved", 'a\n"b"', None, ""]
        cloudflare.lists(USERS, answer([*results(*words), {"id": "x", "status": None}]))
        assert exporter().polled() == expected(
            users_approved=4, users_blocked=3, users_error=2, users_unknown=6, population=12
        )

    @pytest.mark.parametrize("size", [1, 7, 25, 1000, 2500])
    @pytest.mark.parametrize("honest", [True, False])
    def test_pages(self, cloudflare: Cloudflare, size: int, honest: bool) -> None:
        """The exporter counts the rows of all pages, for any page size, with and without totals."""
        rows = results(*["approved", "blocked"] * 30)
        cloudflare.says(TEST, progress(total=60))
        cloudflare.lists(USERS, *(honest_pages(rows, size) if honest else pages(rows, size)))
        assert exporter().polled() == expected(users_approved=30, users_blocked=30, population=60)

    def test_requests(self, cloudflare: Cloudflare) -> None:
        """The exporter requests all rows, 1,000 a page, without a filter, because filter and rows use other words."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer(results("approved")))
        exporter().poll()
        assert cloudflare.asked == [
            (TEST, {}),
            (USERS, {"page": "1", "per_page": "1000"}),
            (USERS, {"page": "2", "per_page": "1000"}),
            (USERS, {"page": "3", "per_page": "1000"}),  # because the test has more users than the rows so far
        ]

    def test_repeated_rows(self, cloudflare: Cloudflare) -> None:
        """Each user is counted once, with the first listed result."""
        rows = results("approved", "blocked", "error", "approved")
        changed = rows[1] | {"status": "approved"}
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer(rows[:3]), answer([*rows[2:], changed]), answer([rows[3]]))
        assert exporter().polled() == expected(users_approved=2, users_blocked=1, users_error=1)

    def test_rows_without_id(self, cloudflare: Cloudflare) -> None:
        """Each row without an id counts as one user."""
        empty: Sequence[dict[str, Any]] = [{}, {"id": None}, {"id": ""}]
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, answer([row | {"status": "approved"} for row in empty]), answer([{}]))
        assert exporter().polled() == expected(users_approved=3, users_unknown=1)

    def test_counted_once(self, cloudflare: Cloudflare) -> None:
        """The exporter reads the rows of a finished test only once, and its finish time stays."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "blocked", "blocked", "error")))
        following = exporter()
        first = following.polled()
        following.clock.now += 300
        assert first == expected(users_approved=1, users_blocked=2, users_error=1)
        assert following.polled() == expected(
            users_approved=1, users_blocked=2, users_error=1, last_success="1.7900003e+09"
        )
        assert [path for path, _ in cloudflare.asked] == [TEST, USERS, TEST]

    @pytest.mark.parametrize("total", [0, None])
    def test_no_users(self, cloudflare: Cloudflare, total: int | None) -> None:
        """A finished test without users has zeros; if it has no total_users, only after an hour without rows."""
        cloudflare.says(TEST, answer({"status": "complete", "total_users": total}))
        cloudflare.lists(USERS)
        following = exporter()
        if total is None:
            assert following.polled() == expected(**(ABSENT | dict.fromkeys(STATES, 0) | {"is_complete": 1}))
            following.clock.now += 3600
        last = moment(0 if total == 0 else 3600)
        assert following.polled() == expected(population=total, ratio=None, last_success=last)

    def test_no_rows(self, cloudflare: Cloudflare) -> None:
        """A finished test with users but without rows is an error, until the rows are listed."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS)
        following = exporter()
        assert following.polled() == health(success=0, last_success=None, errors_invalid_response=1)
        assert following.failure() == "invalid_response: the finished test of 4 users has no rows"
        cloudflare.lists(USERS, *honest_pages(results("blocked", "blocked", "blocked", "blocked")))
        assert following.polled() == expected(users_blocked=4, errors_invalid_response=1)

    def test_late_rows(self, cloudflare: Cloudflare) -> None:
        """The counts of a finished test are shown when all its users are listed."""
        following = exporter()
        cloudflare.says(TEST, progress())
        for listed in (1, 3):
            cloudflare.lists(USERS, *honest_pages(results(*["approved"] * listed)))
            assert following.polled() == running(is_complete=1)
        cloudflare.lists(USERS, *honest_pages(results(*["approved"] * 4)))
        following.clock.now += 300
        assert following.polled() == expected(users_approved=4, last_success="1.7900003e+09")
        cloudflare.asked.clear()
        following.poll()
        assert [path for path, _ in cloudflare.asked] == [TEST]


class TestRunning:
    @pytest.mark.parametrize("status", ["blocked", "processing", "exceeded time"])
    def test_not_finished(self, cloudflare: Cloudflare, status: str) -> None:
        """A running test shows its progress, but no counts, and its rows are not requested."""
        cloudflare.says(TEST, progress(status, total=1200, percent=57))
        present = {f"is_{status.replace(' ', '_')}": 1}
        assert exporter().polled() == running(**present, population=1200, ratio=0.57)
        assert len(cloudflare.asked) == 1

    def test_progress(self, cloudflare: Cloudflare) -> None:
        """A test shows its progress while it runs, and its counts when it has finished."""
        following = exporter()
        cloudflare.says(TEST, progress("processing", percent=0))
        assert following.polled() == running(is_processing=1, ratio=0)
        cloudflare.says(TEST, progress("processing", percent=99.5))
        assert following.polled() == running(is_processing=1, ratio=0.995)
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "approved", "blocked", "error")))
        following.clock.now += 90
        assert following.polled() == expected(
            users_approved=2, users_blocked=1, users_error=1, finished="1.79000009e+09", last_success="1.79000009e+09"
        )

    def test_running_again(self, cloudflare: Cloudflare) -> None:
        """While a test runs again, the counts of the last finished test stay."""
        cloudflare.says(TEST, progress())
        cloudflare.lists(USERS, *honest_pages(results("approved", "approved", "blocked", "error")))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, progress("processing", total=5, percent=20))
        assert following.polled() == expected(
            users_approved=2,
            users_blocked=1,
            users_error=1,
            population=5,
            is_complete=0,
            is_processing=1,
            ratio=0.2,
        )

    def test_failure(self, cloudflare: Cloudflare) -> None:
        """A failed poll removes no numbers."""
        cloudflare.says(TEST, progress(total=1))
        cloudflare.lists(USERS, *honest_pages(results("approved")))
        following = exporter()
        following.poll()
        cloudflare.says(TEST, "{}", status=404)
        assert following.polled() == expected(users_approved=1, population=1, success=0, errors_not_found=1)
