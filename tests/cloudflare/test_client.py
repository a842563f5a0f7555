"""Requests that the client sends only once, and the time limit for reading a list."""

from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from requests import PreparedRequest

from access_exporter.config.secrets import Secret
from tests.api_client import IDS, POLICY_TEST, USERS, Anything, Bench, Script, good, refusal, url_of

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestSingleTry:
    """Optional requests, which the client neither retries nor delays."""

    def send_once(self, bench: Bench) -> Anything:
        """Send a request that the client does not retry."""
        return bench.client.get_once(POLICY_TEST.of(**IDS), Anything)

    def test_good_response(self, mock: responses.RequestsMock) -> None:
        """The client returns the result of a good response."""
        Script(mock, good())
        bench = Bench()
        assert self.send_once(bench) == Anything()
        assert bench.codes() == {"200": 1}

    @pytest.mark.parametrize(
        ("response", "reason"),
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
    def test_any_failure(self, mock: responses.RequestsMock, tmp_path: Path, response: Any, reason: str) -> None:
        """Any failure ends the request without a retry, even if the secret file holds a new token."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, response)
        path.write_text("secret-new")
        bench.failure(lambda: self.send_once(bench), reason)
        assert len(script.requests) == 1
        assert bench.sample("retries_total", endpoint="policy_test") == 0
        assert bench.clock.slept == []

    def test_pause(self, mock: responses.RequestsMock) -> None:
        """A 429 pauses the credential for the time in Retry-After, and no request is sent during the pause."""
        script = Script(mock, refusal(429, headers={"Retry-After": "20"}), good())
        bench = Bench()
        bench.failure(lambda: self.send_once(bench), "rate_limited")
        message = bench.failure(lambda: self.send_once(bench), "rate_limited")
        assert message == "rate-limit budget exhausted: after a 429 the credential is paused for 20 s more"
        assert (len(script.requests), bench.clock.slept) == (1, [])
        assert bench.get() == Anything()
        assert bench.clock.slept == [20]

    def test_429_without_retry_after(self, mock: responses.RequestsMock) -> None:
        """A 429 without Retry-After pauses the credential for 0.5 s to 1 s."""
        Script(mock, refusal(429), good())
        bench = Bench()
        bench.failure(lambda: self.send_once(bench), "rate_limited")
        bench.get()
        (slept,) = bench.clock.slept
        assert 0.5 <= slept <= 1


def test_time_limit_of_a_list(mock: responses.RequestsMock) -> None:
    """The poll fails with a timeout if it needs more than 1800 s to read the whole list."""
    bench = Bench()

    def page(request: PreparedRequest) -> Any:
        bench.clock.now += 400
        return good([{"id": request.url}])

    mock.add_callback("GET", url_of(USERS), page)
    message = bench.failure(bench.rows, "timeout")
    assert message == f"the poll did not reach page 6 of {USERS.place} within 1800 s"
