"""The API of the simulator: routes, credentials, parameters, errors and rate limit."""

import pytest
import requests

from access_exporter.simulator import Account, PolicyTest, PolicyTestUser, Simulator, User
from access_exporter.simulator.account import TOKEN, Row
from tests.simulator.accounts import (
    ACCOUNT,
    KEY,
    OTHER_ACCOUNT,
    POLICY_TEST,
    TEST,
    USERS,
    account,
    code,
    ids,
    policy_test,
)


class TestUsers:
    def test_default_page_size(self, http: requests.Session) -> None:
        """A page has 1000 users unless the client requests another size."""
        with Simulator([account(1001)]) as simulator:
            answers = [http.get(simulator.url + USERS, params={"page": page}) for page in (1, 2)]
        assert [len(ids(answer)) for answer in answers] == [1000, 1]

    def test_clamped_page_size(self, http: requests.Session) -> None:
        """A page size over the maximum is reduced to the maximum, and the response shows the reduced size."""
        with Simulator([account(5)], max_per_page=2) as simulator:
            answer = http.get(simulator.url + USERS, params={"page": 3, "per_page": 5000})
        assert ids(answer) == ["4"]
        assert answer.json()["result_info"]["per_page"] == 2

    @pytest.mark.parametrize("value", ["0", "-1", "1.5", "one", "", "²", "9" * 30])
    @pytest.mark.parametrize("name", ["page", "per_page"])
    def test_bad_page(self, http: requests.Session, name: str, value: str) -> None:
        """A page or page size that is not a positive whole number gets status 400."""
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
        """The filters email and name find users exactly, and search finds a part of either."""
        users = [User("1", email="a@example.com", name="User 1"), User("2", email="b@example.com", name="User 2")]
        with Simulator([Account(ACCOUNT, users)]) as simulator:
            assert ids(http.get(simulator.url + USERS, params=query)) == found


class TestPolicyTests:
    def test_users(self, http: requests.Session) -> None:
        """The users of a policy test come in pages of 25, without result_info."""
        with Simulator([account(policy_tests=[policy_test(26)])]) as simulator:
            answers = [http.get(simulator.url + POLICY_TEST + "/users", params={"page": page}) for page in (1, 2, 3)]
        assert [len(ids(answer)) for answer in answers] == [25, 1, 0]
        assert all(set(answer.json()) == {"success", "errors", "messages", "result"} for answer in answers)
        assert answers[1].json()["result"] == [{"id": "25", "status": "approved"}]

    @pytest.mark.parametrize(("word", "found"), [("success", ["0"]), ("fail", ["1"]), ("error", ["2"])])
    def test_status_filter(self, http: requests.Session, word: str, found: list[str]) -> None:
        """The status filter uses other words than the rows, as in the API documentation."""
        rows: list[Row] = [
            PolicyTestUser("0"),
            PolicyTestUser("1", status="blocked"),
            {"id": "2", "status": "error"},
            {"id": "3"},
        ]
        with Simulator([account(policy_tests=[PolicyTest(TEST, results=rows)])]) as simulator:
            assert ids(http.get(simulator.url + POLICY_TEST + "/users", params={"status": word})) == found

    def test_bad_status_filter(self, http: requests.Session) -> None:
        """A status filter with a word from the rows gets status 400."""
        with Simulator([account(policy_tests=[policy_test(1)])]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST + "/users", params={"status": "approved"})
        assert (answer.status_code, code(answer)) == (400, 12130)

    @pytest.mark.parametrize("path", ["", "/users"])
    def test_unknown(self, http: requests.Session, path: str) -> None:
        """An unknown policy test gets status 404."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + POLICY_TEST + path)
        assert (answer.status_code, code(answer)) == (404, 12130)

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"{}", b'{"policies": []}', b'{"policies": [1]}', b'{"policies": ["x"]}']
    )
    def test_start_refused(self, http: requests.Session, body: bytes) -> None:
        """A body without a list of existing policies gets status 400, and the connection stays open."""
        with Simulator([account()]) as simulator:
            answer = http.post(f"{simulator.url}/accounts/{ACCOUNT}/access/policy-tests", data=body)
            http.get(simulator.url + USERS)
        assert (answer.status_code, code(answer)) == (400, 12130)
        assert [arrival.body for arrival in simulator.arrivals] == [body, b""]
        assert len({arrival.client for arrival in simulator.arrivals}) == 1

    def test_start_without_permission(self, http: requests.Session) -> None:
        """A token that may only read gets status 403 when it starts a policy test."""
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
            (KEY | {"X-Auth-Email": "not-an-address"}, 400, 6003),
            (KEY | {"X-Auth-Key": "two words"}, 400, 6003),
            ({"X-Auth-Email": KEY["X-Auth-Email"]}, 400, 6003),
            ({"X-Auth-Key": KEY["X-Auth-Key"]}, 400, 6003),
        ],
    )
    def test_refused(self, http: requests.Session, headers: dict[str, str], status: int, number: int) -> None:
        """A missing, a wrong and a malformed credential get different errors, as from Cloudflare."""
        http.headers.pop("Authorization")
        closed = account(email=KEY["X-Auth-Email"], key=KEY["X-Auth-Key"])
        with Simulator([closed]) as simulator:
            answer = http.get(simulator.url + USERS, headers=headers)
        assert (answer.status_code, code(answer)) == (status, number)

    def test_malformed_token_is_explained(self, http: requests.Session) -> None:
        """The error for a malformed token has an error chain that names the header."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + USERS, headers={"Authorization": "Bearer"})
        assert answer.json()["errors"][0]["error_chain"] == [
            {"code": 6111, "message": "Invalid format for Authorization header"}
        ]

    def test_email_and_key(self, http: requests.Session) -> None:
        """An e-mail address with its global API key gives access to an account."""
        http.headers.pop("Authorization")
        with Simulator([account(token=None, email=KEY["X-Auth-Email"], key=KEY["X-Auth-Key"])]) as simulator:
            assert http.get(simulator.url + USERS, headers=KEY).status_code == 200

    def test_rotated_token(self, http: requests.Session) -> None:
        """After a token is replaced, the old one is refused and the new one accepted."""
        with Simulator([account()]) as simulator:
            simulator.accounts[ACCOUNT].token = "new"
            assert http.get(simulator.url + USERS).status_code == 403
            assert http.get(simulator.url + USERS, headers={"Authorization": "Bearer new"}).status_code == 200

    def test_token_for_all(self, http: requests.Session) -> None:
        """The token of the simulator gives access to every account."""
        accounts = [account(token="one"), Account(OTHER_ACCOUNT, token="two")]
        with Simulator(accounts, token=TOKEN) as simulator:
            paths = [f"/accounts/{each.id}/access/users" for each in accounts]
            assert [http.get(simulator.url + path).status_code for path in paths] == [200, 200]

    @pytest.mark.parametrize("token", ["one", None])
    def test_other_account(self, http: requests.Session, token: str | None) -> None:
        """A token gets the same error for an account without access and for an unknown account."""
        accounts = [account()] if token is None else [account(), Account(OTHER_ACCOUNT, token=token)]
        with Simulator(accounts) as simulator:
            answer = http.get(f"{simulator.url}/accounts/{OTHER_ACCOUNT}/access/users")
        assert (answer.status_code, code(answer)) == (403, 10000)

    @pytest.mark.parametrize("path", ["/accounts/wrong/access/users", "/accounts", f"/accounts/{ACCOUNT}/access/seats"])
    def test_no_route(self, http: requests.Session, path: str) -> None:
        """An unknown path, or a path without a valid account id, gets status 404."""
        with Simulator([account()]) as simulator:
            answer = http.get(simulator.url + path)
        assert (answer.status_code, code(answer)) == (404, 7003)

    @pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_wrong_method(self, http: requests.Session, method: str) -> None:
        """Only GET is allowed on users, and the connection stays open after a refused method."""
        with Simulator([account()]) as simulator:
            answer = http.request(method, simulator.url + USERS)
            http.get(simulator.url + USERS)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
        assert bool(answer.content) is (method != "HEAD")
        assert len({arrival.client for arrival in simulator.arrivals}) == 1


class TestHeaders:
    def test_quota(self, http: requests.Session) -> None:
        """Each response shows the rest of the rate limit for five minutes, counted separately for each token."""
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
        """A response is compressed only if compression is on and the client accepts it."""
        with Simulator([account(3)], compress=compress) as simulator:
            answer = http.get(simulator.url + USERS, headers={"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == encoding
        assert ids(answer) == ["0", "1", "2"]
