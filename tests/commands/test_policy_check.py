"""`--test-policy`: a test of a policy before it is saved. The users and policies of the account are in checking.py."""

import json
import re

import pytest

from access_exporter.simulator import Request
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from tests.commands.checking import COM, ORG, PUBLIC, STAFF_ID, WIKI, Check, allow, email, people
from tests.faults import answers, refuses


class TestOneTest:
    def test_table(self, check: Check) -> None:
        """The table starts with the counts, followed by the users who are blocked or in error, sorted."""
        code, out, err = check(allow(email("cleo"), email("bob")))
        assert (code, out) == (
            0,
            "status    users\n"
            "approved  2\n"
            "blocked   2\n"
            "error     1\n"
            "\n"
            "status   email             name    id\n"
            "blocked  ann@example.com   Ann     id-ann\n"
            "blocked  dora@example.org  Dora    id-dora\n"
            "error                      Edward  id-edward\n",
        )
        assert err.count("\n") == 1
        assert "policy test started" in err

    def test_everyone(self, check: Check) -> None:
        """With `--show=all` every user is listed, with allowed users last."""
        policy = allow(email("cleo"), email("bob"))
        assert people(check.shown(policy, "--show=all")) == ["ann", "dora", "edward", "bob", "cleo"]
        assert people(check.shown(policy, "--show=affected")) == ["ann", "dora", "edward"]

    def test_what_is_sent(self, check: Check) -> None:
        """The command starts one test with exactly the content of the file, and changes nothing else."""
        policies = [allow(COM, require=[ORG], session_duration="24h"), STAFF_ID]
        check.shown(policies)
        assert check.posted == [{"policies": policies}]
        check.server.arrivals.clear()
        check.shown(policies[0])
        assert check.posted == [{"policies": policies[:1]}]

    def test_unknown_keys(self, check: Check) -> None:
        """Unknown keys are sent to Cloudflare; if Cloudflare refuses them, that is an error."""
        policy = allow(COM, brand_new={"a": [1, 2.5, None, True]})
        code, out, err = check(policy)
        assert (code, out, check.posted) == (1, "", [{"policies": [policy]}])
        assert "no policy test was started: 400 from /access/policy-tests" in err
        assert "the fields of the policies, and the ids of reusable policies" in err

    def test_no_user_is_logged(self, check: Check) -> None:
        """Standard error shows no user, rule or secret, even at debug level."""
        code, out, err = check(allow(email("cleo")), "--log.level=debug", "--compare-with=Wiki", "--max-blocked=0")
        assert code == 3
        assert "ann@example.com" in out
        assert not re.search(f"ann|cleo|dora|id-|draft|{TOKEN}", err.replace(str(check.file), ""), re.IGNORECASE)


class TestComparison:
    def test_changed_users(self, check: Check) -> None:
        """The comparison lists the users with a changed result: first those who lose access."""
        shown = check.shown(allow(email("cleo"), email("bob")), "--compare-with=Wiki")
        assert shown["people"] == [
            row("newly_blocked", "approved", "blocked", "ann"),
            row("newly_blocked", "approved", "blocked", "dora") | {"email": "dora@example.org"},
            row("newly_approved", "blocked", "approved", "cleo"),
        ]
        assert shown["changed_users"] == {
            "newly_blocked": 2,
            "newly_error": 0,
            "newly_approved": 1,
            "not_compared": 0,
            "same": 2,
        }
        assert shown["users"] == {"approved": 2, "blocked": 2, "error": 1, "unknown": 0}
        assert shown["compared_with"]["users"] == {"approved": 3, "blocked": 1, "error": 1, "unknown": 0}

    def test_everyone(self, check: Check) -> None:
        """With `--show=all` the comparison also lists users who keep their result."""
        shown = check.shown(allow(email("cleo"), email("bob")), "--compare-with=Wiki", "--show=all")
        assert people(shown) == ["ann", "dora", "cleo", "edward", "bob"]
        assert people(shown, "change")[-2:] == ["same", "same"]

    def test_table(self, check: Check) -> None:
        """The table shows the counts of both tests side by side, then the changes, then the users."""
        out = check(allow(email("cleo"), email("bob")), "--compare-with=Wiki").out
        assert out.startswith(
            "status    users  users now\n"
            "approved  2      3\n"
            "blocked   2      1\n"
            "error     1      1\n"
            "\n"
            "change                        users\n"
            "lose access (newly blocked)   2\n"
            "get an error (newly error)    0\n"
        )
        assert "\nnewly_approved  blocked        approved  cleo@example.com  Cleo  id-cleo\n" in out

    def test_what_is_sent(self, check: Check) -> None:
        """A comparison starts two tests: one of the file, and one of the saved policies in their order."""
        check.shown(allow(COM), "--compare-with=Wiki")
        own = [
            {"decision": "deny", "include": [email("cleo")], "name": "Not Cleo"},
            STAFF_ID,
            {"decision": "allow", "include": [ORG], "exclude": [], "name": "Friends"},
        ]
        assert check.posted == [{"policies": [allow(COM)]}, {"policies": own}]

    @pytest.mark.parametrize(
        ("name", "kind", "saved_id"),
        [
            ("Wiki", "application", "a1"),
            ("a1", "application", "a1"),
            ("a3", "application", "a3"),
            ("Staff", "reusable policy", STAFF_ID),
            (STAFF_ID, "reusable policy", STAFF_ID),
        ],
    )
    def test_by_name_or_id(self, check: Check, name: str, kind: str, saved_id: str) -> None:
        """An application or reusable policy is found by its name or its id."""
        compared = check.shown(allow(COM), f"--compare-with={name}")["compared_with"]
        assert (compared["kind"], compared["id"]) == (kind, saved_id)

    @pytest.mark.parametrize(
        ("name", "code", "words"),
        [
            ("wiki", 2, "no application or reusable policy has this name or id"),
            ("", 2, "no application or reusable policy has this name or id"),
            ("Grafana", 2, "several have this name; use one of the ids: a2 (application), a3 (application)"),
            ("Visitors", 2, "several have this name; use one of the ids: 5af1 (reusable policy), a7 (application)"),
            ("Public", 1, "the application a4 has no policy that a test can evaluate"),
            ("Links", 1, "the application a5 has no policy that a test can evaluate"),
            ("Broken", 1, "the exporter cannot read the policies of the application a6"),
        ],
    )
    def test_what_cannot_be_compared(self, check: Check, name: str, code: int, words: str) -> None:
        """An unknown or ambiguous name, or policies that cannot be tested, are an error before a test starts."""
        ended = check(allow(COM), f"--compare-with={name}")
        assert (ended.code, ended.out, check.posted) == (code, "", [])
        (line,) = ended.err.splitlines()
        assert line.startswith("cloudflare-access-exporter: --compare-with: ")
        assert words in line

    def test_a_list_that_lacks_rows(self, check: Check) -> None:
        """In an incomplete list a name may not be unique, so the command then accepts only an id."""

        def short(request: Request) -> Fault | None:
            rows = [WIKI] if request.page == 1 else []
            body = {"success": True, "result": rows, "result_info": {"total_count": 3, "page": request.page}}
            return answers(200, json.dumps(body)) if request.endpoint == "apps" else None

        check.server.fault = short
        ended = check(allow(COM), "--compare-with=Wiki")
        assert (ended.code, check.posted) == (1, [])
        assert "Cloudflare announces 2 applications or policies that it does not list" in ended.err
        assert check(allow(COM), "--compare-with=a1").code == 0

    def test_users_in_one_test_only(self, check: Check) -> None:
        """Users who first log in between the two tests are counted apart, not as a change."""
        users = check.account.users

        def log_in(request: Request) -> None:
            if request.method == "POST":
                check.account.users = users[1:] if len(check.posted) == 1 else users

        check.server.fault = log_in
        shown = check.shown(allow(COM), "--compare-with=Wiki", "--show=all", "--max-newly-blocked=0", code=3)
        assert shown["changed_users"]["not_compared"] == 1
        assert people(shown)[:2] == ["dora", "cleo"]


def row(change: str, before: str, after: str, person: str) -> dict[str, str]:
    return {
        "change": change,
        "status_before": before,
        "status": after,
        "email": f"{person}@example.com",
        "name": person.title(),
        "id": f"id-{person}",
    }


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (["--max-blocked=2"], 0),
        (["--max-blocked=1"], 3),
        (["--max-blocked=40%"], 0),
        (["--max-blocked=39.999999%"], 3),
        (["--max-blocked=0%"], 3),
        (["--max-newly-blocked=2"], 0),
        (["--max-newly-blocked=1"], 3),
        (["--max-newly-blocked=40%"], 0),
        (["--max-newly-blocked=39%"], 3),
        (["--max-blocked=2", "--max-newly-blocked=1"], 3),
        (["--max-blocked=1", "--max-newly-blocked=2"], 3),
        (["--max-blocked=100%", "--max-newly-blocked=100%"], 0),
    ],
)
def test_limits(check: Check, limits: list[str], code: int) -> None:
    """If more users than a limit allows are blocked, as a number or a share, the exit code is 3."""
    ended = check(allow(email("cleo"), email("bob")), "--compare-with=Wiki", *limits)
    assert ended.code == code
    assert ("is exceeded: 2 of 5 people tested are" in ended.err) == (code == 3)
    assert ended.err.count("2 of 5 people tested are") == len(limits)


class TestAccounts:
    def test_one_of_several_accounts(self, check: Check) -> None:
        """With several accounts `--account` is required, and tests start in that account only."""
        code, out, err = check(allow(COM), accounts=("first", "second"))
        assert (code, out, check.posted) == (2, "", [])
        assert err.endswith("--account: required, because the configuration has 2 accounts\n")
        assert check(allow(COM), "--account=first", accounts=("first", "second")).code == 0
        assert {arrival.account_id for arrival in check.server.arrivals} == {"first"}

    @pytest.mark.parametrize("account", ["third", ""])
    def test_an_unknown_account(self, check: Check, account: str) -> None:
        """An unknown account is a usage error."""
        code, out, err = check(allow(COM), f"--account={account}")
        assert (code, out, check.posted) == (2, "", [])
        assert "--account: the configuration (or this shard) lacks this account" in err


@pytest.mark.parametrize(
    ("endpoint", "permission", "started"),
    [
        ("apps", "Access: Apps and Policies Read", 0),
        ("policies", "Access: Apps and Policies Read", 0),
        ("policy_tests", "Access: Policy Test Write", 1),
        ("policy_test", "Access: Policy Test Read", 2),
        ("policy_test_users", "Access: Policy Test Read", 2),
    ],
)
def test_permissions(check: Check, endpoint: str, permission: str, started: int) -> None:
    """If the token lacks a permission, the error names it."""
    check.server.fault = lambda request: refuses(403, 10000) if request.endpoint == endpoint else None
    ended = check(allow(COM), "--compare-with=Wiki")
    assert (ended.code, ended.out, len(check.posted)) == (1, "", started)
    assert f"the token needs the permission {permission}" in ended.err.splitlines()[-1]


def test_a_policy_that_allows_everyone(check: Check) -> None:
    """If there is no user to list, the report says so."""
    check.account.users = check.account.users[:3]
    assert check(allow(COM)).out.endswith("error     0\n\nno people to list\n")


def test_bypass_is_passed_on(check: Check) -> None:
    """The command sends a bypass policy unchanged, and Cloudflare decides what it means."""
    check.shown(PUBLIC)
    assert check.posted == [{"policies": [PUBLIC]}]
