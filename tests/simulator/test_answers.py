"""The envelope of responses, and lists in pages."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
import requests

from access_exporter.simulator import Account, Simulator, User
from access_exporter.simulator.answers import (
    Paging,
    contradictory_totals,
    no_result_info,
    null_result_info,
    totals_too_large,
    totals_too_small,
)
from tests.simulator.accounts import ACCOUNT, USERS, account, ids


class TestUsers:
    def test_documented_example(self, http: requests.Session) -> None:
        """A user has the names and types of the documented example, and times in UTC without trailing zeros."""
        user = User(
            id="f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
            uid="uid",
            seat_uid="seat_uid",
            email="jdoe@example.com",
            name='Zoë "Z" \N{ROCKET}',
            access_seat=True,
            gateway_seat=False,
            active_device_count=2,
            created_at=datetime(2014, 1, 1, 5, 20, 0, 123450, UTC),
            updated_at=datetime(2014, 1, 1, 6, 20, tzinfo=timezone(timedelta(hours=1))),
            last_successful_login=datetime(2020, 7, 1, 5, 20, tzinfo=UTC),
        )
        with Simulator([Account(ACCOUNT, [user])]) as simulator:
            answer = http.get(simulator.url + USERS)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
        assert answer.json() == {
            "success": True,
            "errors": [],
            "messages": [],
            "result": [
                {
                    "id": "f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
                    "uid": "uid",
                    "seat_uid": "seat_uid",
                    "email": "jdoe@example.com",
                    "name": 'Zoë "Z" \N{ROCKET}',
                    "access_seat": True,
                    "gateway_seat": False,
                    "active_device_count": 2,
                    "created_at": "2014-01-01T05:20:00.12345Z",
                    "updated_at": "2014-01-01T05:20:00Z",
                    "last_successful_login": "2020-07-01T05:20:00Z",
                }
            ],
            "result_info": {"count": 1, "page": 1, "per_page": 1000, "total_count": 1, "total_pages": 1},
        }

    def test_unserialisable_row(self, http: requests.Session, capsys: pytest.CaptureFixture[str]) -> None:
        """An error in a test's own data is printed on stderr, so that it does not look like a network error."""
        with Simulator([Account(ACCOUNT, [{"id": object()}])]) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)
        assert "TypeError: a row cannot hold a object" in capsys.readouterr().err

    def test_pages(self, http: requests.Session) -> None:
        """The pages together hold each user once and in order, and the page after the last is empty."""
        with Simulator([account(7)]) as simulator:
            answers = [http.get(simulator.url + USERS, params={"page": page, "per_page": 3}) for page in (1, 2, 3, 4)]
        assert [ids(answer) for answer in answers] == [["0", "1", "2"], ["3", "4", "5"], ["6"], []]
        info = [answer.json()["result_info"] for answer in answers]
        assert [(each["count"], each["total_count"], each["total_pages"]) for each in info] == [
            (3, 7, 3),
            (3, 7, 3),
            (1, 7, 3),
            (0, 7, 3),
        ]

    def test_no_users(self, http: requests.Session) -> None:
        """An account without users has an empty first page and zero pages."""
        with Simulator([account()]) as simulator:
            body = http.get(simulator.url + USERS).json()
        assert body["result"] == []
        assert body["result_info"] == {"count": 0, "page": 1, "per_page": 1000, "total_count": 0, "total_pages": 0}


class TestPaging:
    @pytest.mark.parametrize(
        ("paging", "totals"),
        [
            (contradictory_totals, (1, 100)),
            (totals_too_small, (2, 3)),
            (totals_too_large, (11, 7)),
        ],
    )
    def test_wrong_totals(self, http: requests.Session, paging: Paging, totals: tuple[int, int]) -> None:
        """The totals can be wrong on each page, even after the last, while the rows are right."""
        with Simulator([account(5)], paging=paging) as simulator:
            answers = [http.get(simulator.url + USERS, params={"page": page, "per_page": 2}) for page in (1, 2, 3, 4)]
        assert [ids(answer) for answer in answers] == [["0", "1"], ["2", "3"], ["4"], []]
        infos = [answer.json()["result_info"] for answer in answers]
        assert {(info["total_count"], info["total_pages"]) for info in infos} == {totals}

    def test_no_result_info(self, http: requests.Session) -> None:
        """A page of users can lack result_info."""
        with Simulator([account(1)], paging=no_result_info) as simulator:
            assert "result_info" not in http.get(simulator.url + USERS).json()

    def test_null_result_info(self, http: requests.Session) -> None:
        """The result_info of a page can be null."""
        with Simulator([account(1)], paging=null_result_info) as simulator:
            assert http.get(simulator.url + USERS).json()["result_info"] is None

    @pytest.mark.parametrize("users", range(8))
    @pytest.mark.parametrize("repeat", [1, 2, 5])
    def test_repeats_at_borders(self, http: requests.Session, users: int, repeat: int) -> None:
        """Rows repeat where two pages meet, and the pages that result_info counts still hold every user."""
        with Simulator([account(users)], repeat_at_borders=repeat) as simulator:

            def page(number: int) -> requests.Response:
                return http.get(simulator.url + USERS, params={"page": number, "per_page": 3})

            info = page(1).json()["result_info"]
            pages = [ids(page(number)) for number in range(1, info["total_pages"] + 1)]
            assert ids(page(info["total_pages"] + 1)) == []
        overlap = min(repeat, 2)  # a page of three brings at least one new row
        for before, after in pairwise(pages):
            assert before[-overlap:] == after[:overlap]
            assert set(after) - set(before)
        assert {row for rows in pages for row in rows} == {str(number) for number in range(users)}
        assert sum(map(len, pages)) == info["total_count"]
