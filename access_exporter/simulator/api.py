"""Answers requests like Cloudflare's API: routes, credentials, parameters, errors, quota. HTTP is in server.py.

    GET /client/v4/accounts/{account_id}/access/users
    GET /client/v4/accounts/{account_id}/access/organizations
    POST /client/v4/accounts/{account_id}/access/policy-tests
    GET /client/v4/accounts/{account_id}/access/policy-tests/{policy_test_id}
    GET /client/v4/accounts/{account_id}/access/policy-tests/{policy_test_id}/users
    GET /client/v4/user/tokens/verify
    GET /client/v4/accounts/{account_id}/tokens/verify
    GET /client/v4/accounts/{account_id}/access/NAME, for any other list that an account has
    GET /client/v4/accounts/{account_id}/devices/registrations

https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/
"""

import gzip
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TypedDict, Unpack

from access_exporter.simulator.account import Account, PolicyTest, Row, members
from access_exporter.simulator.answers import (
    Listing,
    Paging,
    Response,
    cursor_paging,
    error,
    honest_paging,
    no_result_info,
    success,
)
from access_exporter.simulator.policies import tested_policy
from access_exporter.simulator.quota import Quotas

_ROUTES = {
    endpoint: re.compile("/client/v4/accounts/(?P<account_id>[^/]+)/" + path)
    for endpoint, path in {
        "users": "access/users",
        "organization": "access/organizations",
        "policy_tests": "access/policy-tests",
        "policy_test": "access/policy-tests/(?P<policy_test_id>[^/]+)",
        "policy_test_users": "access/policy-tests/(?P<policy_test_id>[^/]+)/users",
        "devices": "devices/registrations",
        "": "access/(?P<endpoint>[a-z_]+)",  # any other list that an account has
    }.items()
}
_DEFAULT_PER_PAGE = {"": "", "policy_test_users": "25"}  # 1000 for all other lists
_ROUTES["user_token"] = re.compile("/client/v4/user/tokens/verify")
_ROUTES["account_token"] = re.compile("/client/v4/accounts/(?P<account_id>[^/]+)/tokens/verify")
_STATUS_FILTERS = {"success": "approved", "fail": "blocked", "error": "error"}  # filter value: status of the rows


@dataclass(frozen=True)
class Request:
    """A request as received. `time` is in Unix seconds of the simulator's clock. Header names are in lower case.

    `endpoint` is users, organization, policy_tests, policy_test, policy_test_users, devices, or the name of another
    list; it is empty for any other path. `page` (also from a cursor) and `per_page` are the requested values or the
    defaults, or None if the request has no positive whole number there. `client` is the address and port of the client,
    so it is different for each connection.
    """

    time: float
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client: tuple[str, int]
    endpoint: str = ""
    account_id: str = ""
    policy_test_id: str = ""
    page: int | None = 1
    per_page: int | None = None

    def routed(self) -> "Request":
        """Return the request with the fields that come from its path and query."""
        matches = ((endpoint, route.fullmatch(self.path)) for endpoint, route in _ROUTES.items())
        endpoint, match = next(((endpoint, match) for endpoint, match in matches if match), ("", None))
        ids = match.groupdict() if match else {}
        endpoint = endpoint or ids.get("endpoint", "")
        return replace(
            self,
            endpoint=endpoint,
            account_id=ids.get("account_id", ""),
            policy_test_id=ids.get("policy_test_id", ""),
            page=_positive(self.query.get("cursor", "").removeprefix("page-") or self.query.get("page", "1")),
            per_page=_positive(self.query.get("per_page", _DEFAULT_PER_PAGE.get(endpoint, "1000"))),
        )


def _positive(text: str) -> int | None:
    return int(text) if re.fullmatch("0*[1-9][0-9]{0,8}", text) else None


class _RefusedError(Exception):
    """Raised if the API refuses a request; has the response."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


class Habits(TypedDict, total=False):
    """Options of the simulated API. `token` works for every account. `paging` changes the result_info of users.

    `max_per_page` limits the page size. `repeat_at_borders` is the number of last rows of a page that the next page
    repeats. `compress` sends gzip to clients that accept it.
    """

    token: str | None
    paging: Paging
    max_per_page: int
    repeat_at_borders: int
    compress: bool


class Api:
    """Answers API requests for some accounts."""

    def __init__(self, accounts: Iterable[Account], **habits: Unpack[Habits]) -> None:
        self.accounts = {account.id: account for account in accounts}
        self._token = habits.get("token")
        self._paging = habits.get("paging", honest_paging)
        self._max_per_page = habits.get("max_per_page", 1000)
        self._repeat = habits.get("repeat_at_borders", 0)
        self._compress = habits.get("compress", False)
        # A cached page is always the same bytes object, which stores its hash. So a lookup in this cache is fast.
        self._gzip = lru_cache(maxsize=1024)(partial(gzip.compress, compresslevel=1, mtime=0))
        self._listings: dict[tuple[str, str, str], Listing] = {}
        self._quotas = Quotas()
        self._methods: dict[str, dict[str, Callable[[Account, Request], Response]]] = {
            "users": {"GET": self._users},
            "organization": {"GET": lambda account, _: success(account.organization)},
            "policy_tests": {"POST": self._start_policy_test},
            "policy_test": {"GET": self._policy_test},
            "policy_test_users": {"GET": self._policy_test_users},
            "devices": {"GET": self._devices},
            "user_token": {"GET": _verify},
            "account_token": {"GET": _verify},
        }

    def answer(self, request: Request) -> Response:
        """Return the correct response to a request, with the headers that Cloudflare adds."""
        try:
            response = self._answer(request)
        except _RefusedError as refused:
            response = refused.response
        secret = request.headers.get("authorization") or request.headers.get("x-auth-key", "")
        headers = {**response.headers, **self._quotas.headers(secret, request.time)}
        if self._compress and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(response.status, self._gzip(response.body), headers | {"Content-Encoding": "gzip"})
        return replace(response, headers=headers)

    def _answer(self, request: Request) -> Response:
        if not request.endpoint:
            raise _no_route(request)
        account = self._authorize(request)
        methods = self._methods.get(request.endpoint, {"GET": self._list} if request.endpoint in account.lists else {})
        if not methods:
            raise _no_route(request)
        if request.method not in methods:
            refusal = error(405, 7001, f"Method {request.method} not available for that URI.")
            raise _RefusedError(replace(refusal, headers={"Allow": ", ".join(methods)}))
        account.advance(request.time)
        return methods[request.method](account, request)

    def _authorize(self, request: Request) -> Account:
        email, secret = _credentials(request.headers)
        opens_all = email is None and secret == self._token
        opened = {name for name, account in self.accounts.items() if opens_all or account.accepts(email, secret)}
        if not opened:
            raise _RefusedError(error(403, 9109, "Invalid access token"))
        if request.endpoint == "user_token":
            return self.accounts[min(opened)]
        if request.account_id in opened:
            return self.accounts[request.account_id]
        if request.account_id in self.accounts or re.fullmatch("[0-9a-f]{32}", request.account_id):
            raise _RefusedError(error(403, 10000, "Authentication error"))  # also for an unknown account
        raise _no_route(request)

    def _users(self, account: Account, request: Request) -> Response:
        wanted = {name: request.query[name] for name in ("email", "name", "search") if request.query.get(name)}
        if not wanted:
            return self._page(request, self._listing(request, account.users, self._paging))
        rows = tuple(row for row in account.users if _is_wanted(row, wanted))
        return self._page(request, Listing(rows, self._repeat, self._paging))

    def _list(self, account: Account, request: Request) -> Response:
        return self._page(request, self._listing(request, account.lists[request.endpoint], honest_paging))

    def _start_policy_test(self, account: Account, request: Request) -> Response:
        if not account.may_start_tests:
            raise _RefusedError(error(403, 10000, "Authentication error"))
        try:
            policies = json.loads(request.body)["policies"]
        except (ValueError, TypeError, KeyError):
            raise _bad_parameter("body") from None
        names = tuple(map(partial(tested_policy, account), policies)) if isinstance(policies, list) else ()
        if not names or None in names:
            raise _bad_parameter("policies")
        test_id = account.start_policy_test(tuple(name for name in names if name is not None), request.time, policies)
        if test_id is None:
            raise _bad_parameter("policies")
        return success({"id": test_id, "status": "success"})

    def _policy_test(self, account: Account, request: Request) -> Response:
        return success(_find_policy_test(account, request).summary)

    def _policy_test_users(self, account: Account, request: Request) -> Response:
        rows = _find_policy_test(account, request).rows
        if "status" not in request.query:
            return self._page(request, self._listing(request, rows, no_result_info))
        status = _STATUS_FILTERS.get(request.query["status"])
        if status is None:
            raise _bad_parameter("status")
        rows = tuple(row for row in rows if members(row).get("status") == status)
        return self._page(request, Listing(rows, self._repeat, no_result_info))

    def _devices(self, account: Account, request: Request) -> Response:
        status = request.query.get("status", "active")
        if status not in ("active", "revoked", "all"):
            raise _bad_parameter("status")
        rows = account.registered(status)
        if rows is None:
            raise _RefusedError(error(403, 10000, "Authentication error"))
        return self._page(request, self._listing(request, rows, cursor_paging))

    def _listing(self, request: Request, rows: tuple[Row, ...], paging: Paging) -> Listing:
        """Return the cached pages of these rows, or new ones if the list now has other rows."""
        key = request.account_id, request.endpoint, request.policy_test_id
        listing = self._listings.get(key)
        if listing is None or listing.rows is not rows:
            listing = self._listings[key] = Listing(rows, self._repeat, paging)
        return listing

    def _page(self, request: Request, listing: Listing) -> Response:
        if request.page is None:
            raise _bad_parameter("page")
        if request.per_page is None:
            raise _bad_parameter("per_page")
        return listing.page(request.page, min(request.per_page, self._max_per_page))


def _credentials(headers: Mapping[str, str]) -> tuple[str | None, str]:
    """Return the email (None with a token) and the secret. Raises _RefusedError if they are missing or malformed."""
    authorization, email, key = (headers.get(name) for name in ("authorization", "x-auth-email", "x-auth-key"))
    if authorization is None and email is None and key is None:
        raise _RefusedError(error(401, 10000, "Authentication error"))
    if authorization is not None:
        bearer = re.fullmatch(r"Bearer ([\w.~+/=-]+)", authorization, re.ASCII)
        if not bearer:
            raise _malformed(6111, "Authorization")
        return None, bearer[1]
    if not email or "@" not in email:
        raise _malformed(6102, "X-Auth-Email")
    if not key or not re.fullmatch(r"[\w-]+", key, re.ASCII):
        raise _malformed(6103, "X-Auth-Key")
    return email, key


def _malformed(code: int, header: str) -> _RefusedError:
    chain = [{"code": code, "message": f"Invalid format for {header} header"}]
    return _RefusedError(error(400, 6003, "Invalid request headers", error_chain=chain))


def _no_route(request: Request) -> _RefusedError:
    message = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
    return _RefusedError(error(404, 7003, message))


def _bad_parameter(name: str) -> _RefusedError:
    return _RefusedError(error(400, 12130, f"access.api.error.invalid_request: {name}"))


def _verify(account: Account, request: Request) -> Response:
    """Answer a token check. The endpoint for the other kind of token (user or account) calls the token invalid."""
    if "authorization" not in request.headers or account.owns_token is not (request.endpoint == "account_token"):
        raise _RefusedError(error(401, 1000, "Invalid API Token"))
    return success(account.verification)


def _find_policy_test(account: Account, request: Request) -> PolicyTest:
    if request.policy_test_id not in account.policy_tests:
        raise _RefusedError(error(404, 12130, "access.api.error.not_found"))
    return account.policy_tests[request.policy_test_id]


def _is_wanted(row: Row, wanted: Mapping[str, str]) -> bool:
    """Return whether a user has exactly the wanted email and name, and the `search` text in one of the two."""
    values = {name: str(members(row).get(name, "")) for name in ("email", "name")}
    exact = all(values[name] == wanted[name] for name in values if name in wanted)
    return exact and any(wanted.get("search", "") in value for value in values.values())
