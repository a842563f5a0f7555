"""Changes while the exporter runs: configurations, tokens, and numbers that become stale."""

from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Handler, Request
from access_exporter.simulator.server import Fault
from tests.faults import answers
from tests.fleet import Fleet
from tests.reloads import TEST, USERS, account, cloudflare, config


def once(name: str, page: int, happen: Callable[[], object]) -> Callable[[Request], Fault | None]:
    """Call a function at the first request for a page, and then answer the request."""
    happened: list[Request] = []

    def fault(handler: Handler) -> None:
        happen()
        handler.send(handler.response())

    def choose(request: Request) -> Fault | None:
        if (request.account_id, request.page) != (name, page) or happened:
            return None
        happened.append(request)
        return fault

    return choose


class TestStaleness:
    def test_numbers_vanish_and_return(self) -> None:
        """Numbers older than stale_after vanish, health series stay, and the next good poll restores the numbers."""
        users = Users(interval=Interval(100), stale_after=Duration(450))
        tests = (PolicyTest(id=TEST, name="wiki", interval=Interval(100), stale_after=Duration(250)),)
        with cloudflare("first") as server:
            exporter = Fleet(config(server, account("first", users=users, policy_tests=tests, devices=False)))
            exporter.run(10)
            numbers = exporter.numbers("first")
            seats, approved = "cloudflare_access_seats_used{", 'status="approved"'
            server.fault = lambda _: answers(503, Retry_After="86400")
            exporter.run(239)
            assert exporter.numbers("first") == numbers
            exporter.run(2)
            assert seats in exporter.numbers("first")
            assert approved not in exporter.numbers("first")
            exporter.run(200)
            assert exporter.numbers("first") == ""
            assert exporter.health("first")["success"] == 0
            assert "cloudflare_access_poll_last_success_timestamp_seconds{" in exporter.page()
            server.fault = None
            exporter.run(300)  # the longest time that a Retry-After delays a poll
            assert exporter.numbers("first") == numbers
            assert exporter.health("first")["success"] == 1


class TestReload:
    def test_an_account_that_is_removed_during_its_poll(self) -> None:
        """If a reload removes an account during its poll, that poll publishes nothing; other accounts do not change."""
        with cloudflare("stays", "goes") as server:
            stays, goes = account("stays", devices=False), account("goes", users=Users(interval=Interval(200)))
            server.fault = lambda request: answers(404) if request.account_id == "stays" else None
            exporter = Fleet(config(server, stays, goes))
            exporter.run(1)
            server.fault = None
            exporter.run(299.5)
            assert exporter.health("stays") == {"success": 1, "not_found": 1}
            numbers = exporter.numbers("stays")
            server.fault = once("goes", 2, lambda: exporter.load(config(server, stays)))
            server.accounts["goes"].users = USERS[:3]
            server.arrivals.clear()
            exporter.run(150)
            assert "goes" in {arrival.account_id for arrival in server.arrivals}
            assert '"goes"' not in exporter.page()
            assert exporter.numbers("stays") == numbers
            assert exporter.health("stays") == {"success": 1, "not_found": 1}
            server.arrivals.clear()
            exporter.run(145)
            assert not [arrival for arrival in server.arrivals if arrival.endpoint == "users"]
            exporter.run(10)
            assert {arrival.account_id for arrival in server.arrivals if arrival.account_id} == {"stays"}

    def test_settings_that_change_during_a_poll(self) -> None:
        """If a reload changes the settings of a target during its poll, the exporter polls it again at once."""
        with cloudflare("first") as server:
            changed = config(server, account("first", users=Users(idle_days=(7,))))
            server.fault = once("first", 2, lambda: exporter.load(changed))
            exporter = Fleet(config(server, account("first")))
            exporter.run(1)
            assert 'idle_days="7"' in exporter.page()
            assert 'idle_days="30"' not in exporter.page()
            assert [(arrival.endpoint, arrival.page) for arrival in server.arrivals].count(("users", 1)) == 2
            assert exporter.health("first") == {"success": 1}

    def test_rate_limit_series_of_a_removed_account(self) -> None:
        """If a reload removes an account during its poll, later responses do not bring back any of its series."""
        with cloudflare("stays", "goes") as server:
            server.accounts["goes"].token = "another"
            stays, goes = account("stays"), account("goes", Secret("the test", "another"))
            server.fault = once("goes", 2, lambda: exporter.load(config(server, stays)))
            exporter = Fleet(config(server, stays, goes))
            exporter.run(1)
            names = [
                sample.labels["credential"]
                for family in exporter.registry.collect()
                for sample in family.samples
                if sample.name == "cloudflare_access_api_ratelimit_remaining"
            ]
            assert names == ["stays"]

    def test_domains_that_are_switched_off(self) -> None:
        """A reload that switches domains off removes their series, even while Cloudflare is down."""
        with cloudflare("first") as server:
            exporter = Fleet(config(server, account("first", users=Users(domains=10))))
            exporter.run(1)
            assert 'cloudflare_access_domain_users{account_id="first",domain="unknown"' in exporter.page()
            server.fault = lambda _: answers(503)
            exporter.load(config(server, account("first")))
            assert "domain" not in exporter.page()
            assert "cloudflare_access_seats_used{" in exporter.page()


class TestRotation:
    @pytest.fixture
    def token(self, tmp_path: Path) -> Path:
        """A secret file with a token."""
        path = tmp_path / "token"
        path.write_text("token-1\n", encoding="utf-8")
        return path

    def test_no_poll_fails(self, token: Path) -> None:
        """If a token is revoked after its file got a new one, no poll fails, even if this happens several times."""
        with cloudflare("first") as server:

            def rotate() -> None:
                number = int(server.accounts["first"].token.removeprefix("token-")) + 1  # type: ignore[union-attr]  # it is set below
                token.write_text(f"token-{number}\n", encoding="utf-8")
                server.accounts["first"].token = f"token-{number}"

            server.accounts["first"].token = "token-1"
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            for page in (1, 2, 3, 1, 2, 3):
                server.fault = once("first", page, rotate)
                exporter.run(300)
                assert exporter.health("first") == {"success": 1}
            assert server.accounts["first"].token == "token-7"
            used = {arrival.headers["authorization"] for arrival in server.arrivals}
            assert used == {f"Bearer token-{number}" for number in range(1, 8)}

    @pytest.mark.parametrize("half", ["", "\n", None])
    def test_an_incomplete_file(self, token: Path, half: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """If a token is refused while its file is empty or missing, the exporter waits 1 s for a new token."""
        with cloudflare("first") as server:
            server.accounts["first"].token = "token-1"
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            exporter.run(1)
            if half is None:
                token.unlink()
            else:
                token.write_text(half, encoding="utf-8")
            exporter.run(300)
            assert exporter.health("first") == {"success": 1}  # the old token is still valid
            server.accounts["first"].token = "token-2"
            sleep = exporter.clock.sleep

            def complete_the_file(seconds: float) -> None:
                sleep(seconds)
                token.write_text("token-2\n", encoding="utf-8")

            monkeypatch.setattr(exporter.clock, "sleep", complete_the_file)
            exporter.run(300)
            assert exporter.health("first") == {"success": 1}
            assert server.arrivals[-1].headers["authorization"] == "Bearer token-2"
            assert exporter.clock.slept == [1]

    def test_a_file_that_stays_empty(self, token: Path) -> None:
        """If a token is refused and its file stays empty, polls fail until the file contains a valid token."""
        with cloudflare("first") as server:
            server.accounts["first"].token = "token-2"
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            token.write_text("", encoding="utf-8")
            exporter.run(10)
            assert exporter.health("first") == {"success": 0, "permission": 1}
            token.write_text("token-2", encoding="utf-8")
            exporter.run(300)
            assert exporter.health("first") == {"success": 1, "permission": 1}
