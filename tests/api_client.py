"""A client of Cloudflare's API for tests: it never really waits, and its messages are checked for secrets."""

import json
import socket
import struct
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import prometheus_client
import pytest
import responses
from requests import PreparedRequest

from access_exporter.cloudflare.client import Client
from access_exporter.cloudflare.credentials import Credential
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.cloudflare.rate_limit import RateLimiter, RateLimiters
from access_exporter.collectors import followed_policy_test, policy_test_progress, users, users_summary
from access_exporter.config.model import Api
from access_exporter.config.secrets import Secret
from access_exporter.errors import PollError
from access_exporter.simulator import Account, Handler, PolicyTest, Simulator, User
from tests.exporter import ACCOUNT_ID
from tests.fakes import FakeClock

URL = "https://api.cloudflare.com/client/v4"
TEST_ID = "f1a8" * 16
IDS = {"account_id": ACCOUNT_ID, "policy_test_id": TEST_ID}
USERS = users.ENDPOINT
POLICY_TEST = policy_test_progress.ENDPOINT
POLICY_TEST_USERS = followed_policy_test.USERS_ENDPOINT
READ_USERS = "Access: Audit Logs Read"
READ_TESTS = "Access: Policy Test Read"

TOKEN = "secret-token"
LEAKS = ("secret", "planted", "jane", "doe@")  # in lower case; every response and header below contains some of them
HEADERS = {"X-Planted": "planted-header", "Set-Cookie": "planted=cookie", "CF-Ray": "planted-ray"}


class Anything(msgspec.Struct):
    """A result with a content that does not matter."""


class OneLimiter(RateLimiters):
    """The same rate limiter for every secret."""

    def of(self, headers: Mapping[str, str]) -> RateLimiter:
        return super().of({})


class Bench:
    """A client of a real or mocked API that never really waits."""

    def __init__(
        self, url: str = URL, *, secret: Secret | None = None, email: Secret | None = None, **api: Any
    ) -> None:
        self.clock = FakeClock()
        self.api = Api(url=url, **({"requests_per_second": 10_000, "burst": 1_000_000} | api))
        self.registry = prometheus_client.CollectorRegistry()
        self.limiters = OneLimiter(self.clock)
        self.limiters.configure(self.api, [])
        self.metrics = RequestMetrics(self.registry)
        self.client = self.another(secret or Secret("the test", TOKEN), email)

    def another(self, secret: Secret, email: Secret | None = None) -> Client:
        """Return another client with the same rate limit."""
        credential = Credential("first account", email, secret)
        self.metrics.credentials = (*self.metrics.credentials, credential)
        return Client(self.api, credential, self.limiters, self.metrics, self.clock)

    def get(self, endpoint: Endpoint = POLICY_TEST) -> Anything:
        """Send one request that has an object as its result."""
        return self.client.get(endpoint.of(ACCOUNT_ID, TEST_ID), Anything)

    def rows(self) -> list[str | None]:
        """Read all pages of users and return the ids of the users."""
        pages = self.client.walk(USERS.of(ACCOUNT_ID), users_summary.User, within=1800)
        return [row.id for page in pages for row in page]

    def failure(self, ask: Callable[[], object] | None = None, reason: str | None = None) -> str:
        """Send a request that must fail, and return the error message; check that it contains no secret."""
        with pytest.raises(PollError) as caught:
            (ask or self.get)()
        message = str(caught.value)
        assert reason in (None, caught.value.reason)
        assert caught.value.__cause__ is None
        assert not [leak for leak in LEAKS if leak in message.lower()]
        return message

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of one of the exporter's own time series."""
        return self.registry.get_sample_value(f"cloudflare_access_api_{name}", labels)

    def codes(self, endpoint: str = "policy_test") -> dict[str, float]:
        """Return the number of requests by their status code."""
        found = (sample for family in self.registry.collect() for sample in family.samples)
        return {
            sample.labels["code"]: sample.value
            for sample in found
            if sample.name == "cloudflare_access_api_requests_total" and sample.labels["endpoint"] == endpoint
        }


def url_of(endpoint: Endpoint) -> str:
    return URL + endpoint.path.format(**IDS)


class Script:
    """A mock that gives one response after the other, repeats the last one, and records the requests."""

    def __init__(self, mock: responses.RequestsMock, *answers: Any, endpoint: Endpoint = POLICY_TEST) -> None:
        self.requests: list[PreparedRequest] = []
        self._answers = answers
        mock.add_callback("GET", url_of(endpoint), self._answer)

    def _answer(self, request: PreparedRequest) -> Any:
        self.requests.append(request)
        answer = self._answers[min(len(self.requests), len(self._answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


def good(result: object = None, **more: object) -> tuple[int, dict[str, str], str]:
    """Return a successful response."""
    return 200, {}, json.dumps({"success": True, "result": {} if result is None else result, **more})


def refusal(status: int, *codes: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    """Return an error response with these codes, full of text that must not be shown."""
    errors = [{"code": code, "message": f"planted message for Jane Doe with {TOKEN}"} for code in codes]
    body = {"success": False, "errors": errors, "messages": ["planted"], "result": None}
    return status, HEADERS | (headers or {}), json.dumps(body)


HTML = "<!DOCTYPE html><title>planted page</title>"
LOOK = "check the ids in the configuration"
VALUE = "check its value and that it is not expired"


def simulator(users: int = 1, fault: Callable[[Handler], None] | None = None, **options: Any) -> Simulator:
    """Serve an account with this many users over real HTTP; a fault, if given, happens to every request."""
    test = PolicyTest(TEST_ID)
    account = Account(ACCOUNT_ID, [User(str(number)) for number in range(users)], [test], token=TOKEN)
    return Simulator([account], fault=None if fault is None else lambda _: fault, **options)


def reset(handler: Handler) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
