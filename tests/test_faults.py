"""After a fault of Cloudflare or the network, the last good numbers stay, one log line says why, and polls recover."""

import tracemalloc
from collections.abc import Callable

import pytest

from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Simulator
from access_exporter.simulator.account import Life
from tests.fakes import FakeClock
from tests.fault_table import FAULTS
from tests.faults import ALL, Fault, answers
from tests.fleet import Fleet
from tests.noises import NOISES, Noise
from tests.places import PLACES, RESULTS, Story, cloudflare, fleet, happening, is_up_to_date, time_passes, timeout

pytestmark = pytest.mark.usefixtures("short_lists")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault on a first or middle page changes no numbers, is counted and logged once, and the next poll recovers."""
    places = tuple(place for place in PLACES if place.endpoint in fault.endpoints)
    with cloudflare() as server:
        story = Story(server, places, log, timeout(fault.reason))
        server.fault = happening(fault)
        story.fail(fault.reason, fault.words)
        server.fault = None
        story.recover(fault.reason)


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.endpoints == ALL], ids=lambda fault: fault.name)
def test_fault_of_the_start_of_a_policy_test(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault of the POST that starts a policy test changes no numbers and is logged, and the POST is not repeated."""
    policies = PolicyTest(name="wiki", policies=("policy",), refresh=Interval(3600))
    account = Account("start", token="token-start")
    account.lives["policy",] = lambda: Life(RESULTS)
    secret = Secret("start", "token-start")
    clock = FakeClock()
    with Simulator([account], clock=clock.time) as server:
        api = Api(url=server.url, timeout=Duration(timeout(fault.reason)), requests_per_second=10_000, burst=1_000_000)
        configured = AccountConfig(id="start", api_token=secret, users=False, policy_tests=(policies,))
        exporter = Fleet(Config(api=api, accounts=(configured,)), clock)
        exporter.run(1)
        before = [line for line in exporter.page().splitlines() if "policy_test_users" in line]
        assert log() == []
        server.fault = lambda request: fault.happen if request.endpoint == "policy_tests" else None
        exporter.run(3700)
        assert exporter.health("start") == {"success": 0, fault.reason: 1}
        assert [line for line in exporter.page().splitlines() if "policy_test_users" in line] == before
        (line,) = log()
        assert f"reason={fault.reason} " in line
        assert fault.words in line
        assert "planted" not in line
        exporter.run(1000)
        assert [arrival.method for arrival in server.arrivals].count("POST") == 2
        server.fault = None
        exporter.run(3000)
        assert [arrival.method for arrival in server.arrivals].count("POST") == 3
        assert exporter.health("start")["success"] == 1


EXPIRATION = 'cloudflare_access_seat_expiration_seconds{{account_id="users"}} {}\n'
REDIRECT = Fault("redirect", "invalid_response", "", answers(302, Location="http://planted.example/"))
REFUSALS = ("auth", "permission", "not_found")


@pytest.mark.parametrize(
    "fault", [*(fault for fault in FAULTS if fault.endpoints == ALL), REDIRECT], ids=lambda fault: fault.name
)
def test_fault_of_an_optional_request(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault of an optional request fails no poll, costs one request, causes no wait, and is not logged."""
    with cloudflare() as server:
        account = server.accounts["users"]
        account.seat_expiration = "730h"
        exporter = fleet(server.url, PLACES[:1], timeout(fault.reason))
        exporter.poll()
        assert EXPIRATION.format("2.628e+06") in exporter.numbers("users")
        time_passes(account)
        account.seat_expiration = "1h0m1s"
        server.fault = lambda request: fault.happen if request.endpoint == "organization" else None
        server.arrivals.clear()
        exporter.clock.now += 3600
        exporter.poll()
        assert is_up_to_date(exporter.numbers("users"), PLACES[0])
        assert (EXPIRATION.format("2.628e+06") in exporter.numbers("users")) is (fault.reason not in REFUSALS)
        assert [arrival.endpoint for arrival in server.arrivals].count("organization") == 1
        server.fault = None
        exporter.clock.now += 3600
        exporter.poll()
        assert EXPIRATION.format(3601.0) in exporter.numbers("users")
        assert exporter.health("users") == {"success": 1}
        assert exporter.clock.slept == []
    assert log() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int, log: Callable[[], list[str]]) -> None:
    """A redirect to another host is an error, and the exporter sends no request to that host."""
    with cloudflare() as server, cloudflare() as other:
        story = Story(server, PLACES, log, timeout=10)
        location = server.url.replace("127.0.0.1", "planted") if status == 307 else f"{other.url}/planted"
        server.fault = happening(Fault("redirect", "", "", answers(status, Location=location)))
        story.fail("invalid_response", f"{status} from /")
        server.fault = None
        story.recover("invalid_response")
        assert not other.arrivals


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_unusual_response(noise: Noise, log: Callable[[], list[str]]) -> None:
    """An unusual but valid response changes no number, and does not disturb the next request either."""
    with cloudflare(fault=happening(noise)) as server:
        exporter = fleet(server.url)
        for account in server.accounts.values():
            time_passes(account)
        for _ in range(2):
            exporter.poll()
            for place in PLACES:
                assert exporter.health(place.account_id) == {"success": 1}
                assert is_up_to_date(exporter.numbers(place.account_id), place)
    assert log() == []


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if "200 MB" in fault.name or "bomb" in fault.name or "rows" in fault.name]
)
def test_memory(fault: Fault) -> None:
    """A huge response uses little memory during the poll, and none after it."""
    with cloudflare() as server:
        exporter = fleet(server.url, PLACES[:1])
        exporter.poll()
        server.fault = happening(fault)
        tracemalloc.start()
        try:
            exporter.poll()
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert exporter.health("users") == {"success": 0, fault.reason: 1}
    assert peak < 100 << 20
    assert kept < 1 << 20
