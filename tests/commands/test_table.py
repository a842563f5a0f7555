"""Lists of users as tables, CSV and JSON. The time is always 2026-09-21T14:13:20Z."""

import csv
import io
import json
import re
import sys
import unicodedata

import pytest

from access_exporter.simulator import Simulator
from tests.commands.idle import COLUMNS, days_ago, device, listed, person, three_people
from tests.faults import answers
from tests.processes import Run


class TestFormats:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Add an idle user with all fields, an idle user with few fields, and a user who is not idle."""
        three_people(cloudflare)

    def test_table(self, run: Run) -> None:
        """A table is the default format and has a column for each field."""
        expected = (
            "account_id  email             name      last_login            last_device_seen      "
            "last_activity         basis    created               idle_days  active_devices  seats    seat_uid\n"
            "second                                                                              "
            "2026-05-01T00:00:00Z  created  2026-05-01T00:00:00Z  143                        gateway\n"
            "first       jdoe@example.com  Jane Doe  2026-06-13T14:13:20Z  2026-05-24T14:13:20Z  "
            "2026-06-13T14:13:20Z  login    2025-05-09T14:13:20Z  100        1               both     a1b2\n"
        )
        assert run("--idle-seats=90d") == (0, expected, "")
        assert run("--idle-seats", "90d", "--format", "table") == (0, expected, "")

    def test_csv(self, run: Run) -> None:
        """CSV has a header, line ends of RFC 4180, and empty fields for unknown values."""
        assert run("--idle-seats=90d", "--format=csv") == (
            0,
            f"{COLUMNS}\r\n"
            "second,,,,,2026-05-01T00:00:00Z,created,2026-05-01T00:00:00Z,143,,gateway,\r\n"
            "first,jdoe@example.com,Jane Doe,2026-06-13T14:13:20Z,2026-05-24T14:13:20Z,2026-06-13T14:13:20Z,login,"
            "2025-05-09T14:13:20Z,100,1,both,a1b2\r\n",
            "",
        )

    def test_json(self, run: Run) -> None:
        """JSON is one array with one object per line, and null for unknown values."""
        assert run("--idle-seats=90d", "--format=json") == (
            0,
            '[\n{"account_id": "second", "email": null, "name": null, "last_login": null, '
            '"last_device_seen": null, "last_activity": "2026-05-01T00:00:00Z", "basis": "created", '
            '"created": "2026-05-01T00:00:00Z", "idle_days": 143, "active_devices": null, "seats": "gateway", '
            '"seat_uid": null},\n'
            '{"account_id": "first", "email": "jdoe@example.com", "name": "Jane Doe", '
            '"last_login": "2026-06-13T14:13:20Z", "last_device_seen": "2026-05-24T14:13:20Z", '
            '"last_activity": "2026-06-13T14:13:20Z", "basis": "login", '
            '"created": "2025-05-09T14:13:20Z", "idle_days": 100, "active_devices": 1, '
            '"seats": "both", "seat_uid": "a1b2"}\n]\n',
            "",
        )

    @pytest.mark.parametrize(("form", "empty"), [("csv", f"{COLUMNS}\r\n"), ("json", "[]\n"), ("table", None)])
    def test_empty_list(self, run: Run, form: str, empty: str | None) -> None:
        """A complete list without users is a success and has only the header or an empty array."""
        code, out, err = run("--idle-seats=3000d", f"--format={form}")
        assert (code, err) == (0, "")
        assert out == (empty or COLUMNS.replace(",", "  ") + "\n")


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
        """Add idle users with unusual names and different numbers of devices."""
        names = [*HOSTILE, *WIDE]
        cloudflare.accounts["first"].users = [
            person(number, 100 + number, name=name, email=name, active_device_count=number)
            for number, name in enumerate(names)
        ]
        cloudflare.accounts["first"].registrations = tuple(device(str(number), 300) for number in range(len(names)))

    def test_csv(self, run: Run) -> None:
        """CSV keeps every name unchanged, in one cell."""
        out = run("--idle-seats=90d", "--format=csv").out
        rows = list(csv.reader(io.StringIO(out, newline=""), strict=True))[:0:-1]
        assert [row[1] for row in rows] == [row[2] for row in rows] == [*HOSTILE, *WIDE]
        assert [row[9] for row in rows] == [str(number) for number in range(len(rows))]

    def test_json(self, run: Run) -> None:
        """JSON keeps every name unchanged, is plain ASCII, and has one line for each user."""
        out = run("--idle-seats=90d", "--format=json").out
        assert [row["name"] for row in json.loads(out)][::-1] == [*HOSTILE, *WIDE]
        assert re.fullmatch("[ -~\n]*", out)
        assert out.count("\n") == len(HOSTILE + WIDE) + 2

    def test_table(self, run: Run) -> None:
        """A table keeps its columns aligned for any name, with one line for each user and no control character."""
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
        """Invalid bytes in a name are shown as replacement characters in every format."""
        body = b'{"success": true, "result": [{"id": "1", "access_seat": true, "created_at": "2020-01-01T00:00:00Z", '
        body += b'"name": "\xff \\ud83d \\ude80"}]}'
        page = answers(200, body)
        cloudflare.fault = lambda request: page if request.account_id == "first" else None
        for form in ("csv", "table"):
            assert "\ufffd \ufffd \ufffd" in run("--idle-seats=90d", f"--format={form}").out
        assert [row["name"] for row in listed(run)] == ["\ufffd \ufffd \ufffd"]

    def test_an_output_of_another_encoding(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The list is written in UTF-8, even if the terminal has another encoding."""
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
    """Only in CSV, a cell that a spreadsheet would read as a formula begins with an apostrophe."""
    cloudflare.accounts["first"].users = [person(1, name=name, email=name, seat_uid=name)]
    (row,) = csv.DictReader(io.StringIO(run("--idle-seats=90d", "--format=csv").out, newline=""))
    assert [row["name"], row["email"], row["seat_uid"]] == [cell] * 3
    assert listed(run)[0]["name"] == name


def from_column(line: str, column: int) -> str:
    """Return the rest of a line, starting at a column of the terminal."""
    taken = 0
    for index, character in enumerate(line):
        if taken >= column and not unicodedata.combining(character):
            return line[index:]
        wide = unicodedata.east_asian_width(character) in ("W", "F")
        taken += 0 if unicodedata.combining(character) else 1 + wide
    return ""
