"""Which failed requests the client retries, how often, and how long it waits before each retry."""

import json
import time
from email.utils import formatdate
from typing import Any

import pytest
import requests
import responses

from access_exporter.errors import StoppingError
from tests.api_client import HTML, POLICY_TEST, Anything, Bench, Script, good, refusal

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestWhichFailures:
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
    def test_temporary_failure(self, mock: responses.RequestsMock, failure: Any, code: str) -> None:
        """The client retries a temporary failure after 0.5 s, 1 s and 2 s, each plus a random time up to 0.5 s."""
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
    def test_failure_that_persists(self, mock: responses.RequestsMock, failure: Any, reason: str) -> None:
        """The poll fails after four failed tries of a request."""
        bench = Bench()
        script = Script(mock, failure)
        bench.failure(reason=reason)
        assert len(script.requests) == 4
        assert bench.sample("retries_total", endpoint="policy_test") == 3

    @pytest.mark.parametrize(
        "response",
        [
            *(refusal(status) for status in (400, 401, 403, 404, 405, 410, 301)),
            (204, {}, ""),
            (200, {}, HTML),
            (200, {}, '{"success": true, "result": 5}'),
            (200, {"Content-Encoding": "gzip"}, "planted"),
            refusal(200, 1),
        ],
    )
    def test_permanent_failure(self, mock: responses.RequestsMock, response: Any) -> None:
        """The client does not retry a refusal or an invalid response, because the next response would be the same."""
        bench = Bench()
        script = Script(mock, response)
        bench.failure()
        assert len(script.requests) == 1
        assert bench.clock.slept == []
        assert bench.sample("retries_total", endpoint="policy_test") == 0


class TestRetryAfter:
    @pytest.mark.parametrize("status", [429, 503])
    @pytest.mark.parametrize(
        ("retry_after", "least", "most"),
        [
            ("0", 0.5, 1),
            ("7", 7, 7),
            (" 30 ", 30, 30),
            (formatdate(0, usegmt=True), 0.5, 1),
            (None, 0.5, 1),
            ("", 0.5, 1),
            ("-5", 0.5, 1),
            ("1.5", 1.5, 1.5),
            ("2.5", 2.5, 2.5),
            ("0.1", 0.5, 1),
            ("1e1", 0.5, 1),
            ("inf", 0.5, 1),
            ("nan", 0.5, 1),
            ("soon", 0.5, 1),
            ("9" * 5000, 0.5, 1),
            ("Wed, 21 Oct 99999 07:28:00 GMT", 0.5, 1),
        ],
    )
    def test_retry_after(
        self, mock: responses.RequestsMock, status: int, retry_after: str | None, least: float, most: float
    ) -> None:
        """The client waits as long as Retry-After says, and ignores a Retry-After that is not valid."""
        bench = Bench()
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        Script(mock, refusal(status, headers=headers), good())
        assert bench.get() == Anything()
        assert least <= sum(bench.clock.slept) <= most + 1e-6

    @pytest.mark.parametrize(
        ("body", "least", "most"),
        [
            ({"retry_after": 9}, 9, 9),
            ({"retry_after": "9"}, 9, 9),
            ({"errors": [{"code": 971, "retry_after": 9.5}]}, 9.5, 9.5),
            ({"retry_after": 0.1}, 0.5, 1),
            ({"retry_after": -9}, 0.5, 1),
            ({"retry_after": True}, 0.5, 1),
            ({"retry_after": [9]}, 0.5, 1),
            ({"retry_after": 1, "errors": [{"retry_after": 4}]}, 4, 4),
        ],
    )
    def test_retry_after_in_the_body(
        self, mock: responses.RequestsMock, body: dict[str, object], least: float, most: float
    ) -> None:
        """The client waits for the longest of `retry_after` in the body, Retry-After and its own pause."""
        bench = Bench()
        Script(mock, (429, {"Retry-After": "0"}, json.dumps(body)), good())
        assert bench.get() == Anything()
        assert least <= sum(bench.clock.slept) <= most + 1e-6

    def test_retry_after_zero(self, mock: responses.RequestsMock) -> None:
        """The client waits between its tries even if the server sends `Retry-After: 0`."""
        bench = Bench()
        script = Script(mock, refusal(429, headers={"Retry-After": "0"}))
        bench.failure(reason="rate_limited")
        assert len(script.requests) == 4
        assert sum(bench.clock.slept) >= 0.5 + 1 + 2

    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_date(self, mock: responses.RequestsMock, status: int) -> None:
        """The client accepts a date in Retry-After."""
        bench = Bench()
        bench.clock.now = time.time()
        date = formatdate(time.time() + 20, usegmt=True)
        Script(mock, refusal(status, headers={"Retry-After": date}), good())
        assert bench.get() == Anything()
        assert 15 < sum(bench.clock.slept) <= 20

    @pytest.mark.parametrize("retry_after", ["31", "300", "99999999999", formatdate(253370764800, usegmt=True)])
    @pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (503, "server")])
    def test_long_retry_after(self, mock: responses.RequestsMock, status: int, reason: str, retry_after: str) -> None:
        """If Retry-After is longer than 30 s, the poll fails at once and the error says when to retry."""
        bench = Bench()
        script = Script(mock, refusal(status, headers={"Retry-After": retry_after}))
        seconds = 31 if retry_after == "31" else 300
        assert f"{status} from {POLICY_TEST.place}, retry in {seconds} s: " in bench.failure(reason=reason)
        assert len(script.requests) == 1
        assert bench.clock.slept == []

    def test_total_wait(self, mock: responses.RequestsMock) -> None:
        """All waits of one request together take at most 30 s."""
        bench = Bench()
        script = Script(mock, refusal(503, headers={"Retry-After": "12"}))
        bench.failure(reason="server")
        assert len(script.requests) == 3
        assert bench.clock.slept == [12, 12]


def test_stop(mock: responses.RequestsMock) -> None:
    """A shutdown ends the wait before a retry, and stops the poll."""
    bench = Bench()
    Script(mock, refusal(500))
    bench.clock.stop.set()
    with pytest.raises(StoppingError):
        bench.get()
