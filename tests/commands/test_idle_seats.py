"""`--idle-seats`: the list of users with idle seats. The time is always 2026-09-21T14:13:20Z."""

import csv
import io
import json
import re
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from access_exporter.collectors.last_seen import LastSeen
from access_exporter.commands import idle_seats
from access_exporter.commands.idle_seats import IdleSeats, Person
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Simulator
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from tests.commands.idle import COLUMNS, days_ago, listed, person, three_people
from tests.fakes import START, FakeClock
from tests.faults import answers, refuses, resets
from tests.processes import Run, command

EXPECTED_TIME = "expected a duration with its unit, such as 90d or 12h"


class TestFormats:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Add an idle user with all fields, an idle user with few fields, and a user who is not idle."""
        three_people(cloudflare)

    def test_it_only_reads(self, run: Run, cloudflare: Simulator) -> None:
        """The command only sends GET requests for users and devices."""
        run("--idle-seats=90d")
        assert {(arrival.method, arrival.endpoint) for arrival in cloudflare.arrivals} == {
            ("GET", "users"),
            ("GET", "devices"),
        }

    def test_no_user_is_logged(self, run: Run) -> None:
        """No log line shows a user or a secret, even at debug level."""
        _, out, err = run("--idle-seats=90d", "--log.level=debug", "--format=csv")
        assert "jdoe@example.com" in out
        assert not re.search("jdoe|jane|a1b2|" + TOKEN, err, re.IGNORECASE)

    def test_as_a_process(self) -> None:
        """The command lists the demo account: users on standard output, the log on standard error."""
        code, out, err = command("--demo", "--idle-seats=90d", "--format=csv")
        assert code == 0
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert rows[0]["email"] == "user7@example.org"
        assert {row["idle_days"] for row in rows} >= {"400", "91"}
        assert {row["basis"] for row in rows} == {"login", "device", "created"}
        assert "seats with unknown activity are not listed" in err
        assert err.count("\n") == 2
        assert "example.org" not in err


class TestAccounts:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Add an idle user to each account."""
        for number, account in enumerate(cloudflare.accounts.values()):
            account.users = [person(number)]

    def test_one_account(self, run: Run, cloudflare: Simulator) -> None:
        """With `--account` the command reads and lists only that account."""
        assert [row["account_id"] for row in listed(run, "--account=second")] == ["second"]
        assert {arrival.account_id for arrival in cloudflare.arrivals} == {"second"}

    def test_an_account_that_is_not_polled(self, run: Run) -> None:
        """An account with `users: false` is listed only if `--account` names it."""
        assert json.loads(run("--idle-seats=90d", "--format=json", first="false").out)[0]["account_id"] == "second"
        code, out, _ = run("--idle-seats=90d", "--format=json", "--account=first", first="false")
        assert (code, [row["account_id"] for row in json.loads(out)]) == (0, ["first"])

    @pytest.mark.parametrize("account", ["third", "", "FIRST", TOKEN])
    def test_an_unknown_account(self, run: Run, cloudflare: Simulator, account: str) -> None:
        """An unknown account is a usage error that does not repeat the given value."""
        assert run("--idle-seats=90d", f"--account={account}") == (
            2,
            "",
            "cloudflare-access-exporter: --account: "
            "the configuration (or this shard) lacks this account; --config.check lists all accounts\n",
        )
        assert not cloudflare.arrivals

    def test_a_bad_configuration(self, run: Run) -> None:
        """A configuration error is one line with exit code 1."""
        code, out, err = run("--idle-seats=90d", first="5")
        assert (code, out) == (1, "")
        assert "config.yaml: accounts[0].users: expected" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        *(
            ([f"--idle-seats={time}"], f"--idle-seats: {EXPECTED_TIME}, got {time!r}")
            for time in ("90", "0", "90.5", " 90 ", "", "d", "90 d", "-90d", "90D", "90w", "1e3d", "36501d", "nan")
        ),
        (["--idle-seats"], "--idle-seats needs a value: --idle-seats=TIME"),
        (["--idle-seats=90d", "--format=xml"], "--format: expected table, csv, json or markdown, got 'xml'"),
        (["--account=first"], "--account needs --idle-seats or --test-policy"),
        (["--format=csv"], "--format needs --idle-seats or --test-policy"),
        (["--once", "--account="], "--account needs --idle-seats or --test-policy"),
    ],
)
def test_usage(run: Run, cloudflare: Simulator, arguments: list[str], complaint: str) -> None:
    """A time without a unit or out of range, and a flag without the one it needs, are usage errors."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err == f"cloudflare-access-exporter: {complaint}\n"
    assert not cloudflare.arrivals


class TestFailures:
    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (refuses(403, 10000), "permission"),
            (refuses(401, 10000), "auth"),
            (refuses(500, 1), "server"),
            (refuses(429, 1, Retry_After="300"), "rate_limited"),
            (answers(302, Location="http://planted.example/"), "invalid_response"),
            (answers(200, '{"result": [{"id": 5, "email": "planted"}]}'), "invalid_response"),
            (answers(200, "<html>planted"), "invalid_response"),
            (resets(), "network"),
        ],
    )
    @pytest.mark.parametrize("page", [1, 2])
    def test_one_account(self, run: Run, cloudflare: Simulator, fault: Fault, reason: str, page: int) -> None:
        """If an account cannot be read completely, one line says why, and only users of other accounts are listed."""
        cloudflare.accounts["first"].users = [person(number, email=f"gone{number}@example.com") for number in range(25)]
        cloudflare.accounts["second"].token = "another"
        cloudflare.accounts["second"].users = [person(77)]
        cloudflare.fault = lambda request: fault if request.account_id == "first" and request.page == page else None
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert code == 1
        assert [row["email"] for row in csv.DictReader(io.StringIO(out))] == ["person77@example.com"]
        (line,) = err.splitlines()
        assert 'level=error msg="account not listed: the exporter could not read all users" account_id=first' in line
        assert f"reason={reason} " in line
        assert not re.search(f"planted|gone|{TOKEN}", err)

    def test_all_accounts(self, run: Run, cloudflare: Simulator) -> None:
        """If no account can be read, the list is empty and the exit code is 1, unlike after a complete list."""
        cloudflare.fault = lambda _: refuses(403, 10000)
        code, out, err = run("--idle-seats=90d", "--format=json")
        assert (code, out, err.count("\n")) == (1, "[]\n", 2)

    def test_a_temporary_error(self, run: Run, cloudflare: Simulator) -> None:
        """A failed request is sent again, as when polling, and the list is complete."""
        cloudflare.accounts["first"].users = [person(1)]
        cloudflare.fault = lambda _: refuses(503, 1) if len(cloudflare.arrivals) == 1 else None
        assert len(listed(run)) == 1


class TestProgress:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Add 25 users to one account and three to the other."""
        cloudflare.accounts["first"].users = [person(number) for number in range(25)]
        cloudflare.accounts["second"].users = [person(number) for number in range(3)]

    def test_on_a_terminal(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal shows how many users were read, on a line that is erased before the list."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert code == 0
        assert out.startswith(COLUMNS)
        assert err.startswith("\r10 users read\r20 users read\r25 users read")
        assert err.endswith("\r28 users read\r\x1b[K")
        assert "\n" not in err

    def test_a_failure_on_a_terminal(self, run: Run, cloudflare: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a terminal, an error gets its own line, apart from the progress."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        cloudflare.fault = lambda request: (
            refuses(403, 1) if (request.account_id, request.page) == ("first", 2) else None
        )
        err = run("--idle-seats=90d", "--format=csv").err
        assert err.startswith("\r10 users read\r\x1b[Kts=")
        assert err.count("\n") == 1
        assert err.partition("\n")[2] == "\r13 users read\r\x1b[K"

    def test_stopped(self, run: Run, cloudflare: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C ends the command with exit code 130, erases the progress and lists nothing."""

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(IdleSeats, "add", interrupt)
        assert run("--idle-seats=90d") == (130, "", "\r\x1b[K")


def configuration(url: str, **api: Any) -> Config:
    """Return a configuration of two accounts with one token."""
    token = Secret("the test", TOKEN)
    accounts = tuple(AccountConfig(id=name, api_token=token) for name in ("first", "second"))
    return Config(api=Api(url=url, **api), accounts=accounts)


def test_pace(capsys: pytest.CaptureFixture[str]) -> None:
    """Requests keep the pace of their credential over all accounts, and wait as long as a 429 response asks."""
    clock = FakeClock()
    accounts = [Account(name, [person(number) for number in range(8)]) for name in ("first", "second")]
    with Simulator(accounts, max_per_page=1, clock=clock.time) as server:
        server.fault = lambda _: refuses(429, 1, Retry_After="20") if len(server.arrivals) == 5 else None
        config = configuration(server.url, requests_per_second=1, burst=2, concurrency=1)
        assert idle_seats.run(config, 90 * 86400, None, "csv", clock) == 0
        times = [arrival.time - START for arrival in server.arrivals]
    assert capsys.readouterr().out.count("\n") == 17
    assert times[5] - times[4] >= 20
    assert sum(later - earlier < 0.99 for earlier, later in pairwise(times)) <= 2


def test_memory() -> None:
    """A list of 100,000 users needs little memory, because the command keeps only the idle ones."""

    def pages(number: int) -> Iterator[list[Person]]:
        for page in range(number):
            yield [Person(f"{page}-{row}", True, last_successful_login=days[row % 10]) for row in range(1000)]

    days = [days_ago(number * 10 + 9) for number in range(10)]  # 9 to 99

    tracemalloc.start()
    try:
        seats = IdleSeats(days_ago(0), timedelta(days=90))
        devices = LastSeen()
        devices.finish()
        seats.add("first", pages(100), devices)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(seats.found) == 10_000
    assert peak < 5 << 20
