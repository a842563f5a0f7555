"""Metrics about the requests to Cloudflare."""

from collections.abc import Callable
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from access_exporter.simulator import Handler, Request
from tests.api_client import (
    POLICY_TEST,
    Bench,
    Script,
    good,
    reset,
    simulator,
    url_of,
)

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestMetrics:
    def test_requests(self) -> None:
        """The exporter counts requests by endpoint and status code, and measures their duration."""

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

    @pytest.mark.parametrize(
        ("status", "code"), [(403, "403"), (530, "530"), (299, "2xx"), (419, "4xx"), (599, "5xx"), (999, "9xx")]
    )
    def test_unregistered_status(self, mock: responses.RequestsMock, status: int, code: str) -> None:
        """A status code that is not registered is counted by class (4xx), which limits the number of time series."""
        bench = Bench()
        Script(mock, (status, {}, "{}"))
        bench.failure()
        assert bench.codes().keys() == {code}

    def test_duration(self, mock: responses.RequestsMock) -> None:
        """The measured duration starts when the request is sent, so the wait for the rate limit is not included."""
        bench = Bench()

        def slow(_: PreparedRequest) -> Any:
            bench.clock.now += 4
            return good()

        mock.add_callback("GET", url_of(POLICY_TEST), slow)
        bench.limiters.of({}).pause(20)
        bench.get()
        assert bench.sample("request_duration_seconds_sum", endpoint="policy_test") == 4
