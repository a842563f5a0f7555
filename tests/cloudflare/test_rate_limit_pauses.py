"""How a 429 pauses the credential, and how the Ratelimit header slows it down."""

import pytest
import responses

from access_exporter.config.secrets import Secret
from tests.api_client import IDS, POLICY_TEST, Anything, Bench, Script, good, refusal

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestPause:
    def test_pauses_the_credential(self, mock: responses.RequestsMock) -> None:
        """After a 429, every client with this credential waits until the pause is over, even with a new secret."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 85
        other = bench.another(Secret("the test", "other-secret"))
        assert other.get(POLICY_TEST.of(**IDS), Anything) == Anything()
        assert sum(bench.clock.slept) == pytest.approx(15)

    def test_poll_fails_during_a_long_pause(self, mock: responses.RequestsMock) -> None:
        """A poll fails without a request if the pause is longer than a request may wait."""
        bench = Bench()
        script = Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 40
        message = bench.failure(reason="rate_limited")
        assert message == "rate-limit budget exhausted: after a 429 the credential is paused for 60 s more"
        bench.clock.now += 60
        assert bench.get() == Anything()
        assert len(script.requests) == 2

    def test_at_most_five_minutes(self, mock: responses.RequestsMock) -> None:
        """A pause lasts at most five minutes, even if Retry-After is longer."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "86400"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 300
        assert bench.get() == Anything()
        assert bench.clock.slept == []

    def test_ratelimit_header(self, mock: responses.RequestsMock) -> None:
        """The exporter shows the remaining requests from the Ratelimit header, and spreads them until the reset."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": '"default";r=3;t=40'}, '{"result": {}}'), good())
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") == 3
        bench.get()
        assert bench.clock.slept == [10]

    @pytest.mark.parametrize("header", ["", "r=", "r=x;t=1", '"default";t=30', "r=99999999999", "r=-1", "planted"])
    def test_invalid_ratelimit_header(self, mock: responses.RequestsMock, header: str) -> None:
        """The exporter ignores a Ratelimit header that is not valid."""
        bench = Bench()
        Script(mock, (200, {"Ratelimit": header}, '{"result": {}}'))
        bench.get()
        bench.get()
        assert bench.sample("ratelimit_remaining", credential="first account") is None
        assert bench.clock.slept == []
