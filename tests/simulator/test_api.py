import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from access_exporter.simulator import Account, Handler, PolicyTest, PolicyTestUser, Request, Response, Simulator, User
from access_exporter.simulator.account import TOKEN, Life, Row
from access_exporter.simulator.answers import (
    Paging,
    contradictory_totals,
    error,
    no_result_info,
    null_result_info,
    totals_too_large,
    totals_too_small,
)
from access_exporter.simulator.server import Fault

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
OTHER_ACCOUNT = "5" * 32
TEST = "f1a8" * 16
BEARER = {"Authorization": f"Bearer {TOKEN}"}
KEY = {"X-Auth-Email": "admin@example.com", "X-Auth-Key": "0123abcd"}
USERS = "/accounts/" + ACCOUNT + "/access/users"
POLICY_TEST = "/accounts/" + ACCOUNT + "/access/policy-tests/" + TEST


@pytest.fixture
def http() -> Iterator[requests.Session]:
    """A client with the right token."""
    with requests.Session() as session:
        session.trust_env = False  # no proxy between the test and the loopback interface
        session.headers.update(BEARER)
        yield session


def account(users: int = 0, **options: Any) -> Account:
    """The account with so many users, numbered from 0."""
    return Account(ACCOUNT, [User(str(number)) for number in range(users)], **options)


def policy_test(users: int, **options: Any) -> PolicyTest:
    """The policy test of so many users, numbered from 0, all approved."""
    return PolicyTest(TEST, results=[PolicyTestUser(str(number)) for number in range(users)], **options)


def ids(answer: requests.Response) -> list[str]:
    """The ids of the rows of a good answer."""
    return [row["id"] for row in answer.json()["result"]]


def code(answer: requests.Response) -> int:
    """The error code of a failure, after a look at the envelope around it."""
    body = answer.json()
    assert (body["success"], body["messages"], body["result"]) == (False, [], None)
    number: int = body["errors"][0]["code"]
    return number


class TestUsers:
    def test_documented_example(self, http: requests.Session) -> None:
        """A user comes as the example of the API page: names, types, and times in UTC without trailing zeros."""
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

    def test_odd_rows(self, http: requests.Session) -> None:
        """A field that is None is left out, and a mapping is sent as it is."""
        odd = {"id": "", "access_seat": None, "active_device_count": 1.5, "created_at": "soon"}
        with Simulator([Account(ACCOUNT, [User("1", access_seat=None), odd])]) as simulator:
            rows = http.get(simulator.url + USERS).json()["result"]
        assert rows == [{"id": "1", "gateway_seat": False, "active_device_count": 0}, odd]

    def test_unserialisable_row(self, http: requests.Session, capsys: pytest.CaptureFixture[str]) -> None:
        """A mistake in a test's own data is shown on stderr instead of passing for a network fault."""
        with Simulator([Account(ACCOUNT, [{"id": object()}])]) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)
        assert "TypeError: a row cannot hold a object" in capsys.readouterr().err

    def test_default_page_size(self, http: requests.Session) -> None:
        """A page has 1000 users unless another size is asked for."""
        with Simulator([account(1001)]) as simulator:
            answers = [http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2)]
        assert [len(ids(answer)) for answer in answers] == [1000, 1]

    def test_walk(self, http: requests.Session) -> None:
        """The pages together hold every user once, in order, and the page past the end is empty."""
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
        """An account without users answers an empty first page of none."""
        with Simulator([account()]) as simulator:
            body = http.get(simulator.url + USERS).json()
        assert body["result"] == []
        assert body["result_info"] == {"count": 0, "page": 1, "per_page": 1000, "total_count": 0, "total_pages": 0}

    def test_clamped_page_size(self, http: requests.Session) -> None:
        """A page size above the maximum is cut down to it, and the answer says so."""
        with Simulator([account(5)], max_per_page=2) as simulator:
            answer = http.get(simulator.url + USERS, params={"page": 3, "per_page": 5000})
        assert ids(answer) == ["4"]
        assert answer.json()["result_info"]["per_page"] == 2

    @pytest.mark.parametrize("value", ["0", "-1", "1.5", "one", "", "²", "9" * 30])
    @pytest.mark.parametrize("name", ["page", "per_page"])
    def test_bad_page(self, http: requests.Session, name: str, value: str) -> None:
        """A page or page size that is not a positive whole number is a bad request."""
        with Simulator([account(1)]) as simulator:
            answer = http.get(simulator.url + USERS, params={name: value})
        assert (answer.status_code, code(answer)) == (400, 12130)

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"email": "a@example.com"}, ["1"]),
            ({"name": "User 2"}, ["2"]),
            ({"name": "User"}, []),
            ({"search": "example.com"}, ["1", "2"]),
            ({"search": "User 1"}, ["1"]),
            ({"search": ""}, ["1", "2"]),
        ],
    )
    def test_filters(self, http: requests.Session, query: dict[str, str], found: list[str]) -> None:
        """Email and name find users exactly, a search finds a part of either."""
        users = [User("1", email="a@example.com", name="User 1"), User("2", email="b@example.com", name="User 2")]
        with Simulator([Account(ACCOUNT, users)]) as simulator:
            assert ids(http.get(simulator.url + USERS, params=query)) == found

    def test_replaced_users(self, http: requests.Session) -> None:
        """Users that are replaced while the simulator runs are seen by the next request."""
        with Simulator([account(1)]) as simulator:
            assert ids(http.get(simulator.url + USERS)) == ["0"]
            simulator.accounts[ACCOUNT].users = [User("new")]
            assert ids(http.get(simulator.url + USERS)) == ["new"]


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
        """Totals can be wrong on each page, past the end too, while the rows stay right."""
        with Simulator([account(5)], paging=paging) as simulator:
            answers = [http.get(simulator.url + USERS, params={"page": page, "per_page": 2}) for page in (1, 2, 3, 4)]
        assert [ids(answer) for answer in answers] == [["0", "1"], ["2", "3"], ["4"], []]
        infos = [answer.json()["result_info"] for answer in answers]
        assert {(info["total_count"], info["total_pages"]) for info in infos} == {totals}

    def test_no_result_info(self, http: requests.Session) -> None:
        """result_info can be left out of the users page."""
        with Simulator([account(1)], paging=no_result_info) as simulator:
            assert "result_info" not in http.get(simulator.url + USERS).json()

    def test_null_result_info(self, http: requests.Session) -> None:
        """result_info can be null."""
        with Simulator([account(1)], paging=null_result_info) as simulator:
            assert http.get(simulator.url + USERS).json()["result_info"] is None

    @pytest.mark.parametrize("users", range(8))
    @pytest.mark.parametrize("repeat", [1, 2, 5])
    def test_repeats_at_borders(self, http: requests.Session, users: int, repeat: int) -> None:
        """Rows repeat where two pages meet, and the pages that result_info tells of still hold every user."""
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


class TestPolicyTests:
    def test_summary(self, http: requests.Session) -> None:
        """A summary counts the processed users and gives whole percents of them."""
        statuses = ["approved", "blocked", "error", "approved", "approved", "blocked", "approved"]
        rows = [PolicyTestUser(str(number), status=status) for number, status in enumerate(statuses)]
        test = PolicyTest(TEST, "processing", rows, processed=3)
        with Simulator([account(policy_tests=[test])]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST)
        assert answer.json() == {
            "success": True,
            "errors": [],
            "messages": [],
            "result": {
                "id": TEST,
                "status": "processing",
                "total_users": 7,
                "percent_users_processed": 42,
                "users_approved": 1,
                "users_blocked": 1,
                "users_errored": 1,
                "percent_approved": 33,
                "percent_blocked": 33,
                "percent_errored": 33,
            },
        }

    @pytest.mark.parametrize("users", [0, 5])
    def test_summary_of_nobody(self, http: requests.Session, users: int) -> None:
        """A test that has processed nobody is at zero percent of everything."""
        with Simulator([account(policy_tests=[policy_test(users, processed=0)])]) as simulator:
            result = http.get(simulator.url + POLICY_TEST).json()["result"]
        assert result["total_users"] == users
        assert [value for name, value in result.items() if name.startswith("percent")] == [0, 0, 0, 0]

    def test_users(self, http: requests.Session) -> None:
        """The users of a test come 25 to a page, without result_info."""
        with Simulator([account(policy_tests=[policy_test(26)])]) as simulator:
            answers = [http.get(simulator.url + POLICY_TEST + "/users", params={"page": page}) for page in (1, 2, 3)]
        assert [len(ids(answer)) for answer in answers] == [25, 1, 0]
        assert all(set(answer.json()) == {"success", "errors", "messages", "result"} for answer in answers)
        assert answers[1].json()["result"] == [{"id": "25", "status": "approved"}]

    def test_users_of_a_running_test(self, http: requests.Session) -> None:
        """Only the users that are processed are listed, and progress is seen by the next request."""
        with Simulator([account(policy_tests=[policy_test(5, processed=1)])]) as simulator:
            assert ids(http.get(simulator.url + POLICY_TEST + "/users")) == ["0"]
            simulator.accounts[ACCOUNT].policy_tests[TEST] = policy_test(5, processed=2)
            assert ids(http.get(simulator.url + POLICY_TEST + "/users")) == ["0", "1"]

    @pytest.mark.parametrize(("word", "found"), [("success", ["0"]), ("fail", ["1"]), ("error", ["2"])])
    def test_status_filter(self, http: requests.Session, word: str, found: list[str]) -> None:
        """The status filter has other words than the rows, as the API page says."""
        rows: list[Row] = [
            PolicyTestUser("0"),
            PolicyTestUser("1", status="blocked"),
            {"id": "2", "status": "error"},
            {"id": "3"},
        ]
        with Simulator([account(policy_tests=[PolicyTest(TEST, results=rows)])]) as simulator:
            assert ids(http.get(simulator.url + POLICY_TEST + "/users", params={"status": word})) == found

    def test_bad_status_filter(self, http: requests.Session) -> None:
        """A status filter in the words of the rows is a bad request."""
        with Simulator([account(policy_tests=[policy_test(1)])]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST + "/users", params={"status": "approved"})
        assert (answer.status_code, code(answer)) == (400, 12130)

    @pytest.mark.parametrize("path", ["", "/users"])
    def test_unknown(self, http: requests.Session, path: str) -> None:
        """A policy test that does not exist is not found."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST + path)
        assert (answer.status_code, code(answer)) == (404, 12130)

    def test_start(self, http: requests.Session) -> None:
        """A test is started by the ids of its policies, takes its time, and ends as it was told to."""
        now = 1000.0
        known = account()
        known.lives["one", "two"] = lambda: Life(policy_test(4).results, seconds=60)
        with Simulator([known], clock=lambda: now) as simulator:
            tests = f"{simulator.url}/accounts/{ACCOUNT}/access/policy-tests"
            started = [http.post(tests, json={"policies": ["one", "two"]}).json()["result"] for _ in range(2)]
            assert [test["status"] for test in started] == ["success", "success"]
            assert started[0]["id"] != started[1]["id"]
            seen = []
            for now in (1000.0, 1030.0, 1060.0, 2000.0):  # noqa: B007 – the simulator reads it
                test = http.get(f"{tests}/{started[0]['id']}").json()["result"]
                rows = http.get(f"{tests}/{started[0]['id']}/users").json()["result"]
                seen.append((test["status"], test["percent_users_processed"], len(rows)))
        assert seen == [("processing", 0, 0), ("processing", 50, 2), ("complete", 100, 4), ("complete", 100, 4)]

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"policies": []}', b'{"policies": [1]}', b'{"policies": ["x"]}']
    )
    def test_start_refused(self, http: requests.Session, body: bytes) -> None:
        """What is no list of policies that exist is a bad request, and the connection survives it."""
        with Simulator([account()]) as simulator:
            answer = http.post(f"{simulator.url}/accounts/{ACCOUNT}/access/policy-tests", data=body)
            http.get(simulator.url + USERS)
        assert (answer.status_code, code(answer)) == (400, 12130)
        assert [arrival.body for arrival in simulator.arrivals] == [body, b""]
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_start_without_permission(self, http: requests.Session) -> None:
        """A token that may only read is refused as a bad one is."""
        known = account()
        known.may_start_tests = False
        with Simulator([known]) as simulator:
            tests = f"{simulator.url}/accounts/{ACCOUNT}/access/policy-tests"
            answer = http.post(tests, json={"policies": ["one"]})
            assert (answer.status_code, code(answer)) == (403, 10000)
            assert http.get(tests).headers["Allow"] == "POST"


class TestAccess:
    @pytest.mark.parametrize(
        ("headers", "status", "number"),
        [
            ({}, 401, 10000),
            ({"Authorization": "Bearer wrong"}, 403, 9109),
            ({"Authorization": f"Basic {TOKEN}"}, 400, 6003),
            ({"Authorization": "Bearer two words"}, 400, 6003),
            ({"Authorization": "Bearer"}, 400, 6003),
            (KEY | {"X-Auth-Key": "wrong"}, 403, 9109),
            (KEY | {"X-Auth-Email": "other@example.com"}, 403, 9109),
            (KEY | {"X-Auth-Email": "nobody"}, 400, 6003),
            (KEY | {"X-Auth-Key": "two words"}, 400, 6003),
            ({"X-Auth-Email": KEY["X-Auth-Email"]}, 400, 6003),
            ({"X-Auth-Key": KEY["X-Auth-Key"]}, 400, 6003),
        ],
    )
    def test_refused(self, http: requests.Session, headers: dict[str, str], status: int, number: int) -> None:
        """Credentials that are missing, wrong or malformed are told apart as Cloudflare does."""
        http.headers.pop("Authorization")
        closed = account(email=KEY["X-Auth-Email"], key=KEY["X-Auth-Key"])
        with Simulator([closed]) as simulator:
            answer = http.get(simulator.url + USERS, headers=headers)
        assert (answer.status_code, code(answer)) == (status, number)

    def test_malformed_token_is_explained(self, http: requests.Session) -> None:
        """A malformed token comes with the chain of errors that tells which header it is."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + USERS, headers={"Authorization": "Bearer"})
        assert answer.json()["errors"][0]["error_chain"] == [
            {"code": 6111, "message": "Invalid format for Authorization header"}
        ]

    def test_email_and_key(self, http: requests.Session) -> None:
        """An email with its global key opens an account."""
        http.headers.pop("Authorization")
        with Simulator([account(token=None, email=KEY["X-Auth-Email"], key=KEY["X-Auth-Key"])]) as simulator:
            assert http.get(simulator.url + USERS, headers=KEY).status_code == 200

    def test_rotated_token(self, http: requests.Session) -> None:
        """A token that is replaced is refused from then on, and the new one accepted."""
        with Simulator([account()]) as simulator:
            simulator.accounts[ACCOUNT].token = "new"
            assert http.get(simulator.url + USERS).status_code == 403
            assert http.get(simulator.url + USERS, headers={"Authorization": "Bearer new"}).status_code == 200

    def test_token_for_all(self, http: requests.Session) -> None:
        """The simulator's own token opens every account."""
        accounts = [account(token="one"), Account(OTHER_ACCOUNT, token="two")]
        with Simulator(accounts, token=TOKEN) as simulator:
            paths = [f"/accounts/{each.id}/access/users" for each in accounts]
            assert [http.get(simulator.url + path).status_code for path in paths] == [200, 200]

    @pytest.mark.parametrize("token", ["one", None])
    def test_other_account(self, http: requests.Session, token: str | None) -> None:
        """An account the token does not open, and one that does not exist, look the same."""
        accounts = [account()] if token is None else [account(), Account(OTHER_ACCOUNT, token=token)]
        with Simulator(accounts) as simulator:
            answer = http.get(f"{simulator.url}/accounts/{OTHER_ACCOUNT}/access/users")
        assert (answer.status_code, code(answer)) == (403, 10000)

    @pytest.mark.parametrize("path", ["/accounts/wrong/access/users", "/accounts", f"/accounts/{ACCOUNT}/access/seats"])
    def test_no_route(self, http: requests.Session, path: str) -> None:
        """A path that leads nowhere, or to something that is no account id, has no route."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + path)
        assert (answer.status_code, code(answer)) == (404, 7003)

    @pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_wrong_method(self, http: requests.Session, method: str) -> None:
        """Users are only read, and a refused method leaves the connection in order."""
        with Simulator([account()]) as simulator:
            answer = http.request(method, simulator.url + USERS)
            http.get(simulator.url + USERS)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
        assert bool(answer.content) is (method != "HEAD")
        assert len({arrival.client for arrival in simulator.arrivals}) == 1


class TestHeaders:
    def test_quota(self, http: requests.Session) -> None:
        """Each answer tells what is left of the five minutes, counted for each secret on its own."""
        now = 1000.0

        def remaining(token: str) -> str:
            return http.get(simulator.url + USERS, headers={"Authorization": f"Bearer {token}"}).headers["Ratelimit"]

        with Simulator([account()], clock=lambda: now) as simulator:
            assert remaining(TOKEN) == '"default";r=1199;t=300'
            now += 100.5
            assert remaining(TOKEN) == '"default";r=1198;t=200'
            assert remaining("other") == '"default";r=1199;t=300'
            now += 199.5
            assert remaining(TOKEN) == '"default";r=1199;t=300'
            assert http.get(simulator.url + USERS).headers["Ratelimit-Policy"] == '"default";q=1200;w=300'

    @pytest.mark.parametrize(
        ("compress", "accepted", "encoding"), [(True, "gzip", "gzip"), (True, "br", None), (False, "gzip", None)]
    )
    def test_gzip(self, http: requests.Session, compress: bool, accepted: str, encoding: str | None) -> None:
        """Answers are compressed where that is switched on and the client accepts it."""
        with Simulator([account(3)], compress=compress) as simulator:
            answer = http.get(simulator.url + USERS, headers={"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == encoding
        assert ids(answer) == ["0", "1", "2"]


class TestOrganization:
    @pytest.mark.parametrize("expiration", [None, "730h"])
    def test_settings(self, http: requests.Session, expiration: str | None) -> None:
        """The organization has its seat expiration where there is one, and may be asked for by GET alone."""
        with Simulator([account(seat_expiration=expiration)]) as simulator:
            url = f"{simulator.url}/accounts/{ACCOUNT}/access/organizations"
            settings = http.get(url).json()["result"]
            assert http.put(url).status_code == 405
            assert requests.get(url, timeout=10).status_code == 401
        assert settings["auth_domain"] == "simulated.cloudflareaccess.com"
        assert settings.get("user_seat_expiration_inactive_time") == expiration
        assert {arrival.endpoint for arrival in simulator.arrivals} == {"organization"}


class TestServer:
    def test_arrivals(self, http: requests.Session) -> None:
        """Each request is noted with the time of the given clock and what was asked for."""
        now = 1000.0
        with Simulator([account(policy_tests=[policy_test(1)])], clock=lambda: now) as simulator:
            http.get(simulator.url + USERS, headers={"User-Agent": "tester/1"})
            now = 1001.5
            http.get(simulator.url + POLICY_TEST + "/users", params={"page": 2, "per_page": 10})
            http.get(simulator.url + "/elsewhere", params={"page": "x"})
        first, second, third = simulator.arrivals
        assert (first.time, first.method, first.path) == (1000.0, "GET", "/client/v4" + USERS)
        assert (first.endpoint, first.account_id, first.page, first.per_page) == ("users", ACCOUNT, 1, 1000)
        assert first.headers["user-agent"] == "tester/1"
        assert (second.time, second.endpoint, second.policy_test_id) == (1001.5, "policy_test_users", TEST)
        assert (second.page, second.per_page, second.query) == (2, 10, {"page": "2", "per_page": "10"})
        assert (third.endpoint, third.account_id, third.page, third.per_page) == ("", "", None, None)

    def test_keep_alive(self, http: requests.Session) -> None:
        """Requests one after the other share a connection."""
        with Simulator([account()]) as simulator:
            for _ in range(3):
                http.get(simulator.url + USERS)
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_unread_body(self, http: requests.Session) -> None:
        """A chunked body is not read, and the answer says that the connection ends."""
        with Simulator([account()]) as simulator:
            answer = http.post(simulator.url + USERS, data=iter([b"chunk"]))
        assert (answer.status_code, answer.headers["Connection"]) == (405, "close")

    def test_stop_hangs_up(self, http: requests.Session) -> None:
        """A stopped simulator is gone for idle connections too, and comes back on the same port."""
        with Simulator([account()]) as simulator:
            url = simulator.url
            assert http.get(url + USERS).status_code == 200
            simulator.stop()
            simulator.stop()  # once more does no harm
            with pytest.raises(requests.ConnectionError):
                http.get(url + USERS)
            simulator.start()
            assert simulator.url == url
            assert http.get(url + USERS).status_code == 200

    def test_loopback_only(self) -> None:
        """Nothing but the machine itself can reach a simulator."""
        with pytest.raises(ValueError, match="loopback"):
            Simulator([account()], address=("0.0.0.0", 0))  # noqa: S104 – this is what is refused

    def test_tls(self, http: requests.Session, tmp_path: Path) -> None:
        """With a TLS context answers come over https, and a client that never shakes hands blocks nobody."""
        if shutil.which("openssl") is None:
            pytest.skip("openssl is not installed")
        certificate = tmp_path / "certificate.pem"
        key = tmp_path / "key.pem"
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
        subprocess.run([*request, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        with Simulator([account(1)], ssl_context=context) as simulator:
            address = urlsplit(simulator.url)
            with socket.create_connection((address.hostname, address.port)):
                answer = http.get(simulator.url + USERS, verify=str(certificate), timeout=10)
        assert address.scheme == "https"
        assert ids(answer) == ["0"]


class TestFaults:
    def test_raw_bytes(self, http: requests.Session) -> None:
        """A fault can write anything, and the connection ends with it."""

        def torn(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

        with Simulator([account()], fault=lambda _: torn) as simulator:
            answer = http.get(simulator.url + USERS, stream=True)
            with pytest.raises(requests.exceptions.ChunkedEncodingError, match="1 bytes read, 99 more expected"):
                _ = answer.content

    def test_reset(self, http: requests.Session) -> None:
        """A fault can reset the connection without a word."""

        def reset(handler: Handler) -> None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()

        with Simulator([account()], fault=lambda _: reset) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)

    def test_lost_client(self, http: requests.Session, capsys: pytest.CaptureFixture[str]) -> None:
        """A connection that breaks while it is answered is no news."""

        def lose(_handler: Handler) -> None:
            raise BrokenPipeError

        with Simulator([account()], fault=lambda _: lose) as simulator, pytest.raises(requests.ConnectionError):
            http.get(simulator.url + USERS)
        assert capsys.readouterr().err == ""

    def test_chosen_by_request(self, http: requests.Session) -> None:
        """A fault is chosen request by request, can be switched while the simulator runs, and may keep the line."""

        def refuse(handler: Handler) -> None:
            handler.send(replace(error(429, 971, "Please wait"), headers={"Retry-After": "3"}))

        def on_second_page(request: Request) -> Fault | None:
            return refuse if request.page == 2 else None

        with Simulator([account(1)]) as simulator:
            simulator.fault = on_second_page
            answers = [http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2, 3)]
            simulator.fault = None
            answers.append(http.get(simulator.url + USERS, params={"page": 2}))
        assert [answer.status_code for answer in answers] == [200, 429, 200, 200]
        assert (code(answers[1]), answers[1].headers["Retry-After"]) == (971, "3")
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_changed_answer(self, http: requests.Session) -> None:
        """A fault can change the proper answer on its way out."""

        def crash(handler: Handler) -> None:
            handler.send(replace(handler.response(), status=520))

        def html(handler: Handler) -> None:
            handler.send(Response(502, b"<html>", {"Content-Type": "text/html"}))

        with Simulator([account(1)], fault=lambda request: crash if request.page == 1 else html) as simulator:
            crashed, page = (http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2))
        assert (crashed.status_code, ids(crashed)) == (520, ["0"])
        assert (page.status_code, page.text, page.headers["Content-Type"]) == (502, "<html>", "text/html")

    def test_hanging(self, http: requests.Session) -> None:
        """A request that hangs blocks no other one."""
        release = threading.Event()

        def hang(handler: Handler) -> None:
            release.wait(10)
            handler.send(handler.response())

        with Simulator([account(1)], fault=lambda request: hang if request.page == 1 else None) as simulator:
            with pytest.raises(requests.Timeout):
                http.get(simulator.url + USERS, timeout=0.05)
            assert ids(http.get(simulator.url + USERS, params={"page": 2})) == []
            release.set()
