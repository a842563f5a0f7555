"""Device registrations in the simulator."""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from access_exporter.simulator import DEMO, Account, Simulator, demo
from access_exporter.simulator.account import Registration, Row
from tests.simulator.accounts import ACCOUNT, code, ids

PATH = f"/accounts/{ACCOUNT}/devices/registrations"
GONE = datetime(2026, 9, 1, tzinfo=UTC)


def account(*rows: Row) -> Account:
    """Return an account with these registrations."""
    known = Account(ACCOUNT)
    known.registrations = rows
    return known


def registrations(number: int) -> list[Registration]:
    """Return this number of registrations, numbered from 0."""
    return [Registration(str(index), {"id": "user"}, {"client_version": "1"}) for index in range(number)]


def test_cursor(http: requests.Session) -> None:
    """Each page except the last has a cursor for the next one, and no page has a total."""
    asked: dict[str, Any] = {"per_page": 2}
    pages: list[requests.Response] = []
    with Simulator([account(*registrations(5))]) as simulator:
        while not pages or asked["cursor"]:
            pages.append(http.get(simulator.url + PATH, params=asked))
            info = pages[-1].json()["result_info"]
            assert info["total_count"] is None
            asked["cursor"] = info["cursor"]
    assert list(map(ids, pages)) == [["0", "1"], ["2", "3"], ["4"]]
    assert pages[0].json()["result"][0] == {
        "id": "0",
        "user": {"id": "user"},
        "device": {"client_version": "1"},
        "registration_type": "warp",
    }


@pytest.mark.parametrize("query", [{"cursor": "planted"}, {"cursor": "page-0"}, {"status": "gone"}, {"per_page": "0"}])
def test_bad_parameters(http: requests.Session, query: dict[str, str]) -> None:
    """An invented cursor, an unknown status and a page size of 0 get status 400."""
    with Simulator([account(*registrations(1))]) as simulator:
        answer = http.get(simulator.url + PATH, params=query)
    assert (answer.status_code, code(answer)) == (400, 12130)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["1", "4"]),
        ({"status": "active"}, ["1", "4"]),
        ({"status": "revoked"}, ["2", "3"]),
        ({"status": "all"}, ["1", "2", "3", "4"]),
    ],
)
def test_status(http: requests.Session, query: dict[str, str], found: list[str]) -> None:
    """A registration that is neither revoked nor deleted is active; without a filter only active ones are listed."""
    rows: list[Row] = [
        Registration("1", {}, {}),
        Registration("2", {}, {}, revoked_at=GONE),
        Registration("3", {}, {}, deleted_at=GONE),
        {"id": "4", "revoked_at": None, "deleted_at": ""},
    ]
    with Simulator([account(*rows)]) as simulator:
        assert ids(http.get(simulator.url + PATH, params=query)) == found


def test_without_permission(http: requests.Session) -> None:
    """If a token may not list the registrations of an account, it gets status 403."""
    with Simulator([Account(ACCOUNT)]) as simulator:
        answer = http.get(simulator.url + PATH)
    assert (answer.status_code, code(answer)) == (403, 10000)


def test_demo() -> None:
    """In the demo most devices were seen recently, a few long ago, and all belong to users of the account."""
    now = 1_750_000_000.0
    with demo(clock=lambda: now) as simulator, requests.Session() as http:
        http.trust_env = False
        http.headers["Authorization"] = f"Bearer {DEMO.token}"
        url = f"{simulator.url}/accounts/{DEMO.account_id}"
        users = http.get(f"{url}/access/users", timeout=10).json()["result"]
        rows = http.get(f"{url}/devices/registrations?status=all", timeout=10).json()["result"]
    days = [(now - datetime.fromisoformat(row["last_seen_at"]).timestamp()) / 86400 for row in rows]
    assert sum(each < 7 for each in days) > len(days) * 0.8
    assert any(each > 90 for each in days)
    assert {row["user"]["id"] for row in rows} <= {user["id"] for user in users}
    assert len({row["id"] for row in rows}) == len(rows) > 40
    assert any("revoked_at" in row for row in rows)
