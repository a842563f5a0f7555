"""Lists of users that contradict themselves: which numbers are shown over several polls, and which errors."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from access_exporter.collectors.users_summary import UsersSummary
from tests.collectors.cloudflare import EMPTY, Body, Cloudflare, Row, answer, honest_pages
from tests.collectors.people import expected_holders, health, holders
from tests.exporter import Exporter

NULL = answer(None)
CONTRADICTS = 'msg="total_count differs from the number of rows listed"'


def stating(rows: Sequence[Row], total: int | None, size: int = 1000, **more: object) -> list[Body]:
    """Return the pages of a list that state this total_count, even if it is wrong."""
    totals = {} if total is None else {"per_page": size, "total_count": total, "total_pages": -(-total // size)}
    starts = range(0, max(len(rows), 1), size)
    return [
        answer(rows[start : start + size], result_info={"page": number, **totals, **more})
        for number, start in enumerate(starts, start=1)
    ]


class Account:
    """Polls one account several times."""

    def __init__(self, cloudflare: Cloudflare, log: Callable[[], list[str]]) -> None:
        self._cloudflare = cloudflare
        self._exporter = Exporter()
        self._log = log

    def poll(self, bodies: Sequence[Body], beyond: Body = EMPTY) -> str:
        """Return the exposition after a poll of these pages, five minutes after the last poll."""
        self._cloudflare.asked.clear()
        self._cloudflare.lists("users", *bodies, beyond=beyond)
        self._exporter.clock.now += 300
        return self._exporter.polled()

    def shows(self, bodies: Sequence[Body], users: int, announced: int | None, beyond: Body = EMPTY) -> None:
        """Poll these pages with success, and check the number of users and the total_count."""
        page = self.poll(bodies, beyond)
        assert self.failure == ""
        shown = [line for line in page.splitlines() if "cloudflare_access_users{" in line or "announced{" in line]
        wanted = expected_holders(users, announced).splitlines()
        assert shown == [line for line in wanted if "cloudflare_access_users{" in line or "announced{" in line]

    def fails(self, bodies: Sequence[Body], words: str, beyond: Body = EMPTY) -> None:
        """Poll these pages, and check that the poll fails and the numbers stay."""
        before = self.numbers(self._exporter.page())
        assert self.numbers(self.poll(bodies, beyond)) == before
        assert words in self.failure

    @staticmethod
    def numbers(page: str) -> list[str]:
        return [line for line in page.splitlines() if "_poll_" not in line]

    @property
    def failure(self) -> str:
        return self._exporter.failure()

    def status(self) -> list[str]:
        """Return the lines about the list on the status page."""
        return self._exporter.status()

    def warnings(self) -> list[str]:
        """Return the new warnings, except those about failed polls."""
        return [line for line in self._log() if "level=warn" in line and "poll failed" not in line]


@pytest.fixture
def account(cloudflare: Cloudflare, log: Callable[[], list[str]]) -> Account:
    return Account(cloudflare, log)


class TestRowsBeatTotals:
    @pytest.mark.parametrize(("users", "total"), [(12_000, 10_000), (5000, 2000), (2001, 2000), (1001, 1000)])
    @pytest.mark.parametrize("beyond", [EMPTY, NULL])
    def test_totals_that_are_too_low(self, account: Account, users: int, total: int, beyond: Body) -> None:
        """A total_count that is too low does not end the list, neither at the first poll nor later."""
        account.shows(stating(holders(users), total), users, total, beyond)
        account.shows(honest_pages(holders(total)), total, total)
        account.shows(stating(holders(users), total), users, total, beyond)

    def test_rows_that_were_fetched_ahead(self, account: Account, cloudflare: Cloudflare) -> None:
        """Pages that were fetched ahead count, even if the new totals say that they do not exist."""
        rows = holders(5000)
        account.shows(honest_pages(rows), 5000, 5000)
        short = [answer(rows[start : start + 700]) for start in range(0, 4900, 700)]
        low = [answer(rows[:700], result_info={"per_page": 1000, "total_count": 700, "total_pages": 1})]
        account.shows(low + short[1:], 4900, 700)

    @pytest.mark.parametrize(("users", "requests"), [(999, 1), (1000, 2), (2000, 3), (2345, 3), (9999, 10)])
    def test_requests(self, account: Account, cloudflare: Cloudflare, users: int, requests: int) -> None:
        """A list with correct totals takes one request a page, and one more if the last page is full."""
        for _ in range(3):
            account.shows(honest_pages(holders(users)), users, users)
            assert sorted(cloudflare.pages_asked()) == list(range(1, requests + 1))


class TestMissingRows:
    def test_first_poll(self, account: Account) -> None:
        """At the first poll, the rows count even if total_count differs, and one warning is logged."""
        account.shows(stating(holders(1000), 2345), 1000, 2345)
        (warning,) = account.warnings()
        assert CONTRADICTS in warning
        assert "listed=1000 announced=2345" in warning
        account.shows(stating(holders(1000), 2345), 1000, 2345)
        assert account.warnings() == []

    @pytest.mark.parametrize(("listed", "total"), [(2344, 2345), (1000, 2345), (1, 2345)])
    def test_rows_missing_later(self, account: Account, listed: int, total: int) -> None:
        """Missing rows fail one poll; the second poll accepts the list and logs one warning."""
        account.shows(honest_pages(holders(2345)), 2345, 2345)
        for _ in range(2):
            account.fails(stating(holders(listed), total), f"{listed} rows but total_count says {total}")
            account.shows(stating(holders(listed), total), listed, total)
            assert len(account.warnings()) == 1
            for _ in range(2):
                account.shows(stating(holders(listed), total), listed, total)
            assert account.warnings() == []
            account.shows(honest_pages(holders(2345)), 2345, 2345)

    def test_a_list_that_grows(self, account: Account) -> None:
        """A list that always misses one row fails only one poll, even if its length changes."""
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        account.fails(stating(holders(2501), 2502), "2501 rows but total_count says 2502")
        for users in (2503, 2499, 2600, 1999, 3001):
            account.shows(stating(holders(users), users + 1), users, users + 1)
        assert len(account.warnings()) == 1

    def test_another_contradiction(self, account: Account) -> None:
        """A poll fails while the number of missing rows changes, and again when more rows are missing than accepted."""
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        for listed in (1000, 1500, 2000):
            account.fails(stating(holders(listed), 2500), f"{listed} rows but total_count says 2500")
        account.shows(stating(holders(2000), 2500), 2000, 2500)
        account.fails(stating(holders(1000), 2500), "1000 rows but total_count says 2500")
        account.shows(stating(holders(2010), 2500), 2010, 2500)

    def test_null_pages(self, account: Account) -> None:
        """The result null instead of rows fails one poll, even the first one."""
        account.fails(stating(holders(1000), 2345), "page 2 has no result", beyond=NULL)
        for _ in range(3):
            account.shows(stating(holders(1000), 2345), 1000, 2345, beyond=NULL)

    @pytest.mark.parametrize("empty", [EMPTY, NULL])
    def test_an_empty_page_in_the_middle(self, account: Account, empty: Body) -> None:
        """An empty page before other pages fails one poll; then the rows of the other pages count."""
        first, _, last = honest_pages(holders(2500))
        bodies = [first, empty, last]
        account.fails(bodies, "page 2 has no")
        for _ in range(3):
            account.shows(bodies, 1500, 2500)
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        account.fails(bodies, "page 2 has no")

    @pytest.mark.parametrize(
        ("total", "more"), [(None, {}), (1, {"total_pages": 100}), (1000, {"per_page": 0}), (1000, {"total_pages": 0})]
    )
    def test_totals_missing(self, account: Account, total: int | None, more: dict[str, Any]) -> None:
        """A shorter list without its former totals fails one poll; a list that is not shorter is accepted."""
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        account.fails(
            stating(holders(1000), total, **more), "1000 rows and no total_count; the last poll got 2500 rows"
        )
        account.shows(stating(holders(1000), total, **more), 1000, total)
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        account.shows(stating(holders(2500), None), 2500, None)
        account.shows(stating(holders(1000), None), 1000, None)

    def test_empty_list(self, account: Account) -> None:
        """An empty list is accepted at once with a total_count of 0, and otherwise at the second poll."""
        account.shows(honest_pages(holders(5)), 5, 5)
        account.fails([EMPTY], "0 rows and no total_count")
        account.shows([EMPTY], 0, None)
        account.shows(honest_pages(holders(5)), 5, 5)
        account.shows(honest_pages([]), 0, 0)

    def test_status_page(self, account: Account) -> None:
        """While total_count differs from the listed rows, the status page shows both numbers."""
        account.shows(stating(holders(1000), 2345), 1000, 2345)
        assert account.status() == ["1,000 rows listed, but Cloudflare announces 2,345"]
        account.shows(honest_pages(holders(1000)), 1000, 1000)
        assert account.status() == []


class TestNoRows:
    @pytest.mark.parametrize(
        "info",
        [
            {"per_page": 1000, "total_count": 5, "total_pages": 1},
            {"per_page": 1000, "total_count": 5, "total_pages": 100},
            {"per_page": 1000, "total_count": 5, "total_pages": 0},
            {"per_page": 1000, "total_count": 0, "total_pages": 100},
            {"per_page": 1000, "total_count": 0, "total_pages": 0, "count": 5},
            {"per_page": 1000, "total_count": 5},
            {"per_page": 1000, "total_pages": 1},
            {"per_page": 0, "total_count": 5, "total_pages": 1},
            {"per_page": 1000, "total_count": "5", "total_pages": "1"},
            {"per_page": 1000, "total_count": 5.5},
            {"per_page": 1000, "total_count": 10**30},
            {"total_count": 1},
        ],
    )
    @pytest.mark.parametrize("result", [[], None])
    def test_empty_page_with_totals(self, account: Account, info: dict[str, Any], result: object) -> None:
        """An empty first page is always an error if its result_info indicates that there are rows."""
        for _ in range(3):
            assert account.poll([answer(result, result_info=info)]).startswith(health(success=0)[:50])
            assert "the list has no rows" in account.failure

    @pytest.mark.parametrize("pages", [0, 1])
    @pytest.mark.parametrize("result", [[], None])
    def test_an_account_without_users(self, account: Account, pages: int, result: object) -> None:
        """A total_count of 0 means an empty list, even with the result null or with one empty page."""
        info = {"page": 1, "per_page": 1000, "count": 0, "total_count": 0, "total_pages": pages}
        account.shows([answer(result, result_info=info)], 0, 0)

    def test_null_without_totals(self, account: Account) -> None:
        """The result null as the first page is an error if there are no totals."""
        for _ in range(3):
            account.poll([NULL])
            assert "page 1 has no result" in account.failure

    @pytest.mark.parametrize("body", ['{"result": null}', '{"success": null, "result": null}', '{"success": true}'])
    def test_null_without_success(self, account: Account, body: str) -> None:
        """The result null is an empty page only with `success: true`."""
        account.fails(stating(holders(1000), 1000), "has no result", beyond=body)

    @pytest.mark.parametrize("users", [1000, 3000])
    @pytest.mark.parametrize("stated", [True, False])
    def test_null_after_the_last_page(self, account: Account, users: int, stated: bool) -> None:
        """The result null after the last page ends the list, with or without totals."""
        total = users if stated else None
        for _ in range(2):
            account.shows(stating(holders(users), total), users, total, beyond=NULL)

    @pytest.mark.parametrize("status", [400, 404, 416, 422])
    def test_a_refusal_after_the_last_page(self, cloudflare: Cloudflare, status: int) -> None:
        """A refused page ends the list if the rows reach total_count, and otherwise fails the poll."""
        cloudflare.lists("users", *honest_pages(holders(2000)), beyond="{}", beyond_status=status)
        exporter = Exporter()
        assert exporter.polled() == expected_holders(2000, 2000)
        cloudflare.lists("users", *honest_pages(holders(2500))[:2], beyond="{}", beyond_status=status)
        exporter.poll()
        assert f"{status} from /access/users" in exporter.failure()

    @pytest.mark.parametrize("status", [401, 403, 500])
    def test_another_refusal(self, cloudflare: Cloudflare, status: int) -> None:
        """A refused credential or a server error never ends a list."""
        cloudflare.lists("users", *honest_pages(holders(2000)), beyond="{}", beyond_status=status)
        exporter = Exporter()
        exporter.poll()
        assert f"{status} from /access/users" in exporter.failure()


class TestPageNumbers:
    @pytest.mark.parametrize("numbers", [(0, 1, 2), (1, 1, 1), (0, 0, 0), (0, None, 2), ("1", True, [])])
    def test_unusual_page_numbers(self, account: Account, numbers: Sequence[object]) -> None:
        """Page numbers that start at 0, never change or are missing do not fail a poll."""
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        bodies = [stating(holders(2500), 2500, page=page)[number] for number, page in enumerate(numbers)]
        for _ in range(2):
            account.shows(bodies, 2500, 2500)

    def test_wrong_page_number(self, account: Account) -> None:
        """A page with a wrong number fails one poll; if the number stays the same, the next poll accepts it."""
        bodies = [stating(holders(2500), 2500, page=page)[number] for number, page in enumerate((1, 7, 3))]
        account.shows(bodies, 2500, 2500)
        account.shows(honest_pages(holders(2500)), 2500, 2500)
        account.fails(bodies, "requested page 2, got page 7")
        for _ in range(3):
            account.shows(bodies, 2500, 2500)


def test_a_stored_summary_of_an_older_version(cloudflare: Cloudflare) -> None:
    """The exporter can read a summary that an older version stored."""
    fields = msgspec.to_builtins(UsersSummary({}, {}, 0, 0, {}, {}, None))
    del fields["found"]
    assert msgspec.convert(fields, UsersSummary).found.rows == 0
