"""The rows of a policy test: each user counts once, and the command fails if rows are missing."""

import json
from typing import Any

import pytest

from access_exporter.simulator import PolicyTestUser, Simulator
from access_exporter.simulator.account import Life
from tests.commands.checking import EVERYBODY, POLICY, Check, account, changed_result, life, only, people
from tests.faults import result


class TestRows:
    def test_late_rows(self, check: Check) -> None:
        """If rows are missing at first, the command reads them again and counts the complete rows."""
        check.server.fault = only("policy_test_users", result("[]"), times=2)
        assert check.shown(POLICY)["users"]["approved"] == 3

    @pytest.mark.parametrize(
        ("total", "words"), [(6, "lists 5 people but covers 6"), (4, "lists 5 people but covers 4")]
    )
    @pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
    def test_rows_that_do_not_add_up(self, check: Check, total: int, words: str, form: str) -> None:
        """If the number of rows differs from the total of the test, the command fails, but shows the rows."""
        check.server.fault = only("policy_test", changed_result(total_users=total))
        code, out, err = check(POLICY, "--max-blocked=100%", f"--format={form}")
        assert code == 1
        assert "blocked" in out
        assert words in err
        assert "kept" not in err
        assert (words in out) == (form in ("json", "markdown"))

    def test_a_limit_exceeded_by_incomplete_rows(self, check: Check) -> None:
        """Incomplete rows are an error with exit code 1, even if they exceed a limit."""
        check.server.fault = only("policy_test", changed_result(total_users=6))
        assert check(POLICY, "--max-blocked=0").code == 1

    @pytest.mark.parametrize("total", [None, "many", -1])
    def test_an_unknown_total(self, check: Check, total: object) -> None:
        """If the test has no total, the sum of its counts is the total; without both, the command fails."""
        check.server.fault = only("policy_test", changed_result(total_users=total))
        assert check(POLICY, "--max-blocked=100%").code == 0
        nothing = dict.fromkeys(("total_users", "users_approved", "users_blocked", "users_errored"))
        check.server.fault = only("policy_test", changed_result(**nothing))
        code, _, err = check(POLICY, "--max-blocked=100%")
        assert code == 1
        assert "does not say how many people it covers" in err

    def test_no_users(self, check: Check) -> None:
        """A test without users proves nothing, so the command fails even with `--max-blocked=100%`."""
        check.account.users = ()
        code, _, err = check(POLICY, "--max-blocked=100%")
        assert code == 1
        assert "covers no people" in err

    def test_results_that_are_not_documented(self, check: Check) -> None:
        """A missing or undocumented result counts as unknown, and the command fails."""
        life(check, "approved", "allowed", None)
        ended = check(POLICY, "--format=json", "--max-blocked=100%")
        assert (ended.code, json.loads(ended.out)["users"]["unknown"]) == (1, 2)
        assert "has 2 results that the exporter does not know" in ended.err

    def test_a_row_that_is_listed_twice(self, check: Check) -> None:
        """Each user counts once, even if two pages list the same row."""
        habits: dict[str, Any] = {"max_per_page": 2, "repeat_at_borders": 1}
        with Simulator([account()], clock=check.clock.time, **habits) as server:
            check.server, check.account = server, server.accounts["first"]
            shown = check.shown(POLICY, "--show=all")
        assert sorted(people(shown)) == sorted(EVERYBODY)

    def test_rows_without_an_id(self, check: Check) -> None:
        """Users without an id count one by one, but a comparison of them fails."""
        rows: list[dict[str, object]] = [
            {"status": "approved"},
            {"status": "approved"},
            {"id": None, "status": "blocked"},
        ]
        check.account.any_life = lambda _: Life(rows)
        assert check.shown(POLICY)["users"]["approved"] == 2
        code, out, err = check(POLICY, "--compare-with=Wiki", "--max-newly-blocked=100%", "--format=json")
        assert (code, json.loads(out)["changed_users"]["not_compared"]) == (1, 6)
        assert "lists 3 people without an id, who cannot be compared" in err

    def test_no_user_in_common(self, check: Check) -> None:
        """If the two tests have no user in common, nothing can be compared, and the command fails."""
        check.account.any_life = lambda _: Life([PolicyTestUser(f"{len(check.posted)}", status="approved")])
        code, _, err = check(POLICY, "--compare-with=Wiki", "--max-newly-blocked=100%")
        assert code == 1
        assert "no person is in both tests" in err
