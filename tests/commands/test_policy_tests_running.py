"""A policy test that is followed to its end, whatever happens on the way, and started no second time."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from access_exporter.simulator import Handler, PolicyTestUser, Request, Simulator
from access_exporter.simulator.account import Life
from tests.commands.checking import COM, EVERYBODY, Check, account, allow, people
from tests.faults import answers, refuses, resets, result
from tests.processes import ROOT

POLICY = allow(COM)
Happen = Callable[[Handler], None]


def only(endpoint: str, happen: Happen, times: int = 1_000_000) -> Callable[[Request], Happen | None]:
    """A fault of so many requests to one endpoint."""
    left = [times]

    def fault(request: Request) -> Happen | None:
        if request.endpoint != endpoint or not left[0]:
            return None
        left[0] -= 1
        return happen

    return fault


def life(check: Check, *statuses: str | None, **end: Any) -> None:
    """Let every test end so, with people of these results."""
    rows = [PolicyTestUser(f"id-{number}", status=status) for number, status in enumerate(statuses)]
    check.account.any_life = lambda _: Life(rows, **end)


class TestStart:
    @pytest.mark.parametrize(
        ("happen", "words"),
        [
            (refuses(400, 12130), "no policy test was started: 400 "),
            (refuses(404, 7003), "no policy test was started: 404 "),
            (refuses(401, 10000), "no policy test was started: 401 "),
            (refuses(429, 1, Retry_After="1"), "no policy test was started: 429 "),
            (answers(200, '{"success": false}'), "no policy test was started: 200 "),
            (refuses(500, 1), "may have started a policy test, and it is not asked for again: 500 "),
            (resets(), "may have started a policy test, and it is not asked for again: "),
            (answers(200, "<html>"), "may have started a policy test, and it is not asked for again: "),
            (result('{"id": null}'), "may have started a policy test, and it is not asked for again: "),
            (result('{"id": "../x"}'), "may have started a policy test, and it is not asked for again: "),
        ],
    )
    def test_failures(self, check: Check, happen: Happen, words: str) -> None:
        """A test that is refused, or whose answer is lost, is an error; no second request for it is ever sent."""
        check.server.fault = only("policy_tests", happen)
        code, out, err = check(POLICY, "--compare-with=Wiki")
        assert (code, out, len(check.posted)) == (1, "", 1)
        assert err.count("\n") == 1
        assert words in err

    def test_nobody_there(self, check: Check) -> None:
        """Where nobody answers at all, surely no test has started."""
        check.server.stop()
        code, out, err = check(POLICY)
        assert (code, out) == (1, "")
        assert err.startswith("cloudflare-access-exporter: no policy test was started: ")

    def test_the_second_of_two(self, check: Check) -> None:
        """Where only the second test is refused, the first one is named: it goes on."""
        check.server.fault = lambda request: (
            refuses(400, 12130) if request.method == "POST" and len(check.posted) == 2 else None
        )
        code, out, err = check(POLICY, "--compare-with=Wiki", "--log.level=error")
        (test_id,) = check.account.policy_tests
        assert (code, out) == (1, "")
        assert err.startswith("cloudflare-access-exporter: no policy test was started: 400 ")
        assert f"the policy test continues at Cloudflare, with the id {test_id}" in err


class TestEnd:
    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ("blocked", "ended with the status `blocked`"),
            ("exceeded time", "ended with the status `exceeded time`"),
            ("finished", "ended with a status that is not documented"),
        ],
    )
    def test_without_results(self, check: Check, status: str, words: str) -> None:
        """A test that ends as anything but complete is an error, whatever results it has."""
        life(check, "approved", "approved", seconds=20, end=status)
        code, out, err = check(POLICY, "--max-blocked=5")
        assert (code, out) == (1, "")
        assert words in err.splitlines()[-1]

    def test_timeout(self, check: Check) -> None:
        """A test that takes longer than `--timeout` is an error that says how far it is and that it goes on."""
        life(check, "approved", "approved", seconds=100)
        before = check.clock.now
        code, out, err = check(POLICY, "--timeout=50s")
        assert (code, out) == (1, "")
        assert "exceeded --timeout of 50 s" in err
        assert "1 of 2 people processed); it continues at Cloudflare" in err
        assert check.clock.now - before == pytest.approx(50)

    @pytest.mark.parametrize(("seconds", "code"), [(1700, 0), (1900, 1)])
    @pytest.mark.parametrize("flags", [[], ["--timeout=30m"]])
    def test_default_timeout(self, check: Check, seconds: int, code: int, flags: list[str]) -> None:
        """Without `--timeout` a test may take 30 minutes."""
        life(check, "approved", seconds=seconds)
        assert check(POLICY, *flags).code == code

    def test_requests_of_a_long_test(self, check: Check) -> None:
        """A test of half an hour costs few requests: a tenth of a second is not asked twice."""
        life(check, "approved", seconds=1700)
        check(POLICY)
        assert len(check.server.arrivals) < 200


class TestRows:
    def test_late_rows(self, check: Check) -> None:
        """Rows that are missing at first are read again, and counted as they are then."""
        check.server.fault = only("policy_test_users", result("[]"), times=2)
        assert check.shown(POLICY)["users"]["approved"] == 3

    @pytest.mark.parametrize(
        ("total", "words"), [(6, "lists 5 people but covers 6"), (4, "lists 5 people but covers 4")]
    )
    @pytest.mark.parametrize("form", ["table", "csv", "json", "markdown"])
    def test_rows_that_do_not_add_up(self, check: Check, total: int, words: str, form: str) -> None:
        """A check does not pass on rows that are not as many as the test covers; the rows are shown all the same."""
        check.server.fault = only("policy_test", said(total_users=total))
        code, out, err = check(POLICY, "--max-blocked=100%", f"--format={form}")
        assert code == 1
        assert "blocked" in out
        assert words in err
        assert "kept" not in err
        assert (words in out) == (form in ("json", "markdown"))

    def test_a_limit_exceeded_by_incomplete_rows(self, check: Check) -> None:
        """Only a complete result can exceed a limit."""
        check.server.fault = only("policy_test", said(total_users=6))
        assert check(POLICY, "--max-blocked=0").code == 1

    @pytest.mark.parametrize("total", [None, "many", -1])
    def test_an_unknown_total(self, check: Check, total: object) -> None:
        """Without a total the number of results that the test states is the total."""
        check.server.fault = only("policy_test", said(total_users=total))
        assert check(POLICY, "--max-blocked=100%").code == 0
        nothing = dict.fromkeys(("total_users", "users_approved", "users_blocked", "users_errored"))
        check.server.fault = only("policy_test", said(**nothing))
        code, _, err = check(POLICY, "--max-blocked=100%")
        assert code == 1
        assert "does not say how many people it covers" in err

    def test_nobody(self, check: Check) -> None:
        """A test of nobody proves nothing, so no limit is kept."""
        check.account.users = ()
        code, _, err = check(POLICY, "--max-blocked=100%")
        assert code == 1
        assert "covers nobody" in err

    def test_results_that_are_not_documented(self, check: Check) -> None:
        """A result with another word, or none, is an unknown one, and no check passes with it."""
        life(check, "approved", "allowed", None)
        ended = check(POLICY, "--format=json", "--max-blocked=100%")
        assert (ended.code, json.loads(ended.out)["users"]["unknown"]) == (1, 2)
        assert "has 2 results that are not documented" in ended.err

    def test_a_row_that_is_listed_twice(self, check: Check) -> None:
        """Each person counts once, whatever pages they are on."""
        habits: dict[str, Any] = {"max_per_page": 2, "repeat_at_borders": 1}
        with Simulator([account()], clock=check.clock.time, **habits) as server:
            check.server, check.account = server, server.accounts["first"]
            shown = check.shown(POLICY, "--show=all")
        assert sorted(people(shown)) == sorted(EVERYBODY)

    def test_rows_without_an_id(self, check: Check) -> None:
        """People without an id are counted one by one."""
        rows: list[dict[str, object]] = [
            {"status": "approved"},
            {"status": "approved"},
            {"id": None, "status": "blocked"},
        ]
        check.account.any_life = lambda _: Life(rows)
        assert check.shown(POLICY)["users"]["approved"] == 2

    def test_nobody_in_common(self, check: Check) -> None:
        """Two tests without anybody in both compare nothing, so no limit is kept."""
        check.account.any_life = lambda _: Life([PolicyTestUser(f"{len(check.posted)}", status="approved")])
        code, _, err = check(POLICY, "--compare-with=Wiki", "--max-newly-blocked=100%")
        assert code == 1
        assert "nobody in common" in err


def said(**fields: object) -> Happen:
    """Change what the API says of a test."""

    def happen(handler: Handler) -> None:
        response = handler.response()
        body = json.loads(response.body)
        body["result"] |= fields
        handler.send(replace(response, body=json.dumps(body).encode()))

    return happen


class TestFaults:
    @pytest.mark.parametrize("endpoint", ["policy_test", "policy_test_users"])
    @pytest.mark.parametrize("happen", [refuses(500, 1), resets(), refuses(408, 1), answers(200, "<html>")])
    def test_faults_that_pass(self, check: Check, endpoint: str, happen: Happen) -> None:
        """A fault that outlasts the retries of one request is endured for half a minute; no second test is started."""
        check.server.fault = only(endpoint, happen, times=6)
        check.shown(POLICY)
        assert len(check.posted) == 1

    @pytest.mark.parametrize("endpoint", ["policy_test", "policy_test_users"])
    @pytest.mark.parametrize("happen", [refuses(500, 1), resets(), answers(200, "<html>"), refuses(404, 12130)])
    def test_faults_that_stay(self, check: Check, endpoint: str, happen: Happen) -> None:
        """A fault that stays is an error that names the test, for it goes on."""
        check.server.fault = only(endpoint, happen)
        code, out, err = check(POLICY)
        assert (code, out, len(check.posted)) == (1, "", 1)
        assert "cannot be read" in err
        assert "it continues at Cloudflare" in err

    def test_a_long_pause(self, check: Check) -> None:
        """A 429 that asks for five minutes is waited for, since the test is under way."""
        check.server.fault = only("policy_test", refuses(429, 1, Retry_After="300"), times=1)
        before = check.clock.now
        check.shown(POLICY)
        assert 300 <= check.clock.now - before < 400
        assert len(check.posted) == 1

    def test_a_pause_that_exceeds_the_timeout(self, check: Check) -> None:
        """A pause longer than what is left of `--timeout` is an error."""
        check.server.fault = only("policy_test", refuses(429, 1, Retry_After="300"))
        code, _, err = check(POLICY, "--timeout=2m")
        assert code == 1
        assert "exceeded --timeout of 120 s" in err


class TestTerminal:
    def test_progress(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal sees how many people of how many are processed, and the time, on a line that goes at the end."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        life(check, *["approved"] * 8, seconds=40)
        err = check(POLICY, "--log.level=error").err
        assert re.search(rf"\r{check.file}: 0 of 8 people processed; 0m 0s", err)
        assert re.search(rf"\r{check.file}: 4 of 8 people processed; 0m 2[0-4]s", err)
        assert err.endswith("\r\x1b[K")
        assert "\n" not in err

    def test_elsewhere(self, check: Check) -> None:
        """A pipeline's log has no line of progress."""
        assert "processed" not in check(POLICY).err

    def test_interrupted(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """After Ctrl-C the command says that the test continues, and with which id."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(check.clock, "sleep", interrupt)
        code, out, err = check(POLICY, "--log.level=error")
        (test_id,) = check.account.policy_tests
        assert (code, out) == (130, "")
        told = f"the policy test continues at Cloudflare, with the id {test_id}; no policy was saved"
        assert err.endswith(f"\r\x1b[Kcloudflare-access-exporter: {told}\n\r\x1b[K")

    def test_interrupted_before_the_start(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where no test was started, Ctrl-C says nothing of one."""
        check.server.fault = only("apps", refuses(500, 1))
        monkeypatch.setattr(check.clock, "sleep", interrupt)
        assert check(POLICY, "--compare-with=Wiki") == (130, "", "")


def interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_stopped(check: Check, number: signal.Signals, code: int) -> None:
    """Ctrl-C, or a cancelled pipeline, ends the command with the code that shells know, and it names the test."""
    life(check, "approved", seconds=10_000)
    check.file.write_text(json.dumps(POLICY), encoding="utf-8")
    check.run("--config.check")  # writes the configuration
    command = [sys.executable, "exporter.py", f"--config.file={check.config}", f"--test-policy={check.file}"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "policy test started" in process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (code, "")
    assert "the policy test continues at Cloudflare, with the id " in err
    assert "Traceback" not in err
