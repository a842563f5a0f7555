"""A reload removes deleted parts of the configuration from every page at once, even while Cloudflare is down."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from access_exporter.simulator import Handler, PolicyTestUser, Simulator, User
from access_exporter.simulator.account import TOKEN, Life
from tests.faults import answers
from tests.fleet import Fleet
from tests.reloads import TEST, account, cloudflare, config

WIKI = PolicyTest(id=TEST, name="wiki")
PAYROLL = PolicyTest(name="payroll", policies=("policy",))
DOMAINS = ("large.example", "large.example", "large.example", "middle.example", "middle.example", "small.example")

Case = tuple[AccountConfig, AccountConfig, Sequence[str], Sequence[str]]
CASES: dict[str, Case] = {
    "idle days": (
        account("first", users=Users(idle_days=(30, 60, 90))),
        account("first", users=Users(idle_days=(60,))),
        ['idle_days="30"', 'idle_days="90"', "Idle for 90 days"],
        ['idle_days="60"', "Idle for 60 days"],
    ),
    "all idle days": (
        account("first", users=Users(idle_days=(30,))),
        account("first", users=Users(idle_days=())),
        ["idle_days=", "seats_idle", "Idle for"],
        ["seats_used{"],
    ),
    "some domains": (
        account("first", users=Users(domains=3)),
        account("first", users=Users(domains=1)),
        ['domain="middle.example"', 'domain="small.example"'],
        ['domain="large.example",seat="access"} 3.0', 'domain="other",seat="access"} 3.0'],
    ),
    "all domains": (
        account("first", users=Users(domains=3)),
        account("first"),
        ["domain"],
        ["seats_used{"],
    ),
    "the name of the account": (
        account("first", name="Example"),
        account("first"),
        ["Example"],
        ['account_name="first"'],
    ),
    "the seat limit": (
        account("first", seat_limit=1234),
        account("first"),
        ["seats_limit", "1,234"],
        ["seats_used{"],
    ),
    "users": (
        account("first", policy_tests=(WIKI,)),
        account("first", users=False, policy_tests=(WIKI,)),
        ["seats_", '"users"', '"organization"', "<h3>Users"],
        ['policy_test="wiki"', 'endpoint="policy_test_users"'],
    ),
    "the label of a policy test": (
        account("first", policy_tests=(WIKI,)),
        account("first", policy_tests=(PolicyTest(id=TEST, name="other"),)),
        ['"wiki"'],
        ["seats_used{"],
    ),
    "a policy test": (
        account("first", policy_tests=(WIKI,)),
        account("first"),
        ['"wiki"', '"policy_test', "policy_test_"],
        ["seats_used{", 'endpoint="users"'],
    ),
    "a test that the exporter starts": (
        account("first", policy_tests=(WIKI, PAYROLL)),
        account("first", policy_tests=(WIKI,)),
        ["payroll", 'endpoint="policy_tests"'],
        ['policy_test="wiki"', 'endpoint="policy_test"'],
    ),
    "service tokens": (
        account("first", service_tokens=True),
        account("first"),
        ["service_token", "Service tokens"],
        ["seats_used{", 'endpoint="users"'],
    ),
}


def server() -> Simulator:
    """Simulate an account with targets of every kind."""
    simulated = cloudflare("first", "second")
    for each in simulated.accounts.values():
        each.users = [User(str(number), access_seat=True, email=f"x@{name}") for number, name in enumerate(DOMAINS)]
        each.lists["service_tokens"] = ({"id": "token-1", "name": "ci", "enabled": True},)
        each.lives["policy",] = lambda: Life([PolicyTestUser("1", status="approved")])
    return simulated


def pages(exporter: Fleet) -> str:
    return exporter.whole_page() + exporter.status_page()


@pytest.mark.parametrize("name", CASES)
def test_at_a_reload(name: str) -> None:
    """After a reload, deleted parts are on no page, and the other parts are still there."""
    before, after, gone, stays = CASES[name]
    with server() as simulated:
        exporter = Fleet(config(simulated, before))
        exporter.run(60)
        assert [each for each in gone if each not in pages(exporter)] == []
        simulated.fault = lambda _: answers(503)
        exporter.load(config(simulated, after))
        for _ in range(2):
            shown = pages(exporter)
            assert [each for each in gone if each in shown] == []
            assert [each for each in stays if each not in shown] == []
            exporter.run(60)


@pytest.mark.parametrize("name", CASES)
def test_at_a_restart(tmp_path: Path, name: str) -> None:
    """Parts that were deleted before a restart do not return with the stored numbers."""
    before, after, gone, stays = CASES[name]
    with server() as simulated:
        first = Fleet(config(simulated, before), folder=tmp_path)
        first.run(60)
        simulated.fault = lambda _: answers(503)
        second = Fleet(config(simulated, after), first.clock, tmp_path)
        shown = pages(second)
        assert [each for each in gone if each in shown] == []
        stays = [each for each in stays if "endpoint" not in each]  # a new process has not sent a request yet
        assert [each for each in stays if each not in shown] == []


@pytest.mark.parametrize("endpoint", ["users", "service_tokens"])
def test_at_a_reload_during_a_poll(endpoint: str) -> None:
    """A poll that began before a reload does not restore the deleted parts."""
    with server() as simulated:
        after = config(simulated, account("first", users=Users(idle_days=(7,))))

        def reload(handler: Handler) -> None:
            simulated.fault = lambda _: answers(503)
            exporter.load(after)
            handler.send(handler.response())

        simulated.fault = lambda request: reload if request.endpoint == endpoint else None
        exporter = Fleet(config(simulated, account("first", service_tokens=True)))
        exporter.run(30)
        shown = pages(exporter)
        assert "service_token" not in shown
        assert 'idle_days="30"' not in shown


def test_a_page_in_the_middle_of_a_reload() -> None:
    """The status page works while a reload removes an account, and does not show that account."""
    with server() as simulated:
        exporter = Fleet(config(simulated, account("first"), account("second", seat_limit=1234)))
        exporter.run(10)
        exporter.accounts = config(simulated, account("first")).accounts  # the targets have not changed yet
        assert "1,234" not in exporter.status_page()


def test_counters_continue() -> None:
    """If an endpoint is polled again after a pause, its request counter continues, because a counter must not fall."""
    with server() as simulated:
        with_tokens, without = account("first", service_tokens=True), account("first")
        exporter = Fleet(config(simulated, with_tokens))
        counts = []
        for each in (without, with_tokens, without, with_tokens):
            exporter.run(60)
            counts.append(requests(exporter, "service_tokens"))
            exporter.load(config(simulated, each))
        assert counts == [1, None, 2, None]


def requests(exporter: Fleet, endpoint: str) -> float | None:
    labels = {"endpoint": endpoint, "code": "200"}
    return exporter.registry.get_sample_value("cloudflare_access_api_requests_total", labels)


class TestCredential:
    def names(self, exporter: Fleet) -> list[str]:
        """Return the labels of the credentials in use."""
        return [
            sample.labels["credential"]
            for family in exporter.registry.collect()
            for sample in family.samples
            if "credential" in sample.labels
        ]

    def test_name_of_the_first_account(self) -> None:
        """A credential has the name of its first account in the current configuration, not in an earlier one."""
        first, second = account("first"), account("second")
        with server() as simulated:
            exporter = Fleet(config(simulated, first, second))
            exporter.run(10)
            assert self.names(exporter) == ["first"]
            for accounts in ((second,), (second, first), (first,), (first, second)):
                exporter.load(config(simulated, *accounts))
                assert self.names(exporter) == [accounts[0].id]

    def test_two_credentials_that_change_places(self) -> None:
        """Two credentials never have the same name, even if they change places."""
        one, other = Secret("one", TOKEN), Secret("other", TOKEN)
        with server() as simulated:
            exporter = Fleet(config(simulated, account("first", one), account("second", other)))
            exporter.run(10)
            assert self.names(exporter) == ["first", "second"]
            exporter.load(config(simulated, account("first", other), account("second", one)))
            assert self.names(exporter) == ["first", "second"]

    def test_a_reload_that_is_refused(self, tmp_path: Path) -> None:
        """After a refused reload, the credentials keep the names of the old configuration."""
        empty = tmp_path / "token"
        empty.write_text("", encoding="utf-8")
        first, second = account("first"), account("second")
        with server() as simulated:
            exporter = Fleet(config(simulated, first, second))
            exporter.run(10)
            unreadable = account("third", Secret("file", path=str(empty)))
            with pytest.raises(ConfigError):
                exporter.load(config(simulated, second, unreadable))
            assert self.names(exporter) == ["first"]
