"""A policy test is followed to its end despite errors, and is never started twice."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.commands.checking import POLICY, Check, Happen, life, only
from tests.faults import answers, refuses, resets, result
from tests.processes import ROOT


class TestStart:
    @pytest.mark.parametrize(
        ("happen", "words"),
        [
            (refuses(400, 12130), "no policy test was started: 400 "),
            (refuses(404, 7003), "no policy test was started: 404 "),
            (refuses(401, 10000), "no policy test was started: 401 "),
            (refuses(429, 1, Retry_After="1"), "no policy test was started: 429 "),
            (answers(200, '{"success": false}'), "no policy test was started: 200 "),
            (refuses(500, 1), "may have started a policy test, so the exporter starts no second one: 500 "),
            (resets(), "may have started a policy test, so the exporter starts no second one: "),
            (answers(200, "<html>"), "may have started a policy test, so the exporter starts no second one: "),
            (result('{"id": null}'), "may have started a policy test, so the exporter starts no second one: "),
            (result('{"id": "../x"}'), "may have started a policy test, so the exporter starts no second one: "),
        ],
    )
    def test_failures(self, check: Check, happen: Happen, words: str) -> None:
        """If the start of a test is refused, or its response is lost, the command fails and starts no second test."""
        check.server.fault = only("policy_tests", happen)
        code, out, err = check(POLICY, "--compare-with=Wiki")
        assert (code, out, len(check.posted)) == (1, "", 1)
        assert err.count("\n") == 1
        assert words in err

    def test_no_connection(self, check: Check) -> None:
        """If no connection can be made, the error says that no test was started."""
        check.server.stop()
        code, out, err = check(POLICY)
        assert (code, out) == (1, "")
        assert err.startswith("cloudflare-access-exporter: no policy test was started: ")

    def test_the_second_of_two(self, check: Check) -> None:
        """If only the second test is refused, the error shows the id of the first, which continues."""
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
            ("finished", "ended with a status that the exporter does not know"),
        ],
    )
    def test_without_results(self, check: Check, status: str, words: str) -> None:
        """A test with any end status except `complete` is an error, even if it has results."""
        life(check, "approved", "approved", seconds=20, end=status)
        code, out, err = check(POLICY, "--max-blocked=5")
        assert (code, out) == (1, "")
        assert words in err.splitlines()[-1]

    def test_timeout(self, check: Check) -> None:
        """A test that exceeds `--timeout` is an error that shows the progress and says that the test continues."""
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
        """The default of `--timeout` is 30 minutes."""
        life(check, "approved", seconds=seconds)
        assert check(POLICY, *flags).code == code

    def test_requests_of_a_long_test(self, check: Check) -> None:
        """A test of half an hour needs fewer than 200 requests, because the pauses between them grow."""
        life(check, "approved", seconds=1700)
        check(POLICY)
        assert len(check.server.arrivals) < 200


class TestFaults:
    @pytest.mark.parametrize("endpoint", ["policy_test", "policy_test_users"])
    @pytest.mark.parametrize("happen", [refuses(500, 1), resets(), refuses(408, 1), answers(200, "<html>")])
    def test_temporary_errors(self, check: Check, endpoint: str, happen: Happen) -> None:
        """An error that outlasts the retries of one request is tolerated for 30 s; no second test is started."""
        check.server.fault = only(endpoint, happen, times=6)
        check.shown(POLICY)
        assert len(check.posted) == 1

    @pytest.mark.parametrize("endpoint", ["policy_test", "policy_test_users"])
    @pytest.mark.parametrize("happen", [refuses(500, 1), resets(), answers(200, "<html>"), refuses(404, 12130)])
    def test_permanent_errors(self, check: Check, endpoint: str, happen: Happen) -> None:
        """A permanent error ends the command, and the message says whether the test continues."""
        check.server.fault = only(endpoint, happen)
        code, out, err = check(POLICY)
        assert (code, out, len(check.posted)) == (1, "", 1)
        assert "cannot be read" in err
        assert ("it continues at Cloudflare" in err) == (endpoint == "policy_test")

    def test_a_long_pause(self, check: Check) -> None:
        """The command waits five minutes if a 429 response asks for that, because the test is running."""
        check.server.fault = only("policy_test", refuses(429, 1, Retry_After="300"), times=1)
        before = check.clock.now
        check.shown(POLICY)
        assert 300 <= check.clock.now - before < 400
        assert len(check.posted) == 1

    def test_a_pause_that_exceeds_the_timeout(self, check: Check) -> None:
        """If Retry-After is longer than the rest of `--timeout`, the command fails."""
        check.server.fault = only("policy_test", refuses(429, 1, Retry_After="300"))
        code, _, err = check(POLICY, "--timeout=2m")
        assert code == 1
        assert "exceeded --timeout of 120 s" in err


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Let child processes react to SIGINT, because a shell makes background processes ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_stopped(check: Check, number: signal.Signals, code: int) -> None:
    """After SIGINT or SIGTERM the exit code is 128 plus the signal's number, and the output shows the test's id."""
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
