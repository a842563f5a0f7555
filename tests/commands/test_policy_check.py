"""A policy tested before it is saved. Whom the account has, and whom its policies let in, is in checking.py."""

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
        """The counts come first, and then the people who are blocked or in error, sorted."""
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
            "error                      Nobody  id-nobody\n",
        )
        assert err.count("\n") == 1
        assert "policy test started" in err

    def test_everyone(self, check: Check) -> None:
        """`--show=all` lists everyone, those who are let in last."""
        policy = allow(email("cleo"), email("bob"))
        assert people(check.shown(policy, "--show=all")) == ["ann", "dora", "nobody", "bob", "cleo"]
        assert people(check.shown(policy, "--show=affected")) == ["ann", "dora", "nobody"]

    def test_what_is_sent(self, check: Check) -> None:
        """One test is started, of exactly what is in the file, and nothing else is sent that changes anything."""
        policies = [allow(COM, require=[ORG], session_duration="24h"), STAFF_ID]
        check.shown(policies)
        assert check.posted == [{"policies": policies}]
        check.server.arrivals.clear()
        check.shown(policies[0])
        assert check.posted == [{"policies": policies[:1]}]

    def test_unknown_keys(self, check: Check) -> None:
        """Keys that only Cloudflare knows are passed on, and Cloudflare's refusal of them is an error."""
        policy = allow(COM, brand_new={"a": [1, 2.5, None, True]})
        code, out, err = check(policy)
        assert (code, out, check.posted) == (1, "", [{"policies": [policy]}])
        assert "no policy test was started: 400 from /access/policy-tests" in err
        assert "the fields of the policies, and the ids of reusable policies" in err

    def test_nobody_is_logged(self, check: Check) -> None:
        """Even who debugs finds no person, no rule and no secret on standard error."""
        code, out, err = check(allow(email("cleo")), "--log.level=debug", "--compare-with=Wiki", "--max-blocked=0")
        assert code == 3
        assert "ann@example.com" in out
        assert not re.search(f"ann|cleo|dora|id-|draft|{TOKEN}", err.replace(str(check.file), ""), re.IGNORECASE)


class TestComparison:
    def test_who_changes(self, check: Check) -> None:
        """The people are listed whose result changes: first those who lose access."""
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
        """`--show=all` also lists who keeps their result."""
        shown = check.shown(allow(email("cleo"), email("bob")), "--compare-with=Wiki", "--show=all")
        assert people(shown) == ["ann", "dora", "cleo", "nobody", "bob"]
        assert people(shown, "change")[-2:] == ["same", "same"]

    def test_table(self, check: Check) -> None:
        """Both tests are counted side by side, then the changes, and then the people."""
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
        """Two tests: the file's, and what is saved in its order: reusable policies by id, others by their fields."""
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
        """An application or a reusable policy is found by its name or by its id."""
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
            ("Odd", 1, "the exporter cannot read the policies of the application a6"),
        ],
    )
    def test_what_cannot_be_compared(self, check: Check, name: str, code: int, words: str) -> None:
        """A name that is missing or not the only one, and what nobody can test, are errors before a test starts."""
        ended = check(allow(COM), f"--compare-with={name}")
        assert (ended.code, ended.out, check.posted) == (code, "", [])
        (line,) = ended.err.splitlines()
        assert line.startswith("cloudflare-access-exporter: --compare-with: ")
        assert words in line

    def test_a_list_that_lacks_rows(self, check: Check) -> None:
        """A name found in an incomplete list may not be the only one, so that only an id is accepted."""

        def short(request: Request) -> Fault | None:
            rows = [WIKI] if request.page == 1 else []
            body = {"success": True, "result": rows, "result_info": {"total_count": 3, "page": request.page}}
            return answers(200, json.dumps(body)) if request.endpoint == "apps" else None

        check.server.fault = short
        ended = check(allow(COM), "--compare-with=Wiki")
        assert (ended.code, check.posted) == (1, [])
        assert "Cloudflare announces 2 applications or policies that it does not list" in ended.err
        assert check(allow(COM), "--compare-with=a1").code == 0

    def test_who_is_in_one_test_only(self, check: Check) -> None:
        """People who log in for the first time between the two tests are counted, and are no change."""
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
    """More people than a limit allows, as a number or a share of those tested, end the command with 3."""
    ended = check(allow(email("cleo"), email("bob")), "--compare-with=Wiki", *limits)
    assert ended.code == code
    assert ("is exceeded: 2 of 5 people tested are" in ended.err) == (code == 3)
    assert ended.err.count("2 of 5 people tested are") == len(limits)


class TestAccounts:
    def test_one_of_several(self, check: Check) -> None:
        """With several accounts, `--account` says which one; a test is never started in more than one."""
        code, out, err = check(allow(COM), accounts=("first", "second"))
        assert (code, out, check.posted) == (2, "", [])
        assert err.endswith("--account: required, because the configuration has 2 accounts\n")
        assert check(allow(COM), "--account=first", accounts=("first", "second")).code == 0
        assert {arrival.account_id for arrival in check.server.arrivals} == {"first"}

    @pytest.mark.parametrize("account", ["third", ""])
    def test_an_unknown_one(self, check: Check, account: str) -> None:
        """An account that is not configured is an error in the usage."""
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
    """A token that may not do something is an error that names the permission."""
    check.server.fault = lambda request: refuses(403, 10000) if request.endpoint == endpoint else None
    ended = check(allow(COM), "--compare-with=Wiki")
    assert (ended.code, ended.out, len(check.posted)) == (1, "", started)
    assert f"the token needs the permission {permission}" in ended.err.splitlines()[-1]


def test_a_policy_that_lets_in_everybody(check: Check) -> None:
    """Where nobody is to be listed, that is said."""
    check.account.users = check.account.users[:3]
    assert check(allow(COM)).out.endswith("error     0\n\nno people to list\n")


def test_bypass_is_passed_on(check: Check) -> None:
    """What Cloudflare makes of a policy is left to Cloudflare."""
    check.shown(PUBLIC)
    assert check.posted == [{"policies": [PUBLIC]}]
