"""The report of `--test-policy` as CSV, JSON and Markdown. The users of the account are in checking.py."""

import csv
import io
import json

import pytest

from access_exporter.simulator import PolicyTestUser
from access_exporter.simulator.account import Life
from tests.commands.checking import COM, EVERYBODY, Check, allow, email

TWO = allow(email("cleo"), email("bob"))
HOSTILE = {
    "formula": "=HYPERLINK(1)",
    "mention": "@octocat",
    "cell": "a | b",
    "code": "a ` b",
    "link": "[click](https://planted.example) <img src=x>",
    "lines": "a\nb\r\n| c |",
    "escape": "\x1b[2Jgone",
    "bidi": "\u202etxt",
    "backslash": "\\|",
    "long": "x" * 500,
}


def hostile(check: Check) -> None:
    """Let every test block users with dangerous names."""
    rows = [PolicyTestUser(key, email=name, name=name, status="blocked") for key, name in HOSTILE.items()]
    check.account.any_life = lambda _: Life(rows)


class TestCsv:
    def test_one_test(self, check: Check) -> None:
        """The CSV report has the counts first, as rows with a number of users, and then one row for each user."""
        code, out, _ = check(TWO, "--format=csv")
        assert (code, out) == (
            0,
            "status,users,email,name,id\r\n"
            "approved,2,,,\r\n"
            "blocked,2,,,\r\n"
            "error,1,,,\r\n"
            "blocked,,ann@example.com,Ann,id-ann\r\n"
            "blocked,,dora@example.org,Dora,id-dora\r\n"
            "error,,,Edward,id-edward\r\n",
        )

    def test_comparison(self, check: Check) -> None:
        """Each count and each user has the change, and the results before and after."""
        _, out, _ = check(TWO, "--format=csv", "--compare-with=Wiki")
        rows = list(csv.DictReader(io.StringIO(out, newline="")))
        counts = {(row["change"], row["status_before"], row["status"]): row["users"] for row in rows if row["users"]}
        assert counts["", "", "approved"] == "2"
        assert counts["", "approved", ""] == "3"
        assert counts["newly_blocked", "", ""] == "2"
        assert counts["same", "", ""] == "2"
        people = [row for row in rows if row["id"]]
        assert [(row["change"], row["status_before"], row["status"], row["id"]) for row in people] == [
            ("newly_blocked", "approved", "blocked", "id-ann"),
            ("newly_blocked", "approved", "blocked", "id-dora"),
            ("newly_approved", "blocked", "approved", "id-cleo"),
        ]

    def test_formulas(self, check: Check) -> None:
        """A name that a spreadsheet would read as a formula gets an apostrophe in front."""
        hostile(check)
        rows = list(csv.DictReader(io.StringIO(check(TWO, "--format=csv").out, newline="")))
        names = {row["id"]: row["name"] for row in rows if row["id"]}
        assert names["formula"] == "'=HYPERLINK(1)"
        assert names["mention"] == "'@octocat"
        assert names["long"] == "x" * 500


class TestJson:
    def test_whole(self, check: Check) -> None:
        """The JSON report has the ids, the counts, the limits and the users."""
        shown = check.shown(TWO, "--max-blocked=1", code=3)
        (test_id,) = check.account.policy_tests
        assert shown == {
            "account_id": "first",
            "policy_test_id": test_id,
            "users": {"approved": 2, "blocked": 2, "error": 1, "unknown": 0},
            "compared_with": None,
            "changed_users": None,
            "limits": [{"flag": "--max-blocked", "limit": "1", "users": 2, "exceeded": True}],
            "problems": [],
            "people": [
                {"status": "blocked", "email": "ann@example.com", "name": "Ann", "id": "id-ann"},
                {"status": "blocked", "email": "dora@example.org", "name": "Dora", "id": "id-dora"},
                {"status": "error", "email": None, "name": "Edward", "id": "id-edward"},
            ],
        }

    def test_names_are_unchanged(self, check: Check) -> None:
        """JSON keeps every name unchanged, and escapes it so that a terminal does not interpret it."""
        hostile(check)
        out = check(TWO, "--format=json").out
        assert out.replace("\n", "").isascii()
        assert out.replace("\n", "").isprintable()
        assert {row["id"]: row["name"] for row in json.loads(out)["people"]} == HOSTILE


class TestMarkdown:
    def test_without_names(self, check: Check) -> None:
        """The Markdown report shows numbers of users, but no names."""
        code, out, _ = check(
            TWO, "--format=markdown", "--compare-with=Wiki", "--max-newly-blocked=1", "--max-blocked=2"
        )
        assert (code, out) == (
            3,
            "### Policy test: 2 of 5 people are blocked\n"
            "\n"
            "Compared with the application `Wiki` as it is now.\n"
            "\n"
            "| status | users | users now |\n"
            "|---|---|---|\n"
            "| approved | 2 | 3 |\n"
            "| blocked | 2 | 1 |\n"
            "| error | 1 | 1 |\n"
            "\n"
            "| change | users |\n"
            "|---|---|\n"
            "| lose access (newly blocked) | 2 |\n"
            "| get an error (newly error) | 0 |\n"
            "| gain access (newly approved) | 1 |\n"
            "| in one of the tests only | 0 |\n"
            "| stay the same | 2 |\n"
            "\n"
            "- **Kept**: `--max-blocked=2 is kept: 2 of 5 people tested are blocked (40.0%)`\n"
            "- **Exceeded**: `--max-newly-blocked=1 is exceeded: 2 of 5 people tested are newly blocked (40.0%)`\n",
        )

    @pytest.mark.parametrize("flags", [[], ["--show=affected"], ["--compare-with=Wiki"]])
    def test_no_user_is_shown(self, check: Check, flags: list[str]) -> None:
        """Without `--show=all` the Markdown report has no name, e-mail address or id of a user."""
        out = check(TWO, "--format=markdown", *flags).out.lower()
        assert not [name for name in EVERYBODY if name in out]
        assert "@" not in out

    def test_with_names(self, check: Check) -> None:
        """With `--show=all` the Markdown report lists every user."""
        out = check(TWO, "--format=markdown", "--show=all").out
        assert out.endswith(
            "| status | email | name | id |\n"
            "|---|---|---|---|\n"
            "| `blocked` | `ann@example.com` | `Ann` | `id-ann` |\n"
            "| `blocked` | `dora@example.org` | `Dora` | `id-dora` |\n"
            "| `error` |  | `Edward` | `id-edward` |\n"
            "| `approved` | `bob@example.com` | `Bob` | `id-bob` |\n"
            "| `approved` | `cleo@example.com` | `Cleo` | `id-cleo` |\n"
        )

    def test_hostile_names(self, check: Check) -> None:
        """A name stays in its table cell as code, so it cannot become a link, a mention or markup."""
        hostile(check)
        out = check(TWO, "--format=markdown", "--show=all").out
        rows = [line for line in out.splitlines() if line.startswith("| `blocked`")]
        assert len(rows) == len(HOSTILE)
        for row in rows:
            assert row.count("|") == 5
            cells = row.strip("|").split("|")
            assert all(cell.startswith(" `") and cell.endswith("` ") and cell.count("`") == 2 for cell in cells)
            assert row.isprintable()

    def test_a_hostile_application(self, check: Check) -> None:
        """The name of an application is shown as code too."""
        application = {**dict(check.account.lists["apps"][0]), "name": HOSTILE["link"] + "`|"}  # type: ignore[arg-type]  # it is a mapping
        check.account.lists["apps"] = (application,)
        out = check(allow(COM), "--format=markdown", "--compare-with=a1").out
        assert "the application `[click](https://planted.example) <img src=x>'¦` as it is now" in out
