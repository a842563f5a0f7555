"""Endless lists with long and unknown values: memory does not grow with these values."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from access_exporter import memory, simulator
from access_exporter.cloudflare import cursor, pagination
from access_exporter.config.durations import Duration
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, Devices, PolicyTest, ServiceTokens, Users
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Handler, Request, Response, Simulator
from tests.fleet import Fleet

TEST = "f1a8" * 16
ROWS, FIRST, LAST = 1000, 40, 120  # rows of a page, and the two pages at which memory is compared
MOST_GROWTH = 18 << 20  # 80,000 known ids take 9 MB; their texts would take 30 to 100 MB
LONG = "x" * 1000

Row = Callable[[int], dict[str, Any]]
USERS = Users(domains=100, stale_after=Duration(86400))
ENDLESS: dict[str, tuple[str, Row]] = {
    "statuses of a policy test": ("policy_test_users", lambda number: {"status": f"{number}{LONG}"}),
    "domains": ("users", lambda number: {"email": f"a@{number:07}.{'.'.join(['x' * 60] * 4)[:230]}.example"}),
    "numbers of devices": ("users", lambda number: {"active_device_count": number, "name": LONG}),
    "long numbers of devices": ("users", lambda number: {"active_device_count": float(f"{number}.5e280")}),
    "types of registrations": ("devices", lambda number: {"registration_type": f"{number}{LONG}"}),
    "versions of the client": ("devices", lambda number: {"device": {"client_version": f"1.{number}.{'0' * 30}"}}),
    "devices of one user": ("devices", lambda _: {"user": {"id": LONG, "email": LONG}}),
    "ids": ("users", lambda _: {}),
}


@pytest.fixture(autouse=True)
def _high_row_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pagination, cursor):
        monkeypatch.setattr(module, "MAX_ROWS", ROWS * LAST)


class Endless:
    """A list with new rows on every page, and the memory in use at each request."""

    def __init__(self, endpoint: str, row: Row) -> None:
        self.in_use: list[int] = []
        self._endpoint = endpoint
        self._row = row

    def fault(self, request: Request) -> Callable[[Handler], None] | None:
        return self._answer if request.endpoint == self._endpoint else None

    def _answer(self, handler: Handler) -> None:
        self.in_use.append(tracemalloc.get_traced_memory()[0])
        numbers = range(len(self.in_use) * ROWS, (len(self.in_use) + 1) * ROWS)
        rows = [{"id": f"{number}{LONG}"} | self._row(number) for number in numbers]
        info = {"cursor": str(len(self.in_use))}
        body = json.dumps({"success": True, "result": rows, "result_info": info})
        handler.send(Response(200, body.encode(), {}))


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()
    memory.give_back()


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(("endpoint", "row"), ENDLESS.values(), ids=ENDLESS)
def test_memory(endpoint: str, row: Row) -> None:
    """For an endless list, memory does not grow with the values of its rows, and the poll ends at the row limit."""
    endless = Endless(endpoint, row)
    exporter = polled_by(endless, endpoint)
    assert len(endless.in_use) > LAST
    assert endless.in_use[LAST] - endless.in_use[FIRST] < MOST_GROWTH
    assert exporter.health("a") == {"success": 0, "invalid_response": 1}


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("row", "pages"),
    [
        pytest.param(lambda number: {"id": str(number), "name": LONG}, 11, id="names"),
        pytest.param(lambda number: {"id": f"{number:064}"}, 11, id="ids"),
        pytest.param(lambda number: {"id": f"{number:065}"}, 1, id="long ids"),
    ],
)
def test_service_tokens(row: Row, pages: int) -> None:
    """Too many service tokens, or ids that are too long, fail the poll and leave no memory in use."""
    endless = Endless("service_tokens", row)
    exporter = polled_by(endless, "service_tokens")
    assert exporter.health("a") == {"success": 0, "invalid_response": 1}
    assert len(endless.in_use) == pages
    assert tracemalloc.get_traced_memory()[0] - endless.in_use[0] < 2 << 20


def polled_by(endless: Endless, endpoint: str) -> Fleet:
    """Poll one target of an account with one endless list."""
    secret = Secret("the test", "token")
    account = AccountConfig(
        id="a",
        api_token=secret,
        users=endpoint == "users" and USERS,
        devices=endpoint == "devices" and Devices(),
        policy_tests=(PolicyTest(id=TEST, name="wiki"),) if endpoint == "policy_test_users" else (),
        service_tokens=endpoint == "service_tokens" and ServiceTokens(),
    )
    finished = simulator.PolicyTest(TEST, "complete", [])
    with Simulator([Account("a", [], [finished], token="token")], fault=endless.fault) as server:
        api = Api(url=server.url, concurrency=1, requests_per_second=10_000, burst=1_000_000)
        exporter = Fleet(Config(api=api, accounts=(account,)))
        exporter.poll()
    return exporter
