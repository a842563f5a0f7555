"""What changes while the exporter runs: configurations, tokens, and numbers that grow old."""

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
    """Let something happen in the middle of a walk, at the first request for a page, which is answered then."""
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
        """Numbers older than stale_after vanish, health stays, and the next good poll brings them back."""
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
            exporter.run(300)  # the longest that Cloudflare's word keeps it from asking
            assert exporter.numbers("first") == numbers
            assert exporter.health("first")["success"] == 1


class TestReload:
    def test_in_the_middle_of_a_walk(self) -> None:
        """A walk whose account is taken away publishes nothing; what stays keeps numbers, counters and schedule."""
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

    def test_of_what_is_being_walked(self) -> None:
        """A walk under settings that changed meanwhile is followed at once by one under the new settings."""
        with cloudflare("first") as server:
            changed = config(server, account("first", users=Users(idle_days=(7,))))
            server.fault = once("first", 2, lambda: exporter.load(changed))
            exporter = Fleet(config(server, account("first")))
            exporter.run(1)
            assert 'idle_days="7"' in exporter.page()
            assert 'idle_days="30"' not in exporter.page()
            assert [(arrival.endpoint, arrival.page) for arrival in server.arrivals].count(("users", 1)) == 2
            assert exporter.health("first") == {"success": 1}

    def test_what_is_gone_while_it_is_walked(self) -> None:
        """The last answers to a walk of an account that was taken away bring nothing of it back."""
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
        """Domains are gone with the reload that switches them off, even while Cloudflare is down."""
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
        """A token that is revoked once its file has a new one fails no poll, however often, even within a walk."""
        with cloudflare("first") as server:

            def rotate() -> None:
                number = int(server.accounts["first"].token.removeprefix("token-")) + 1  # type: ignore[union-attr]  # it is there, or the test fails
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
    def test_half_a_file(self, token: Path, half: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that is empty or gone when the old token is refused has a moment to be complete, and no poll fails."""
        with cloudflare("first") as server:
            server.accounts["first"].token = "token-1"
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            exporter.run(1)
            if half is None:
                token.unlink()
            else:
                token.write_text(half, encoding="utf-8")
            exporter.run(300)
            assert exporter.health("first") == {"success": 1}  # the old token is still good
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
        """A refused token whose file stays empty is an error until the file has a good one."""
        with cloudflare("first") as server:
            server.accounts["first"].token = "token-2"
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            token.write_text("", encoding="utf-8")
            exporter.run(10)
            assert exporter.health("first") == {"success": 0, "permission": 1}
            token.write_text("token-2", encoding="utf-8")
            exporter.run(300)
            assert exporter.health("first") == {"success": 1, "permission": 1}
