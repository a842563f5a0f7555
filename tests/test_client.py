"""What comes back from Cloudflare, good and bad, and what is made of it: one reason, one message, no secrets."""

import gzip
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import msgspec
import prometheus_client
import pytest
import requests
import responses
from requests import PreparedRequest

from access_exporter.answers import Endpoint
from access_exporter.client import Client, Metrics
from access_exporter.collectors import policy_tests, users
from access_exporter.config import Api
from access_exporter.credentials import Credential, Secret
from access_exporter.errors import PollError, StoppingError
from access_exporter.pacing import Pacer
from access_exporter.simulator import Account, Handler, PolicyTest, Request, Response, Simulator, User
from tests.exporter import ACCOUNT_ID
from tests.fakes import FakeClock
from tests.faults import says_after

URL = "https://api.cloudflare.com/client/v4"
TEST_ID = "f1a8" * 16
IDS = {"account_id": ACCOUNT_ID, "policy_test_id": TEST_ID}
USERS = users.ENDPOINT
POLICY_TEST = policy_tests.ENDPOINT
POLICY_TEST_USERS = policy_tests.USERS_ENDPOINT
READ_USERS = "Access: Audit Logs Read"
READ_TESTS = "Access: Policy Test Read"

TOKEN = "secret-token"
LEAKS = ("secret", "planted", "jane", "doe@")  # in lower case; every answer and header below is full of them
HEADERS = {"X-Planted": "planted-header", "Set-Cookie": "planted=cookie", "CF-Ray": "planted-ray"}


class Anything(msgspec.Struct):
    """A result whose content does not matter."""


class Bench:
    """A client of a real or mocked API whose waits take no time."""

    def __init__(
        self, url: str = URL, *, secret: Secret | None = None, email: Secret | None = None, **api: Any
    ) -> None:
        self.clock = FakeClock()
        self.api = Api(url=url, **({"requests_per_second": 10_000, "burst": 1_000_000} | api))
        self.registry = prometheus_client.CollectorRegistry()
        self.pacer = Pacer(self.api.requests_per_second, self.api.burst, self.api.concurrency, self.clock)
        self.metrics = Metrics(self.registry)
        self.client = self.another(secret or Secret("the test", TOKEN), email)

    def another(self, secret: Secret, email: Secret | None = None) -> Client:
        """A client with the same pace."""
        credential = Credential("first account", email, secret)
        self.metrics.credentials = (*self.metrics.credentials, credential)
        return Client(self.api, credential, lambda _: self.pacer, self.metrics, self.clock)

    def get(self, endpoint: Endpoint = POLICY_TEST) -> Anything:
        """Ask once for a result that is an object."""
        return self.client.get(endpoint, Anything, **IDS)

    def rows(self) -> list[str | None]:
        """Walk over the users and return their ids."""
        pages = self.client.rows(USERS, users.User, within=1800, account_id=ACCOUNT_ID)
        return [row.id for page in pages for row in page]

    def failure(self, ask: Callable[[], object] | None = None, reason: str | None = None) -> str:
        """Ask in vain and return the message, after a look for what must never be in it."""
        with pytest.raises(PollError) as caught:
            (ask or self.get)()
        message = str(caught.value)
        assert reason in (None, caught.value.reason)
        assert caught.value.__cause__ is None
        assert not [leak for leak in LEAKS if leak in message.lower()]
        return message

    def sample(self, name: str, **labels: str) -> float | None:
        """Return the value of one of the exporter's own series."""
        return self.registry.get_sample_value(f"cloudflare_access_api_{name}", labels)

    def codes(self, endpoint: str = "policy_test") -> dict[str, float]:
        """Return the number of requests by the code they ended with."""
        found = (sample for family in self.registry.collect() for sample in family.samples)
        return {
            sample.labels["code"]: sample.value
            for sample in found
            if sample.name == "cloudflare_access_api_requests_total" and sample.labels["endpoint"] == endpoint
        }


@pytest.fixture
def mock() -> Iterator[responses.RequestsMock]:
    """Mocked answers; a request for anything else fails."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the machine stands between the test and the loopback interface."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def url_of(endpoint: Endpoint) -> str:
    return URL + endpoint.path.format(**IDS)


class Script:
    """Answers one request after the other as told, the last one for ever, and keeps the requests."""

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
    """The answer to a request that went well."""
    return 200, {}, json.dumps({"success": True, "result": {} if result is None else result, **more})


def refusal(status: int, *codes: object, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], str]:
    """An answer with these error codes, full of what must not be shown."""
    errors = [{"code": code, "message": f"planted message for Jane Doe with {TOKEN}"} for code in codes]
    body = {"success": False, "errors": errors, "messages": ["planted"], "result": None}
    return status, HEADERS | (headers or {}), json.dumps(body)


HTML = "<!DOCTYPE html><title>planted page</title>"
LOOK = "check the ids in the configuration"
VALUE = "check its value and that it is not expired"


class TestRefusals:
    @pytest.mark.parametrize(
        ("endpoint", "answer", "reason", "words"),
        [
            (USERS, refusal(400, 6003), "auth", [VALUE, "400", "6003"]),
            (USERS, refusal(400, 6111), "auth", [VALUE, "400", "6111"]),
            (USERS, refusal(400, 6003, 6111), "auth", [VALUE, "(code 6003, 6111)"]),
            (USERS, refusal(401), "auth", [VALUE, "401"]),
            (USERS, refusal(401, 10000), "auth", [VALUE, READ_USERS, "10000"]),
            (POLICY_TEST, refusal(401, 10000), "auth", [VALUE, READ_TESTS]),
            (USERS, (401, HEADERS, HTML), "auth", [VALUE]),
            (USERS, refusal(403, 10000), "permission", [READ_USERS, "403", "10000", "on this account"]),
            (USERS, refusal(403, 9109), "permission", [READ_USERS, "9109", VALUE]),
            (USERS, refusal(403), "permission", [READ_USERS]),
            (USERS, (403, HEADERS, HTML), "permission", [READ_USERS]),
            (USERS, refusal(400, 10000), "permission", [READ_USERS]),
            (POLICY_TEST, refusal(403, 10000), "permission", [READ_TESTS]),
            (POLICY_TEST_USERS, refusal(403, 10000), "permission", [READ_TESTS]),
            (USERS, refusal(403, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 9999), "not_found", ["Zero Trust is not set up on this account"]),
            (USERS, refusal(404, 7003), "not_found", [LOOK, "404", "7003"]),
            (POLICY_TEST, refusal(404), "not_found", [LOOK, "404"]),
            (POLICY_TEST, refusal(404, 12130), "not_found", [LOOK, "12130"]),
            (POLICY_TEST, refusal(400, 12130), "not_found", [LOOK, "400"]),
            (POLICY_TEST, refusal(400), "not_found", [LOOK]),
            (POLICY_TEST_USERS, refusal(400, 1), "not_found", [LOOK]),
            (USERS, refusal(400, 12130), "not_found", [LOOK]),
            (USERS, refusal(400, 1234), "invalid_response", ["400", "1234"]),
            (USERS, refusal(405), "invalid_response", ["405"]),
            (USERS, refusal(410), "invalid_response", ["410"]),
            (USERS, (204, HEADERS, ""), "invalid_response", ["204"]),
            (USERS, (304, HEADERS, ""), "invalid_response", ["304", "a redirect", "check api.url"]),
            (USERS, refusal(429, 971), "rate_limited", ["429", "971", "too many requests"]),
            (USERS, (429, HEADERS, HTML), "rate_limited", ["429"]),
            (USERS, refusal(429, 10000), "rate_limited", ["429"]),
            (USERS, refusal(500, 1), "server", ["500", "passes by itself"]),
            (USERS, refusal(503, 10000), "server", ["503"]),
            (USERS, (502, HEADERS, HTML), "server", ["502"]),
            (USERS, (520, HEADERS, HTML), "server", ["520"]),
            (USERS, (524, HEADERS, b"\xff\x00"), "server", ["524"]),
            (USERS, refusal(200, 10000), "permission", [READ_USERS, "200"]),
            (USERS, refusal(200, 6003), "auth", [VALUE]),
            (USERS, refusal(200, 9999), "not_found", ["Zero Trust"]),
            (USERS, refusal(200, 1234), "invalid_response", ["200", "1234"]),
            (USERS, refusal(200), "invalid_response", ["200"]),
        ],
    )
    def test_reason_and_message(
        self, mock: responses.RequestsMock, endpoint: Endpoint, answer: Any, reason: str, words: list[str]
    ) -> None:
        """Each refusal has its reason, and a message that names endpoint, permission and next step, and no secret."""
        bench = Bench()
        Script(mock, answer, endpoint=endpoint)
        message = bench.failure(lambda: bench.get(endpoint), reason)
        assert endpoint.place in message
        assert [word for word in words if word not in message] == []

    @pytest.mark.parametrize(
        "errors",
        [
            "null",
            "{}",
            "[]",
            "[null]",
            "[[10000]]",
            '[{"code": null}]',
            '[{"code": "10000"}]',
            '[{"code": true}]',
            '[{"code": -1}]',
            '[{"code": 1000000000000}]',
            '[{"code": 1.5}]',
            '"planted"',
        ],
    )
    def test_odd_errors(self, mock: responses.RequestsMock, errors: str) -> None:
        """Codes that are none are left out of the message."""
        bench = Bench()
        Script(mock, (418, HEADERS, f'{{"success": false, "errors": {errors}}}'))
        assert bench.failure() == f"418 from {POLICY_TEST.place}: not an answer this API gives"

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (HTML, "is not JSON"),
            ("", "is not JSON"),
            ("null", "is not JSON"),
            ("planted", "is not JSON"),
            ('{"success": true, "result": {"name": "planted"', "is not JSON"),
            ('{"success": true, "result": {}} planted', "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ('{"planted":' * 300_000 + "1" + "}" * 300_000, "more than a page can hold"),
            ('{"success": true, "planted": ' + "[" * 300_000 + "]" * 300_000 + "}", "is not JSON"),
            (b"\xff\xfe{\x00}\x00", "is not JSON"),
            ("{}", "has no result"),
            ('{"success": true, "errors": [], "messages": []}', "has no result"),
            ('{"success": true, "result": null}', "has no result"),
            ('{"success": true, "result": ""}', "is not as documented: result: expected a mapping, got a string"),
            ('{"success": true, "result": []}', "is not as documented: result: expected a mapping, got a list"),
            ('{"success": true, "result": ["planted"]}', "is not as documented: result: expected a mapping"),
            ('{"success": true, "result": "planted"}', "is not as documented: result: expected a mapping"),
            ('{"success": "planted", "result": {}}', "documented: success: expected true or false, got a string"),
            ('["planted"]', "is not as documented: expected a mapping, got a list"),
            ('"planted"', "is not as documented: expected a mapping, got a string"),
            ('{"result": [' + "[]," * 60_000 + "[]]}", "is not as documented: more than a page can hold"),
            ('{"result": [' + "{}," * 200_000 + "{}]}", "is not as documented: more than a page can hold"),
            (b'{"result": "planted \xff"}', "is text of broken characters"),
            ("17", "is not as documented: expected a mapping, got a whole number"),
            ('{"success": false, "result": {}}', "200 and success: false from"),
            ('{"success": false, "result": "planted"}', "Cloudflare says that it failed"),
        ],
    )
    def test_invalid_answer(self, mock: responses.RequestsMock, body: str | bytes, words: str) -> None:
        """An answer with 200 that is not the envelope with its result is invalid, and not asked for again."""
        bench = Bench()
        script = Script(mock, (200, HEADERS, body))
        message = bench.failure(reason="invalid_response")
        assert words in message
        assert POLICY_TEST.place in message
        assert len(script.requests) == 1

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ('{"access_seat": "planted"}', "result[1].access_seat: expected true or false, got a string"),
            ('{"created_at": "planted"}', "result[1].created_at: expected a date such as 2026-01-31T09:30:00Z"),
            ('{"active_device_count": []}', "result[1].active_device_count: expected a number, got a list"),
            ('"planted"', "result[1]: expected a mapping, got a string"),
        ],
    )
    def test_place_of_what_is_wrong(self, mock: responses.RequestsMock, row: str, words: str) -> None:
        """What is wrong with an answer is told by its place and in words, not by its value."""
        bench = Bench()
        Script(mock, (200, HEADERS, f'{{"result": [{{"id": "1"}}, {row}]}}'), endpoint=USERS)
        assert bench.failure(bench.rows) == f"the answer of /access/users is not as documented: {words}"

    def test_place_of_an_answer(self) -> None:
        """Messages name an endpoint as people know it, not as the code does."""
        places = [endpoint.place for endpoint in (USERS, POLICY_TEST, POLICY_TEST_USERS)]
        assert places == ["/access/users", "/access/policy-tests/ID", "/access/policy-tests/ID/users"]

    def test_result_null_of_a_list(self, mock: responses.RequestsMock) -> None:
        """A list that is null is not an empty list."""
        bench = Bench()
        Script(mock, (200, HEADERS, '{"success": true, "result": null}'), endpoint=USERS)
        assert "has no result" in bench.failure(bench.rows, "invalid_response")

    def test_parts_that_may_be_missing(self, mock: responses.RequestsMock) -> None:
        """A result is a good answer even where the rest of the envelope is missing, null or of another type."""
        bench = Bench()
        Script(mock, (200, {}, '{"result": {}}'), (200, {}, '{"success": null, "errors": 5, "result": {}, "x": []}'))
        assert bench.get() == Anything()
        assert bench.get() == Anything()


class TestRetries:
    @pytest.mark.parametrize(
        ("failure", "code"),
        [
            (refusal(500), "500"),
            (refusal(503), "503"),
            ((520, {}, HTML), "520"),
            (ConnectionResetError("planted"), "network"),
            (requests.ConnectionError("planted"), "network"),
            (requests.exceptions.ChunkedEncodingError("planted"), "network"),
            (requests.ReadTimeout("planted"), "timeout"),
            (requests.ConnectTimeout("planted"), "timeout"),
        ],
    )
    def test_what_may_pass(self, mock: responses.RequestsMock, failure: Any, code: str) -> None:
        """Failures that may pass are tried again after half a second, one and two, each up to half a second later."""
        bench = Bench()
        script = Script(mock, failure, failure, failure, good())
        assert bench.get() == Anything()
        assert len(script.requests) == 4
        assert [0 <= wait - least <= 0.5 for wait, least in zip(bench.clock.slept, (0.5, 1, 2), strict=True)] == [
            True
        ] * 3
        assert bench.codes() == {code: 3, "200": 1}
        assert bench.sample("retries_total", endpoint="policy_test") == 3

    @pytest.mark.parametrize(
        ("failure", "reason"),
        [
            (refusal(500), "server"),
            (refusal(429), "rate_limited"),
            (ConnectionResetError("planted"), "network"),
            (requests.ReadTimeout("planted"), "timeout"),
        ],
    )
    def test_what_does_not_pass(self, mock: responses.RequestsMock, failure: Any, reason: str) -> None:
        """After four tries the failure stands."""
        bench = Bench()
        script = Script(mock, failure)
        bench.failure(reason=reason)
        assert len(script.requests) == 4
        assert bench.sample("retries_total", endpoint="policy_test") == 3

    @pytest.mark.parametrize(
        "answer",
        [
            *(refusal(status) for status in (400, 401, 403, 404, 405, 410, 301)),
            (204, {}, ""),
            (200, {}, HTML),
            (200, {}, '{"success": true, "result": 5}'),
            (200, {"Content-Encoding": "gzip"}, "planted"),
            refusal(200, 1),
        ],
    )
    def test_what_will_not_pass(self, mock: responses.RequestsMock, answer: Any) -> None:
        """A refusal or an answer that makes no sense would be the same again, so it is not asked for again."""
        bench = Bench()
        script = Script(mock, answer)
        bench.failure()
        assert len(script.requests) == 1
        assert bench.clock.slept == []
        assert bench.sample("retries_total", endpoint="policy_test") == 0

    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("retry_after", "least", "most"),
        [
            ("0", 0, 0),
            ("7", 7, 7),
            (" 30 ", 30, 30),
            (formatdate(0, usegmt=True), 0, 0),
            (None, 0.5, 1),
            ("", 0.5, 1),
            ("-5", 0.5, 1),
            ("1.5", 0.5, 1),
            ("soon", 0.5, 1),
            ("9" * 5000, 0.5, 1),
            ("Wed, 21 Oct 99999 07:28:00 GMT", 0.5, 1),
        ],
    )
    def test_retry_after(
        self, mock: responses.RequestsMock, status: int, retry_after: str | None, least: float, most: float
    ) -> None:
        """The wait an answer asks for is kept to; where it makes no sense, it is that of any other failure."""
        bench = Bench()
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        Script(mock, refusal(status, headers=headers), good())
        assert bench.get() == Anything()
        assert least <= sum(bench.clock.slept) <= most + 1e-6

    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_date(self, mock: responses.RequestsMock, status: int) -> None:
        """The end of a wait may be a date."""
        bench = Bench()
        bench.clock.now = time.time()
        date = formatdate(time.time() + 20, usegmt=True)
        Script(mock, refusal(status, headers={"Retry-After": date}), good())
        assert bench.get() == Anything()
        assert 15 < sum(bench.clock.slept) <= 20

    @pytest.mark.parametrize("retry_after", ["31", "300", "99999999999", formatdate(253370764800, usegmt=True)])
    @pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (503, "server")])
    def test_long_retry_after(self, mock: responses.RequestsMock, status: int, reason: str, retry_after: str) -> None:
        """A wait of more than half a minute is not waited for: the poll fails and says so."""
        bench = Bench()
        script = Script(mock, refusal(status, headers={"Retry-After": retry_after}))
        seconds = 31 if retry_after == "31" else 300
        assert f"{status} from {POLICY_TEST.place}, to be asked again in {seconds} s: " in bench.failure(reason=reason)
        assert len(script.requests) == 1
        assert bench.clock.slept == []

    def test_waits_add_up(self, mock: responses.RequestsMock) -> None:
        """All waits of a request together take half a minute at most."""
        bench = Bench()
        script = Script(mock, refusal(503, headers={"Retry-After": "12"}))
        bench.failure(reason="server")
        assert len(script.requests) == 3
        assert bench.clock.slept == [12, 12]

    def test_stop(self, mock: responses.RequestsMock) -> None:
        """The wait between two tries ends when the process stops, and so does the poll."""
        bench = Bench()
        Script(mock, refusal(500))
        bench.clock.stop.set()
        with pytest.raises(StoppingError):
            bench.get()

    def test_walk_within(self, mock: responses.RequestsMock) -> None:
        """A walk that takes longer than its numbers may be old is given up."""
        bench = Bench()

        def page(request: PreparedRequest) -> Any:
            bench.clock.now += 400
            return good([{"id": request.url}])

        mock.add_callback("GET", url_of(USERS), page)
        message = bench.failure(bench.rows, "timeout")
        assert message == f"page 6 of {USERS.place} was not reached within 1800 s"


class TestPause:
    def test_pauses_the_credential(self, mock: responses.RequestsMock) -> None:
        """After a 429 nothing leaves with this credential until the wait is over, whoever asks."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 85
        other = bench.another(Secret("the test", "other-secret"))
        assert other.get(POLICY_TEST, Anything, **IDS) == Anything()
        assert sum(bench.clock.slept) == pytest.approx(15)

    def test_not_asked(self, mock: responses.RequestsMock) -> None:
        """While a pause lasts for longer than a request would wait, polls fail without a request."""
        bench = Bench()
        script = Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 40
        message = bench.failure(reason="rate_limited")
        assert message == "not asked: after a 429 the credential is paused for 60 s more"
        bench.clock.now += 60
        assert bench.get() == Anything()
        assert len(script.requests) == 2

    def test_at_most_five_minutes(self, mock: responses.RequestsMock) -> None:
        """No word of the server pauses a credential for more than five minutes."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "86400"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 300
        assert bench.get() == Anything()
        assert bench.clock.slept == []

    def test_ratelimit_header(self, mock: responses.RequestsMock) -> None:
        """What is left by the Ratelimit header is shown, and made to last."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": '"default";r=3;t=40'}, '{"result": {}}'), good())
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") == 3
        bench.get()
        assert bench.clock.slept == [10]

    @pytest.mark.parametrize("header", ["", "r=", "r=x;t=1", '"default";t=30', "r=99999999999", "r=-1", "planted"])
    def test_odd_ratelimit_header(self, mock: responses.RequestsMock, header: str) -> None:
        """A header nobody can read changes nothing."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": header}, '{"result": {}}'))
        bench.get()
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") is None
        assert bench.clock.slept == []


class TestOnce:
    """What is nice to have is asked for in one request, which waits for nothing."""

    def once(self, bench: Bench) -> Anything:
        """Ask in a single request."""
        return bench.client.get_once(POLICY_TEST, Anything, **IDS)

    def test_good(self, mock: responses.RequestsMock) -> None:
        """A good answer is a good answer."""
        Script(mock, good())
        bench = Bench()
        assert self.once(bench) == Anything()
        assert bench.codes() == {"200": 1}

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (refusal(401), "auth"),
            (refusal(403, 10000), "permission"),
            (refusal(404), "not_found"),
            (refusal(429), "rate_limited"),
            (refusal(503), "server"),
            (requests.ConnectionError(), "network"),
            (requests.Timeout(), "timeout"),
            ((200, {}, "<html>"), "invalid_response"),
        ],
    )
    def test_bad(self, mock: responses.RequestsMock, tmp_path: Path, answer: Any, reason: str) -> None:
        """Whatever else comes back ends it, even where there is a new token to try."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, answer)
        path.write_text("secret-new")
        bench.failure(lambda: self.once(bench), reason)
        assert len(script.requests) == 1
        assert bench.sample("retries_total", endpoint="policy_test") == 0
        assert bench.clock.slept == []

    def test_pause(self, mock: responses.RequestsMock) -> None:
        """A 429 pauses the credential for what it asks, and during any pause nothing is sent."""
        script = Script(mock, refusal(429, headers={"Retry-After": "20"}), good())
        bench = Bench()
        bench.failure(lambda: self.once(bench), "rate_limited")
        message = bench.failure(lambda: self.once(bench), "rate_limited")
        assert message == "not asked: after a 429 the credential is paused for 20 s more"
        assert (len(script.requests), bench.clock.slept) == (1, [])
        assert bench.get() == Anything()
        assert bench.clock.slept == [20]

    def test_a_limit_without_a_time(self, mock: responses.RequestsMock) -> None:
        """A 429 that does not say how long pauses the credential for as long as before a second try."""
        Script(mock, refusal(429), good())
        bench = Bench()
        bench.failure(lambda: self.once(bench), "rate_limited")
        bench.get()
        (slept,) = bench.clock.slept
        assert 0.5 <= slept <= 1


class TestCredentials:
    def test_token(self, mock: responses.RequestsMock) -> None:
        """A token is sent as bearer token."""
        script = Script(mock, good())
        Bench().get()
        assert script.requests[0].headers["Authorization"] == "Bearer secret-token"

    def test_key(self, mock: responses.RequestsMock) -> None:
        """A global key is sent beside its email, and no Authorization with it."""
        script = Script(mock, good())
        Bench(secret=Secret("the test", "secret-key"), email=Secret("the test", "jane@doe.example")).get()
        sent = script.requests[0].headers
        assert (sent["X-Auth-Email"], sent["X-Auth-Key"]) == ("jane@doe.example", "secret-key")
        assert "Authorization" not in sent

    def test_netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a .netrc says of the host is not sent in place of the token."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login planted password planted\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with simulator() as server:
            assert Bench(server.url).rows() == ["0"]
        assert server.arrivals[0].headers["authorization"] == "Bearer secret-token"

    @pytest.mark.parametrize("refused", [refusal(401), refusal(403, 9109), refusal(403, 10000), refusal(400, 6003)])
    def test_rotation(self, mock: responses.RequestsMock, tmp_path: Path, refused: Any) -> None:
        """A token that was replaced in its file is used at once, and a refusal of the new one stands."""
        path = tmp_path / "token"
        path.write_text("secret-old\n")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, good(), refused, good(), refused)
        bench.get()
        path.write_text("secret-new\n")
        assert bench.get() == Anything()
        bench.failure()
        tokens = [request.headers["Authorization"].removeprefix("Bearer secret-") for request in script.requests]
        assert tokens == ["old", "old", "new", "new"]
        assert bench.sample("retries_total", endpoint="policy_test") == 1

    def test_rotation_once(self, mock: responses.RequestsMock, tmp_path: Path) -> None:
        """A request is sent again for one new token only, however often the file changes."""
        path = tmp_path / "token"
        path.write_text("secret-0")
        bench = Bench(secret=Secret("the file", path=str(path)))
        used = []

        def refuse(request: PreparedRequest) -> Any:
            used.append(request.headers["Authorization"])
            path.write_text(f"secret-{len(used)}")
            return refusal(401)

        mock.add_callback("GET", url_of(POLICY_TEST), refuse)
        bench.failure(reason="auth")
        assert used == ["Bearer secret-0", "Bearer secret-1"]

    @pytest.mark.parametrize("content", [None, "", "two words", "secret-old"])
    def test_no_rotation(self, mock: responses.RequestsMock, tmp_path: Path, content: str | None) -> None:
        """A refusal stands where the file is gone, empty, unusable or as before."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, refusal(401))
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        bench.failure(reason="auth")
        assert len(script.requests) == 1


def simulator(users: int = 1, fault: Callable[[Handler], None] | None = None, **options: Any) -> Simulator:
    """An account of so many users over real HTTP, where every request ends in a fault if one is given."""
    test = PolicyTest(TEST_ID)
    account = Account(ACCOUNT_ID, [User(str(number)) for number in range(users)], [test], token=TOKEN)
    return Simulator([account], fault=None if fault is None else lambda _: fault, **options)


def reset(handler: Handler) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: chunked"


def sends(*lines: str) -> Callable[[Handler], None]:
    """Send these lines, and nothing after them."""

    def send(handler: Handler) -> None:
        handler.wfile.write("\r\n".join(lines).encode())

    return send


def answers(body: bytes, encoding: str = "identity") -> Callable[[Handler], None]:
    """Give a whole answer with this body."""
    return lambda handler: handler.send(Response(200, body, {"Content-Encoding": encoding}))


MEGABYTE = b"planted " * (1 << 17)


def endless_body(handler: Handler) -> None:
    """Send 200 MB."""
    sends(OK, f"Content-Length: {200 * len(MEGABYTE)}", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)


def endless_chunks(handler: Handler) -> None:
    """Send 200 MB without saying how much it will be."""
    sends(OK, CHUNKED, "", "")(handler)
    for _ in range(200):
        handler.wfile.write(b"100000\r\n" + MEGABYTE + b"\r\n")


def gzip_bomb(status: str = "200 OK", *lines: str) -> Callable[[Handler], None]:
    """Send 200 MB in 200 KB."""
    body = gzip.compress(b" " * (200 << 20), compresslevel=1)

    def send(handler: Handler) -> None:
        sends(f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Encoding: gzip", *lines, "", "")(handler)
        handler.wfile.write(body)

    return send


def redirect_with_endless_body(handler: Handler) -> None:
    """Send 200 MB with a redirect, which nobody needs to read."""
    sends("HTTP/1.1 302 Found", f"Content-Length: {200 * len(MEGABYTE)}", "Location: /client/v4", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)


class TestSize:
    @pytest.mark.parametrize(
        ("fault", "words"),
        [
            pytest.param(endless_body, "is larger than 4194304 bytes; try a smaller api.page_size", id="body"),
            pytest.param(endless_chunks, "is larger than 4194304 bytes; try a smaller api.page_size", id="chunks"),
            pytest.param(gzip_bomb(), "is larger than 4194304 bytes; try a smaller api.page_size", id="gzip bomb"),
            pytest.param(gzip_bomb("403 Forbidden"), READ_TESTS, id="gzip bomb in a refusal"),
            pytest.param(gzip_bomb("302 Found", "Location: /"), "a redirect", id="gzip bomb in a redirect"),
            pytest.param(redirect_with_endless_body, "a redirect", id="body of a redirect"),
        ],
    )
    def test_bounded(self, fault: Callable[[Handler], None], words: str) -> None:
        """However much comes, in whatever form, little of it is kept, and the answer is refused."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            tracemalloc.start()
            try:
                message = bench.failure()
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        assert words in message
        assert peak < 30 << 20

    def test_largest(self) -> None:
        """An answer of four megabytes is still read."""
        body = b'{"success": true, "result": {}}'

        def large(handler: Handler) -> None:
            handler.send(Response(200, body.ljust(4 << 20)))

        with simulator(fault=large) as server:
            assert Bench(server.url).get() == Anything()


class TestTime:
    @pytest.fixture
    def end(self) -> Iterator[threading.Event]:
        """Ends what hangs when the test does."""
        end = threading.Event()
        yield end
        end.set()

    @pytest.mark.parametrize("slow_part", ["nothing", "head", "header", "body", "chunks", "gzip"])
    def test_slow(self, end: threading.Event, slow_part: str) -> None:
        """An answer that comes byte by byte is cut off at the timeout, wherever it is slow."""
        beginnings = {
            "nothing": b"",
            "head": b"",
            "header": b"HTTP/1.1 200 OK\r\nX-Planted: ",
            "body": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
            "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n",
        }
        drips = {"nothing": b"", "head": b"H", "chunks": b"1\r\n \r\n", "gzip": gzip.compress(b" " * 1000)[:1]}

        def drip(handler: Handler) -> None:
            handler.wfile.write(beginnings[slow_part])
            while not end.wait(0.02):
                handler.wfile.write(drips.get(slow_part, b" "))

        with simulator(fault=drip) as server:
            bench = Bench(server.url, timeout=0.15)
            started = time.monotonic()
            message = bench.failure(reason="timeout")
            took = time.monotonic() - started
            end.set()
        assert message == f"no whole answer of {POLICY_TEST.place} within 0.15 s"
        assert bench.codes() == {"timeout": 4}
        assert 4 * 0.15 <= took < 10

    def test_deadline_of_each_request(self) -> None:
        """The timeout bounds each request of a connection, not the connection."""
        with simulator() as server:
            bench = Bench(server.url, timeout=0.5)
            started = time.monotonic()
            while time.monotonic() < started + 0.7:
                bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 1
        assert bench.codes().keys() == {"200"}


class TestConnection:
    def test_one_connection(self) -> None:
        """Requests one after the other share a connection, with compressed answers too."""
        with simulator(users=5, compress=True, max_per_page=2) as server:
            assert Bench(server.url).rows() == ["0", "1", "2", "3", "4"]
        assert len({arrival.client for arrival in server.arrivals}) <= 4
        assert server.arrivals[0].headers["accept-encoding"] == "gzip"

    def test_more_than_was_asked_for(self) -> None:
        """A connection on which more comes than an answer is not used again: the next request would get the rest."""
        with simulator(fault=says_after(b"HTTP/1.1 200 OK\r\nContent-Len")) as server:
            bench = Bench(server.url)
            bench.get()
            bench.get()
        assert len({arrival.client for arrival in server.arrivals}) == 2

    def test_concurrency(self) -> None:
        """No more requests are in flight than configured, and no more connections open."""
        with simulator(users=40, max_per_page=1) as server:
            assert len(Bench(server.url, concurrency=3).rows()) == 40
        assert len({arrival.client for arrival in server.arrivals}) <= 3

    def test_no_retry_for_nobody(self) -> None:
        """After a page failed for good, no page that was asked for ahead of it is asked for again."""
        failed = threading.Event()

        def fail_later(handler: Handler) -> None:
            failed.wait(10)
            handler.send(Response(500, b"planted"))

        def fault(request: Request) -> Callable[[Handler], None] | None:
            if request.page == 3:
                return lambda handler: handler.send(Response(403, b"planted"))
            return fail_later if (request.page or 0) > 3 else None

        with simulator(users=40, max_per_page=1) as server:
            server.fault = fault
            bench = Bench(server.url)
            bench.failure(bench.rows, "permission")
            failed.set()
            for thread in threading.enumerate():
                if thread.name.startswith("page-"):
                    thread.join(10)
        asked = Counter(arrival.page for arrival in server.arrivals)
        assert set(asked.values()) == {1}

    def test_cookies(self) -> None:
        """Cookies are not sent back."""

        def cookie(handler: Handler) -> None:
            answer = handler.response()
            handler.send(replace(answer, headers={"Set-Cookie": "planted=cookie; Path=/"}))

        with simulator(fault=cookie) as server:
            bench = Bench(server.url)
            bench.get()
            bench.get()
        assert "cookie" not in server.arrivals[1].headers

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        "location", ["other", "same", "//[planted", "planted://", "http://user:planted@", "\xff\xfe", ""]
    )
    def test_redirect(self, status: int, location: str) -> None:
        """A redirect is an error, wherever it leads to, and the token never gets there."""

        def redirect(handler: Handler) -> None:
            target = {"other": other.url + "/planted", "same": server.url + "/planted"}.get(location, location)
            handler.send(Response(status, b"planted", {"Location": target}))

        with simulator() as other, simulator(fault=redirect) as server:
            bench = Bench(server.url)
            message = bench.failure(reason="invalid_response")
        assert message == f"{status} from {POLICY_TEST.place}: a redirect, which is never followed; check api.url"
        assert len(server.arrivals) == 1
        assert not other.arrivals
        assert bench.codes() == {str(status): 1}

    @pytest.mark.parametrize(
        ("fault", "reason", "words"),
        [
            (reset, "network", "the connection was reset"),
            (sends(), "network", "the connection was reset"),
            (sends("planted"), "network", "the answer was not HTTP or broke off"),
            (sends("\x16\x03\x01planted"), "network", "the answer was not HTTP or broke off"),
            (sends("HTTP/1.1 planted", "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, *["X: planted"] * 200, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, "X: " + "planted" * 10_000, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, "Content-Length: 100", "", ""), "network", "the answer broke off"),
            (sends(OK, "Content-Length: 100", "", '{"result": {}'), "network", "the answer broke off"),
            (sends(OK, CHUNKED, "", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, CHUNKED, "", "planted", ""), "network", "the answer was not HTTP or broke off"),
            (sends(OK, CHUNKED, "", "2", "{}", ""), "network", "the answer was not HTTP or broke off"),
            (answers(b'{"result": {'), "invalid_response", "is not JSON"),
            (answers(b"planted", "gzip"), "invalid_response", "cannot be unpacked"),
            (answers(b"planted", "br"), "invalid_response", "is not JSON"),
            (answers(gzip.compress(b'{"result": {}}')[:-12], "gzip"), "invalid_response", "is not JSON"),
            (answers(b"planted", ", ".join(["gzip"] * 50)), "invalid_response", "cannot be unpacked"),
        ],
    )
    def test_broken(self, fault: Callable[[Handler], None], reason: str, words: str) -> None:
        """A connection or an answer that breaks has its reason, in words that hold nothing of what was sent."""
        with simulator(fault=fault) as server:
            bench = Bench(server.url)
            message = bench.failure(reason=reason)
        assert words in message
        assert POLICY_TEST.place in message

    def test_refused(self) -> None:
        """A server that is not there refuses the connection."""
        with simulator() as server:
            url = server.url
        assert (
            Bench(url).failure(reason="network")
            == f"no whole answer of {POLICY_TEST.place}: the connection was refused"
        )

    def test_unknown_failure(self, mock: responses.RequestsMock) -> None:
        """A failure of a kind nobody foresaw is told without the words of the library."""
        Script(mock, requests.RequestException("planted"))
        message = Bench().failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the connection failed"

    def test_unknown_host(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host that does not exist is told apart from one that is not there."""

        def unknown(*_: object, **__: object) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "planted")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the name of the host does not resolve"

    def test_a_resolver_that_says_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The timeout of a request holds for the look-up of its host, too, which the system would wait longer for."""
        answered = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(30))
        bench = Bench("https://api.example/client/v4", timeout=0.05)
        started = time.monotonic()
        try:
            assert bench.failure(reason="timeout") == f"no whole answer of {POLICY_TEST.place} within 0.05 s"
        finally:
            answered.set()
        assert time.monotonic() - started < 15

    def test_without_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the system has no more threads to give, pages are fetched one after the other."""

        def start(thread: threading.Thread) -> None:
            if thread.name.startswith("page-"):
                raise RuntimeError("can't start new thread")
            real(thread)

        real = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", start)
        with simulator(users=9, max_per_page=2) as server:
            assert len(Bench(server.url).rows()) == 9
        assert len({arrival.client for arrival in server.arrivals}) == 1


class TestProxy:
    def test_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The proxy of the environment is used, and its answers are bounded like any other."""
        hang = threading.Event()

        def drip(handler: Handler) -> None:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not hang.wait(0.02):
                handler.wfile.write(b" ")

        with simulator() as proxy:
            monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/client/v4"))
            assert Bench("http://api.example/client/v4").rows() == ["0"]
            proxy.fault = lambda _: drip
            Bench("http://api.example/client/v4", timeout=0.1).failure(reason="timeout")
            hang.set()

    def test_refusing_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy that lets nothing through is named as such, without its password."""
        with simulator() as proxy:
            monkeypatch.setenv("https_proxy", proxy.url.replace("//", "//jane:planted@").removesuffix("/client/v4"))
            message = Bench("https://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: the proxy did not let the connection through"

    @pytest.mark.parametrize("scheme", ["http", "https"])
    @pytest.mark.parametrize(
        ("address", "words"),
        [
            ("http://jane:planted@127.0.0.1:{closed}", "at the proxy, the connection was refused"),
            ("http://jane:planted@planted.invalid:3128", "at the proxy, the name of the host does not resolve"),
            ("http://jane:planted@[planted", "the address of the proxy cannot be used"),
            ("http://jane:planted%E2%82%AC@127.0.0.1:{closed}", "the address of the proxy cannot be used"),
            ("socks5://jane:planted@127.0.0.1:{closed}", "this kind of proxy is not supported"),
        ],
    )
    def test_no_proxy_there(self, monkeypatch: pytest.MonkeyPatch, scheme: str, address: str, words: str) -> None:
        """A failure on the way to the proxy is not told as one of Cloudflare."""
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv(f"{scheme}_proxy", address.replace("{closed}", str(closed.getsockname()[1])))
            message = Bench(f"{scheme}://api.example/client/v4").failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: {words}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of the loopback address with its key, both in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=planted"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path) + ".key", "-out", str(path)]
    subprocess.run(["openssl", "req", "-x509", *kind, *files], check=True, capture_output=True)
    return path


@pytest.mark.parametrize("content", [None, "planted"])
def test_no_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None) -> None:
    """A file of certificate authorities that is missing, or is none, is named by the variable that names it."""
    path = tmp_path / "authorities.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with simulator() as server:
        message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
    assert message.endswith(": the certificate authorities that REQUESTS_CA_BUNDLE names cannot be used")


class TestTLS:
    @pytest.fixture
    def server(self, certificate: Path) -> Iterator[Simulator]:
        """An account over TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{certificate}.key")
        with simulator(ssl_context=context) as server:
            yield server

    def test_trusted(self, server: Simulator, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A certificate of an authority the environment names is accepted, and the timeout holds over TLS."""
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        end = threading.Event()

        def drip(handler: Handler) -> None:
            while not end.wait(0.02):
                handler.wfile.write(b"H")

        assert Bench(server.url).rows() == ["0"]
        server.fault = lambda _: drip
        Bench(server.url, timeout=0.15).failure(reason="timeout")
        end.set()

    def test_not_trusted(self, server: Simulator) -> None:
        """A certificate of nobody is refused, before the token is sent."""
        message = Bench(server.url).failure(reason="network")
        assert f"no whole answer of {POLICY_TEST.place}: the certificate of the server is not valid: self" in message
        assert not server.arrivals

    def test_no_tls(self) -> None:
        """A server that does not speak TLS is named as such."""
        with simulator() as server:
            message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
        assert message == f"no whole answer of {POLICY_TEST.place}: TLS could not be agreed on with the server"


class TestMetrics:
    def test_requests(self) -> None:
        """Requests are counted by endpoint and code, and timed."""

        def fault(request: Request) -> Callable[[Handler], None] | None:
            return reset if request.page == 2 and len(server.arrivals) == 2 else None

        with simulator(users=3, max_per_page=2, fault=None) as server:
            server.fault = fault
            bench = Bench(server.url, concurrency=1)
            assert bench.rows() == ["0", "1", "2"]
        assert bench.codes("users") == {"200": 2, "network": 1}
        assert bench.sample("retries_total", endpoint="users") == 1
        assert bench.sample("request_duration_seconds_count", endpoint="users") == 3
        assert bench.sample("ratelimit_remaining", credential="first account") == 1198

    def test_duration(self, mock: responses.RequestsMock) -> None:
        """The duration is the time from sending the request to the end of its answer, without the wait before it."""
        bench = Bench()

        def slow(_: PreparedRequest) -> Any:
            bench.clock.now += 4
            return good()

        mock.add_callback("GET", url_of(POLICY_TEST), slow)
        bench.pacer.pause(20)
        bench.get()
        assert bench.sample("request_duration_seconds_sum", endpoint="policy_test") == 4
