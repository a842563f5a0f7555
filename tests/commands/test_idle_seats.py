"""Who holds idle seats, asked for on the command line. It is always 2026-09-21T14:13:20Z."""

import csv
import io
import json
import random
import re
import sys
import tracemalloc
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from access_exporter import cli
from access_exporter.clock import Clock
from access_exporter.commands import idle_seats
from access_exporter.commands.idle_seats import Person
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Simulator, User
from access_exporter.simulator.account import TOKEN, Row
from access_exporter.simulator.server import Fault
from tests.fakes import START, FakeClock
from tests.faults import answers, refuses, resets
from tests.processes import Outcome, command

NOW = datetime.fromtimestamp(START, UTC)
COLUMNS = "account_id,email,name,last_login,created,idle_days,active_devices,seats,seat_uid"
EXPECTED_TIME = "expected a duration with its unit, such as 90d or 12h"
Run = Callable[..., Outcome]


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def person(number: int, idle: float = 100, **fields: Any) -> User:
    """A user with a seat who has been idle for so many days."""
    known: dict[str, Any] = {
        "email": f"person{number}@example.com",
        "name": f"Person {number}",
        "access_seat": True,
        "active_device_count": 1,
        "created_at": days_ago(500),
        "last_successful_login": days_ago(idle),
        "seat_uid": f"seat-{number}",
    }
    return User(str(number), **(known | fields))


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    """Two accounts without users, which give out ten users a page."""
    with Simulator([Account("first"), Account("second")], max_per_page=10) as server:
        yield server


@pytest.fixture
def run(
    cloudflare: Simulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    own_logging: None,
) -> Run:
    """Runs the command in this process on both accounts, without waiting between tries."""
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    monkeypatch.setattr(Clock, "time", lambda self: START)
    config = tmp_path / "config.yaml"

    def run(*arguments: str, first: str = "true") -> Outcome:
        accounts = "".join(
            f"  - {{id: {name}, api_token: {cloudflare.accounts[name].token}, users: {users}}}\n"
            for name, users in (("first", first), ("second", "true"))
        )
        api = f"api: {{url: '{cloudflare.url}', requests_per_second: 10000, burst: 1000000}}\n"
        config.write_text(f"{api}accounts:\n{accounts}", encoding="utf-8")
        try:
            code: int | str | None = cli.main([f"--config.file={config}", *arguments])
        except SystemExit as ended:
            code = ended.code
        return Outcome(code, *capsys.readouterr())

    return run


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    """The rows of a complete list, from its JSON."""
    code, out, err = run("--idle-seats=90d", "--format=json", *arguments)
    assert (code, err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(out)
    return rows


class TestFormats:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """One idle user of whom all is known, one of whom nothing else is, and one who is not idle."""
        jdoe = person(1, email="jdoe@example.com", name="Jane Doe", gateway_seat=True, seat_uid="a1b2")
        unknown = {"id": "2", "gateway_seat": True, "created_at": "2026-05-01T02:00:00.75+02:00"}
        cloudflare.accounts["first"].users = [jdoe, person(3, idle=5)]
        cloudflare.accounts["second"].users = [unknown]

    def test_table(self, run: Run) -> None:
        """A table has a column for each field, and is what is given without a word about the format."""
        expected = (
            "account_id  email             name      last_login            created               "
            "idle_days  active_devices  seats    seat_uid\n"
            "second                                                        2026-05-01T00:00:00Z  "
            "143                        gateway\n"
            "first       jdoe@example.com  Jane Doe  2026-06-13T14:13:20Z  2025-05-09T14:13:20Z  "
            "100        1               both     a1b2\n"
        )
        assert run("--idle-seats=90d") == (0, expected, "")
        assert run("--idle-seats", "90d", "--format", "table") == (0, expected, "")

    def test_csv(self, run: Run) -> None:
        """CSV has a header, lines that end as RFC 4180 says, and empty fields for what is not known."""
        assert run("--idle-seats=90d", "--format=csv") == (
            0,
            f"{COLUMNS}\r\n"
            "second,,,,2026-05-01T00:00:00Z,143,,gateway,\r\n"
            "first,jdoe@example.com,Jane Doe,2026-06-13T14:13:20Z,2025-05-09T14:13:20Z,100,1,both,a1b2\r\n",
            "",
        )

    def test_json(self, run: Run) -> None:
        """JSON is one array with an object a line, and null for what is not known."""
        assert run("--idle-seats=90d", "--format=json") == (
            0,
            '[\n{"account_id": "second", "email": null, "name": null, "last_login": null, '
            '"created": "2026-05-01T00:00:00Z", "idle_days": 143, "active_devices": null, "seats": "gateway", '
            '"seat_uid": null},\n'
            '{"account_id": "first", "email": "jdoe@example.com", "name": "Jane Doe", '
            '"last_login": "2026-06-13T14:13:20Z", "created": "2025-05-09T14:13:20Z", "idle_days": 100, '
            '"active_devices": 1, "seats": "both", "seat_uid": "a1b2"}\n]\n',
            "",
        )

    @pytest.mark.parametrize(("form", "empty"), [("csv", f"{COLUMNS}\r\n"), ("json", "[]\n"), ("table", None)])
    def test_nobody(self, run: Run, form: str, empty: str | None) -> None:
        """A complete list of nobody is a success, with nothing but what every list has."""
        code, out, err = run("--idle-seats=3000d", f"--format={form}")
        assert (code, err) == (0, "")
        assert out == (empty or COLUMNS.replace(",", "  ") + "\n")

    def test_it_only_reads(self, run: Run, cloudflare: Simulator) -> None:
        """Nothing is asked for but the lists of users, and nothing is changed."""
        run("--idle-seats=90d")
        assert {(arrival.method, arrival.endpoint) for arrival in cloudflare.arrivals} == {("GET", "users")}

    def test_nobody_is_logged(self, run: Run) -> None:
        """Even who debugs finds no person and no secret in the log."""
        _, out, err = run("--idle-seats=90d", "--log.level=debug", "--format=csv")
        assert "jdoe@example.com" in out
        assert not re.search("jdoe|jane|a1b2|" + TOKEN, err, re.IGNORECASE)

    def test_as_a_process(self) -> None:
        """The real command lists the demo account: the people on standard output, the log on standard error."""
        code, out, err = command("--demo", "--idle-seats=90d", "--format=csv")
        assert code == 0
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        assert [int(row["idle_days"]) for row in rows][:2] == [400, 140]
        assert rows[0]["email"] == "user7@example.org"
        assert len(rows) == 5
        assert err.count("\n") == 1
        assert "example.org" not in err


class TestWho:
    def test_as_many_as_the_metric_counts(self, run: Run, cloudflare: Simulator) -> None:
        """However odd the users are, the list is as long as the metric says, for every number of days."""
        cloudflare.accounts["first"].users = odd_users(400)
        cloudflare.accounts["second"].users = odd_users(100, seed=2)
        page = run("--once", "--log.level=error").out
        counted = {"30": 0.0, "60": 0.0, "90": 0.0}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "cloudflare_access_seats_idle":
                    counted[sample.labels["idle_days"]] += sample.value
        assert counted["30"] > counted["60"] > counted["90"] > 0
        for days, number in counted.items():
            assert len(json.loads(run(f"--idle-seats={days}d", "--format=json").out)) == number

    @pytest.mark.parametrize(
        ("idle", "who"),
        [
            ("0s", "1234"),
            ("1h", "234"),
            ("24h", "234"),
            ("86401s", "34"),
            ("2d", "34"),
            ("1d24h", "34"),
            ("36500d", ""),
        ],
    )
    def test_how_long(self, run: Run, cloudflare: Simulator, idle: str, who: str) -> None:
        """The time may have any unit, may be nothing, and is reached to the second."""
        cloudflare.accounts["first"].users = [person(1, 0), person(2, 1), person(3, 2), person(4, 400)]
        rows = json.loads(run(f"--idle-seats={idle}", "--format=json").out)
        assert sorted(row["name"][-1] for row in rows) == list(who)

    def test_order(self, run: Run, cloudflare: Simulator) -> None:
        """Who has been idle longest stands first, over all accounts; after that address and id decide."""
        cloudflare.accounts["first"].users = [
            *(person(5, 100), person(4, 100, email="b@example.com"), person(3, 100, email="b@example.com")),
            *(person(2, 300), person(1, 95)),
        ]
        cloudflare.accounts["second"].users = [person(6, 200), person(7, 100, email=None), person(8, 100, email="a@a")]
        expected = [2, 6, 7, 8, 3, 4, 5, 1]
        assert [row["name"] for row in listed(run)] == [f"Person {number}" for number in expected]
        for account in cloudflare.accounts.values():
            account.users = account.users[::-1]
        assert [row["name"] for row in listed(run)] == [f"Person {number}" for number in expected]

    def test_rows_that_are_alike(self, run: Run, cloudflare: Simulator) -> None:
        """Users without anything to tell them apart are listed all the same."""
        row = {"access_seat": True, "created_at": "2020-01-01T00:00:00Z"}
        cloudflare.accounts["first"].users = [row] * 3
        assert len(listed(run)) == 3

    def test_each_once(self, run: Run, cloudflare: Simulator) -> None:
        """Over many pages each user is listed once, and none is left out."""
        people = [person(number, 100 + number) for number in range(95)]
        cloudflare.accounts["first"].users = [*people, *people[:20]]
        assert [row["idle_days"] for row in listed(run)] == list(range(194, 99, -1))

    @pytest.mark.parametrize(
        ("created", "login", "shown"),
        [
            ("2020-01-01T00:00:00Z", "0001-01-01T00:00:00Z", ["2020-01-01T00:00:00Z", None]),
            ("0001-01-01T00:00:00+05:00", "2020-01-01T05:00:00+05:00", [None, "2020-01-01T00:00:00Z"]),
            ("9999-12-31T23:59:59-05:00", "2020-01-01 00:00:00", [None, "2020-01-01T00:00:00Z"]),
            ("2020-01-01T00:00:00.999999Z", "", ["2020-01-01T00:00:00Z", None]),
        ],
    )
    def test_times(self, run: Run, cloudflare: Simulator, created: str, login: str, shown: list[str | None]) -> None:
        """Times are shown in UTC to the second, and those that never were or cannot be are not."""
        row = {"access_seat": True, "created_at": created, "last_successful_login": login}
        cloudflare.accounts["first"].users = [row]
        (found,) = listed(run)
        assert [found["created"], found["last_login"]] == shown

    @pytest.mark.parametrize(
        ("count", "shown"), [(0, 0), (2.0, 2), (2.5, 2.5), (1e300, 1e300), (-1, None), (1e301, None), (None, None)]
    )
    def test_devices(self, run: Run, cloudflare: Simulator, count: float | None, shown: float | None) -> None:
        """Devices are shown as they are counted: what cannot be a number of them is not known."""
        cloudflare.accounts["first"].users = [person(1, active_device_count=count)]
        (found,) = listed(run)
        assert (found["active_devices"], type(found["active_devices"])) == (shown, type(shown))


def odd_users(number: int, seed: int = 1) -> list[Row]:
    """Users whose fields are present, missing, null, empty, at the edge or out of any range."""
    chance = random.Random(seed)
    edges = [days_ago(days) + timedelta(seconds=more) for days in (30, 60, 90) for more in (-1, 0, 1)]
    times = [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:01Z", "2030-01-01T00:00:00Z"]
    times += [edge.isoformat() for edge in edges] + [edge.replace(tzinfo=None).isoformat() for edge in edges]
    times += [edge.astimezone(tz=None).isoformat(" ") for edge in edges]
    values: dict[str, list[Any]] = {
        "access_seat": [True, True, False, None],
        "gateway_seat": [True, False, None],
        "active_device_count": [0, 1, 2.5, -1, 1e300, None],
        "created_at": times,
        "last_successful_login": times,
        "email": [None, "", "x@example.com"],
    }
    users: list[Row] = []
    for index in range(number):
        row = {name: chance.choice(choices) for name, choices in values.items() if chance.random() < 0.9}
        users.append({"id": chance.choice([str(index), str(index), None, ""]), **row})
    return users


class TestAccounts:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Someone idle in each account."""
        for number, account in enumerate(cloudflare.accounts.values()):
            account.users = [person(number)]

    def test_one(self, run: Run, cloudflare: Simulator) -> None:
        """`--account` lists one account and asks for no other."""
        assert [row["account_id"] for row in listed(run, "--account=second")] == ["second"]
        assert {arrival.account_id for arrival in cloudflare.arrivals} == {"second"}

    def test_one_that_is_not_polled(self, run: Run) -> None:
        """An account whose users are switched off is listed where it is named, and only there."""
        assert json.loads(run("--idle-seats=90d", "--format=json", first="false").out)[0]["account_id"] == "second"
        code, out, _ = run("--idle-seats=90d", "--format=json", "--account=first", first="false")
        assert (code, [row["account_id"] for row in json.loads(out)]) == (0, ["first"])

    @pytest.mark.parametrize("account", ["third", "", "FIRST", TOKEN])
    def test_an_unknown_one(self, run: Run, cloudflare: Simulator, account: str) -> None:
        """An account that is not configured is an error in the usage, which repeats nothing of what was typed."""
        assert run("--idle-seats=90d", f"--account={account}") == (
            2,
            "",
            "cloudflare-access-exporter: --account: "
            "expected the id of an account in the configuration and of this shard; --config.check lists them\n",
        )
        assert not cloudflare.arrivals

    def test_a_bad_configuration(self, run: Run) -> None:
        """A mistake in the configuration is one line and exit code 1."""
        code, out, err = run("--idle-seats=90d", first="5")
        assert (code, out) == (1, "")
        assert "config.yaml: accounts[0].users: expected" in err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        *(
            ([f"--idle-seats={time}"], f"argument --idle-seats: {EXPECTED_TIME}, got {time!r}")
            for time in ("90", "0", "90.5", " 90 ", "", "d", "90 d", "-90d", "90D", "90w", "1e3d", "36501d", "nan")
        ),
        (["--idle-seats"], "argument --idle-seats: expected one argument"),
        (["--idle-seats=90d", "--format=xml"], "argument --format: invalid choice: 'xml' (choose from"),
        (["--account=first"], "--account and --format go with --idle-seats"),
        (["--format=csv"], "--account and --format go with --idle-seats"),
        (["--once", "--account="], "--account and --format go with --idle-seats"),
    ],
)
def test_usage(run: Run, cloudflare: Simulator, arguments: list[str], complaint: str) -> None:
    """A time without a unit or out of range, and a flag that goes with another one, are errors in the usage."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith(f"cloudflare-access-exporter: error: {complaint}")
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
        """Of an account that cannot be read to its end nothing is listed, one line says why, the others are listed."""
        cloudflare.accounts["first"].users = [person(number, email=f"gone{number}@example.com") for number in range(25)]
        cloudflare.accounts["second"].token = "another"
        cloudflare.accounts["second"].users = [person(77)]
        cloudflare.fault = lambda request: fault if request.account_id == "first" and request.page == page else None
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert code == 1
        assert [row["email"] for row in csv.DictReader(io.StringIO(out))] == ["person77@example.com"]
        (line,) = err.splitlines()
        assert 'level=error msg="account not listed: its users could not be read to the end" account_id=first' in line
        assert f"reason={reason} " in line
        assert not re.search(f"planted|gone|{TOKEN}", err)

    def test_all_accounts(self, run: Run, cloudflare: Simulator) -> None:
        """Where nothing can be read the list is empty, and the exit code tells that from a complete one."""
        cloudflare.fault = lambda _: refuses(403, 10000)
        code, out, err = run("--idle-seats=90d", "--format=json")
        assert (code, out, err.count("\n")) == (1, "[]\n", 2)

    def test_a_fault_that_passes(self, run: Run, cloudflare: Simulator) -> None:
        """A request that fails is sent again, as when polling, and the list is complete."""
        cloudflare.accounts["first"].users = [person(1)]
        cloudflare.fault = lambda _: refuses(503, 1) if len(cloudflare.arrivals) == 1 else None
        assert len(listed(run)) == 1


HOSTILE = [
    "\x1b[31mred\x1b[0m",
    "two\nlines\r\n",
    "bell\x07, null\x00, delete\x7f, tab\t, C1\x9b31m",
    "\u202eright to left\u2066",
    "quote \" apostrophe ' comma , semicolon ;",
    "\u2028separator\u2029",
    "\ufeffmark",
]
WIDE = [
    "名前　太郎",
    "\N{ROCKET} Zoë",
    "Zoe\u0308",
    "한국어",
    "\uff57\uff49\uff44\uff45",
    "\u0301accent",
    "x" * 500,
    "名" * 500,
]


class TestText:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Idle people of odd names, who are told apart by their devices."""
        names = [*HOSTILE, *WIDE]
        cloudflare.accounts["first"].users = [
            person(number, 100 + number, name=name, email=name, active_device_count=number)
            for number, name in enumerate(names)
        ]

    def test_csv(self, run: Run) -> None:
        """CSV keeps every name to the letter, in one cell."""
        out = run("--idle-seats=90d", "--format=csv").out
        rows = list(csv.reader(io.StringIO(out, newline=""), strict=True))[:0:-1]
        assert [row[1] for row in rows] == [row[2] for row in rows] == [*HOSTILE, *WIDE]
        assert [row[6] for row in rows] == [str(number) for number in range(len(rows))]

    def test_json(self, run: Run) -> None:
        """JSON keeps every name to the letter, and is itself plain ASCII in a line for each user."""
        out = run("--idle-seats=90d", "--format=json").out
        assert [row["name"] for row in json.loads(out)][::-1] == [*HOSTILE, *WIDE]
        assert re.fullmatch("[ -~\n]*", out)
        assert out.count("\n") == len(HOSTILE + WIDE) + 2

    def test_table(self, run: Run) -> None:
        """A table keeps its columns whatever the names are, a line for each user, and sends no control character."""
        out = run("--idle-seats=90d").out
        header, *lines = out.removesuffix("\n").split("\n")
        assert len(lines) == len(HOSTILE + WIDE)
        assert all(character.isprintable() for line in lines for character in line)
        column = header.index("last_login")
        assert {from_column(line, column)[:20] for line in lines} == {
            (days_ago(100 + number)).strftime("%Y-%m-%dT%H:%M:%SZ") for number in range(len(lines))
        }
        assert r"\x1b[31mred\x1b[0m" in out
        assert r"two\nlines\r\n" in out
        assert r"C1\x9b31m" in out
        assert r"\u202eright to left\u2066" in out
        assert "名前 太郎" in out
        assert f"{'x' * 63}…" in out
        assert f"{'名' * 31}…" in out
        assert max(map(len, lines)) < 300

    def test_broken_characters(self, run: Run, cloudflare: Simulator) -> None:
        """Bytes that are no characters are shown as such in every format, and end nothing."""
        body = b'{"success": true, "result": [{"id": "1", "access_seat": true, "created_at": "2020-01-01T00:00:00Z", '
        body += b'"name": "\xff \\ud83d \\ude80"}]}'
        page = answers(200, body)
        cloudflare.fault = lambda request: page if request.account_id == "first" else None
        for form in ("csv", "table"):
            assert "\ufffd \ufffd \ufffd" in run("--idle-seats=90d", f"--format={form}").out
        assert [row["name"] for row in listed(run)] == ["\ufffd \ufffd \ufffd"]

    def test_an_output_of_another_encoding(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The list is UTF-8, whatever the terminal claims to write."""
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
        assert run("--idle-seats=90d", "--format=csv").code == 0
        assert "名前" in written.getvalue().decode()


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        *((f"{first}1+1", f"'{first}1+1") for first in "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"),
        ('=HYPERLINK("http://planted.example";"x")', '\'=HYPERLINK("http://planted.example";"x")'),
        ("@SUM(1+1)*cmd|' /C calc'!A0", "'@SUM(1+1)*cmd|' /C calc'!A0"),
        *((text, text) for text in ("1=1", "'=1", " =1", "a\n=1", '"=1"', "O'Hara", "Zoë")),
    ],
)
def test_formulas(run: Run, cloudflare: Simulator, name: str, cell: str) -> None:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe in CSV, and only there."""
    cloudflare.accounts["first"].users = [person(1, name=name, email=name, seat_uid=name)]
    (row,) = csv.DictReader(io.StringIO(run("--idle-seats=90d", "--format=csv").out, newline=""))
    assert [row["name"], row["email"], row["seat_uid"]] == [cell] * 3
    assert listed(run)[0]["name"] == name


def from_column(line: str, column: int) -> str:
    """Return the rest of a line from a column of the terminal on."""
    taken = 0
    for index, character in enumerate(line):
        if taken >= column and not unicodedata.combining(character):
            return line[index:]
        wide = unicodedata.east_asian_width(character) in ("W", "F")
        taken += 0 if unicodedata.combining(character) else 1 + wide
    return ""


class TestProgress:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Twenty-five users in an account, three in the other."""
        cloudflare.accounts["first"].users = [person(number) for number in range(25)]
        cloudflare.accounts["second"].users = [person(number) for number in range(3)]

    def test_on_a_terminal(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal sees how many users were read, on a line that is gone when the list comes."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert code == 0
        assert out.startswith(COLUMNS)
        assert err.startswith("\r10 users read\r20 users read\r25 users read")
        assert err.endswith("\r28 users read\r\x1b[K")
        assert "\n" not in err

    def test_a_failure_on_a_terminal(self, run: Run, cloudflare: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """The line of a failure stands on a line of its own."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        cloudflare.fault = lambda request: (
            refuses(403, 1) if (request.account_id, request.page) == ("first", 2) else None
        )
        err = run("--idle-seats=90d", "--format=csv").err
        assert err.startswith("\r10 users read\r\x1b[Kts=")
        assert err.count("\n") == 1
        assert err.partition("\n")[2] == "\r13 users read\r\x1b[K"

    def test_stopped(self, run: Run, cloudflare: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        """Ctrl-C ends it with the code shells know, the line gone and nothing listed."""

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(idle_seats, "find", interrupt)
        assert run("--idle-seats=90d") == (130, "", "\r\x1b[K")


def configuration(url: str, **api: Any) -> Config:
    """A configuration of two accounts with one token."""
    token = Secret("the test", TOKEN)
    accounts = tuple(AccountConfig(id=name, api_token=token) for name in ("first", "second"))
    return Config(api=Api(url=url, **api), accounts=accounts)


def test_pace(capsys: pytest.CaptureFixture[str]) -> None:
    """Cloudflare is asked no faster than when polling, over all accounts of a credential, and waits for a 429."""
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
    """A hundred thousand users take next to no memory: only those who are idle are kept."""

    def pages(number: int) -> Iterator[list[Person]]:
        for page in range(number):
            yield [Person(f"{page}-{row}", True, last_successful_login=days[row % 10]) for row in range(1000)]

    days = [days_ago(number * 10 + 9) for number in range(10)]  # 9 to 99

    tracemalloc.start()
    try:
        found = list(idle_seats.find(pages(100), "first", days_ago(90)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == 10_000
    assert peak < 5 << 20
