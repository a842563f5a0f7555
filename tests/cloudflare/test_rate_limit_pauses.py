"""A 429 pauses the credential, and the Ratelimit header slows it down."""

import pytest
import responses

from access_exporter.config.secrets import Secret
from tests.api_client import (
    IDS,
    POLICY_TEST,
    Anything,
    Bench,
    Script,
    good,
    refusal,
)

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestPause:
    def test_pauses_the_credential(self, mock: responses.RequestsMock) -> None:
        """After a 429 nothing leaves with this credential until the wait is over, whoever asks."""
        bench = Bench()
        Script(mock, refusal(429, headers={"Retry-After": "100"}), good())
        bench.failure(reason="rate_limited")
        bench.clock.now += 85
        other = bench.another(Secret("the test", "other-secret"))
        assert other.get(POLICY_TEST.of(**IDS), Anything) == Anything()
        assert sum(bench.clock.slept) == pytest.approx(15)

    def test_not_asked(self, mock: responses.RequestsMock) -> None:
        """While a pause lasts for longer than a request would wait, polls fail without a request."""
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
