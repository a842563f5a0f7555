"""Cloudflare's rate limit: the exporter never sends more requests than configured, and a 429 pauses one credential."""

import itertools
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from access_exporter.cloudflare import refusals
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.errors import PollError
from access_exporter.simulator import Account, Handler, Request, Simulator, User
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from benchmarks import pace
from tests.fakes import START, FakeClock
from tests.faults import refuses
from tests.fleet import Fleet


def account(name: str, token: str = TOKEN) -> AccountConfig:
    """Return an account with only its users to poll."""
    return AccountConfig(id=name, api_token=Secret("the test", token), devices=False)


def user_requests(server: Simulator) -> list[Request]:
    """Return the requests for pages of users."""
    return [arrival for arrival in server.arrivals if arrival.endpoint == "users"]


def test_fifty_accounts_with_one_token() -> None:
    """With starts, 429s, retries and reloads, no five minutes have more requests than the rate limit allows."""
    times = pace.arrivals(hours=0.5)
    allowed = Api().requests_per_second * pace.WINDOW_SECONDS
    assert allowed * 0.9 < pace.most_in_a_window(times) <= allowed


def test_a_429_pauses_only_its_credential() -> None:
    """After a 429, the exporter sends nothing with that credential until Retry-After ends; others are not paused."""
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
        assert [arrival.account_id for arrival in user_requests(server)] == ["first", "third"]
        assert exporter.health("first") == exporter.health("second") == {"success": 0, "rate_limited": 1}
        assert exporter.health("third") == {"success": 1}
        server.fault = None
        exporter.run(298)
        assert len(user_requests(server)) == 2
        exporter.run(2)
        assert exporter.health("first") == exporter.health("second") == {"success": 1, "rate_limited": 1}
        assert exporter.health("third") == {"success": 1}


def test_a_short_429_fails_no_poll() -> None:
    """After a 429 with a short Retry-After, all requests with that credential wait that long, and no poll fails."""
    clock = FakeClock()
    with Simulator([Account("first"), Account("second")], clock=clock.time) as server:
        server.fault = lambda _: refuses(429, 971, Retry_After="20") if len(server.arrivals) == 1 else None
        exporter = Fleet(Config(api=Api(url=server.url), accounts=(account("first"), account("second"))), clock)
        exporter.run(60)
        assert exporter.health("first") == exporter.health("second") == {"success": 1}
        assert [arrival.time - START for arrival in server.arrivals][:2] == [0, 20]


def test_a_small_remaining_limit_is_spread() -> None:
    """If other programs use up Cloudflare's rate limit, the exporter spreads its requests until the limit resets."""
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
        times = [arrival.time - START for arrival in user_requests(server)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert exporter.health("first") == {"success": 1}
    assert len(times) == 31  # thirty full pages, and a last empty page
    assert len([time for time in times if time < 100]) == 10
    assert min(gaps[:9]) > 9
    assert max(gaps[11:]) < 1


def test_a_new_rate_limit_starts_without_a_burst() -> None:
    """A reload with another burst size keeps a pause, and allows no second burst directly after the first."""
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


def paged(server: Simulator, *names: str, secret: Secret | None = None) -> Config:
    """Return a configuration of accounts with one secret, and with more pages than five minutes allow."""
    token = secret or Secret("the test", TOKEN)
    accounts = tuple(AccountConfig(id=name, api_token=token, devices=False) for name in names)
    return Config(api=Api(url=server.url, concurrency=1, burst=150, requests_per_second=1), accounts=accounts)


def test_an_account_that_is_removed_and_added_again() -> None:
    """A token keeps its used rate limit if a reload removes its account and another reload adds it again."""
    clock = FakeClock()
    users = [User(str(number)) for number in range(1000)]
    accounts = [Account("first", users), Account("other", token="other")]
    with Simulator(accounts, max_per_page=1, clock=clock.time) as server:
        other = Config(api=paged(server).api, accounts=(account("other", "other"),))
        exporter = Fleet(paged(server, "first"), clock)
        server.fault = lambda request: refuses(404, 1) if request.page == 140 else None
        for _ in range(5):
            exporter.run(1)
            exporter.load(other)
            exporter.load(paged(server, "first"))
        exporter.run(400)
        times = [arrival.time for arrival in server.arrivals if arrival.account_id == "first"]
        assert len(times) > 300
        assert pace.most_in_a_window(times) <= 300


def test_a_pause_survives_the_removal_of_its_account() -> None:
    """A token stays paused if a reload removes its account and another reload adds it again."""
    clock = FakeClock()
    with Simulator([Account("first"), Account("other", token="other")], clock=clock.time) as server:
        server.fault = lambda request: refuses(429, 971, Retry_After="300") if request.account_id == "first" else None
        exporter = Fleet(paged(server, "first"), clock)
        exporter.run(1)
        exporter.load(Config(api=paged(server).api, accounts=(account("other", "other"),)))
        exporter.load(paged(server, "first"))
        exporter.run(290)
        assert [arrival.account_id for arrival in server.arrivals].count("first") == 1
        exporter.run(20)
        assert [arrival.account_id for arrival in server.arrivals].count("first") == 2


def test_a_rotated_token_has_one_rate_limit(tmp_path: Path) -> None:
    """If a token is replaced in its file, accounts that a later reload adds share the rate limit of the new token."""
    clock = FakeClock()
    users = [User(str(number)) for number in range(200)]
    path = tmp_path / "token"
    path.write_text(TOKEN)
    secret = Secret("the file", path=str(path))
    with Simulator(
        [Account(name, users, token="new") for name in ("a", "b")], max_per_page=1, clock=clock.time
    ) as server:
        exporter = Fleet(paged(server, "a", secret=secret), clock)
        exporter.run(1)
        path.write_text("new")
        exporter.load(paged(server, "a", secret=secret))
        exporter.load(paged(server, "a", "b", secret=secret))
        exporter.run(700)
        times = [arrival.time for arrival in server.arrivals if arrival.headers["authorization"] == "Bearer new"]
        assert len(times) > 400
        assert pace.most_in_a_window(times) <= 300


def test_nothing_is_sent_after_a_429(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the exporter reads a 429, it sends none of the waiting requests with that credential."""
    read = refusals.refusal

    def read_slowly(*answer: Any) -> PollError:
        threading.Event().wait(0.1)
        return read(*answer)

    monkeypatch.setattr(refusals, "refusal", read_slowly)
    clock = FakeClock()
    names = [f"account-{number}" for number in range(6)]
    with Simulator([Account(name) for name in names], clock=clock.time) as server:
        server.fault = lambda _: refuses(429, 971, Retry_After="100")
        exporter = Fleet(paged(server, *names), clock)
        exporter.poll()
        first, *later = (arrival.time for arrival in server.arrivals)
        assert all(time >= first + 100 for time in later)


def at_request(number: int, server: Simulator, fault: Fault) -> Callable[[Request], Fault | None]:
    """Let a fault happen to the request with this number, counted from 1."""
    return lambda _: fault if len(server.arrivals) == number else None
