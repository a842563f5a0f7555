"""What Cloudflare allows: never more requests than configured, and a refusal holds up its own credential alone."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from access_exporter import simulator
from access_exporter.config import Account as AccountConfig
from access_exporter.config import Api, Config
from access_exporter.credentials import Secret
from access_exporter.simulator import Account, Handler, Request, Simulator, User
from benchmarks import pace
from tests.fakes import START, FakeClock
from tests.faults import refuses
from tests.fleet import Fleet


def account(name: str, token: str = simulator.TOKEN) -> AccountConfig:
    """An account of which only the users are polled."""
    return AccountConfig(id=name, api_token=Secret("the test", token))


def walked(server: Simulator) -> list[Request]:
    """Return the requests for pages of users."""
    return [arrival for arrival in server.arrivals if arrival.endpoint == "users"]


def test_fifty_accounts_with_one_token() -> None:
    """No five minutes see more requests than configured: at the start, after refusals, retries and reloads."""
    times = pace.arrivals(hours=0.5)
    allowed = Api().requests_per_second * pace.WINDOW_SECONDS
    assert allowed * 0.9 < pace.most_in_a_window(times) <= allowed


def test_a_refusal_pauses_its_credential_alone() -> None:
    """After a 429 nothing is asked with that credential until its time is over; with another one all goes on."""
    clock = FakeClock()
    accounts = [Account("first", token="one"), Account("second", token="one"), Account("third", token="two")]
    with Simulator(accounts, clock=clock.time) as server:
        server.fault = lambda request: refuses(429, 971, Retry_After="200") if request.account_id == "first" else None
        exporter = Fleet(
            Config(
                api=Api(url=server.url),
                accounts=(account("first", "one"), account("second", "one"), account("third", "two")),
            ),
            clock,
        )
        exporter.run(1)
        assert [arrival.account_id for arrival in walked(server)] == ["first", "third"]
        assert exporter.health("first") == exporter.health("second") == {"success": 0, "rate_limited": 1}
        assert exporter.health("third") == {"success": 1}
        server.fault = None
        exporter.run(298)
        assert len(walked(server)) == 2
        exporter.run(2)
        assert exporter.health("first") == exporter.health("second") == {"success": 1, "rate_limited": 1}
        assert exporter.health("third") == {"success": 1}


def test_a_short_refusal_fails_no_poll() -> None:
    """A 429 of some seconds makes everyone with that credential wait for so long, and no poll fails."""
    clock = FakeClock()
    with Simulator([Account("first"), Account("second")], clock=clock.time) as server:
        server.fault = lambda _: refuses(429, 971, Retry_After="20") if len(server.arrivals) == 1 else None
        exporter = Fleet(Config(api=Api(url=server.url), accounts=(account("first"), account("second"))), clock)
        exporter.run(60)
        assert exporter.health("first") == exporter.health("second") == {"success": 1}
        assert [arrival.time - START for arrival in server.arrivals][:2] == [0, 20]


def test_little_is_left() -> None:
    """Where others use up what Cloudflare allows, what is left is made to last until there is more."""
    clock = FakeClock()
    left, until = 10, START + 100

    def answer(handler: Handler) -> None:
        nonlocal left
        left -= 1 if clock.now < until else -1000
        header = f'"default";r={left};t={max(0, until - clock.now):.0f}'
        handler.send(replace(handler.response(), headers={"Ratelimit": header}))

    users = [User(str(number)) for number in range(30)]
    with Simulator([Account("first", users)], max_per_page=1, clock=clock.time, fault=lambda _: answer) as server:
        exporter = Fleet(Config(api=Api(url=server.url, concurrency=1), accounts=(account("first"),)), clock)
        exporter.run(200)
        times = [arrival.time - START for arrival in walked(server)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert exporter.health("first") == {"success": 1}
    assert len(times) == 30
    assert len([time for time in times if time < 100]) == 10
    assert min(gaps[:9]) > 9
    assert max(gaps[11:]) < 1


def test_a_new_pace_starts_without_a_burst() -> None:
    """A reload that changes the pace keeps a pause, and does not send a second burst behind the first."""
    clock = FakeClock()
    users = [User(str(number)) for number in range(1000)]
    with Simulator([Account("first", users)], max_per_page=1, clock=clock.time) as server:

        def reload(handler: Handler) -> None:
            exporter.load(configuration(burst=100))
            handler.send(handler.response())

        def configuration(burst: int) -> Config:
            return Config(api=Api(url=server.url, burst=burst, concurrency=1), accounts=(account("first"),))

        server.fault = at_request(100, server, reload)
        exporter = Fleet(configuration(burst=99), clock)
        exporter.run(400)
        assert pace.most_in_a_window([arrival.time for arrival in server.arrivals]) <= 600


def at_request(number: int, server: Simulator, fault: simulator.Fault) -> Callable[[Request], simulator.Fault | None]:
    """Let a fault happen to the request of this number, counted from 1."""
    return lambda _: fault if len(server.arrivals) == number else None
