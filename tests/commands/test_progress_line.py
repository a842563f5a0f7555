"""What a terminal shows while policy tests run and after Ctrl-C."""

import re
import sys

import pytest

from tests.commands.checking import POLICY, Check, life, only
from tests.faults import refuses


class TestTerminal:
    def test_progress(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """A terminal shows the processed users, the total and the time, on a line that is erased at the end."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        life(check, *["approved"] * 8, seconds=40)
        err = check(POLICY, "--log.level=error").err
        assert re.search(rf"\r{check.file}: 0 of 8 people processed; 0m 0s", err)
        assert re.search(rf"\r{check.file}: 4 of 8 people processed; 0m 2[0-4]s", err)
        assert err.endswith("\r\x1b[K")
        assert "\n" not in err

    def test_no_terminal(self, check: Check) -> None:
        """Without a terminal there is no progress line."""
        assert "processed" not in check(POLICY).err

    def test_interrupted(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """After Ctrl-C the command says that the test continues, and shows its id."""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(check.clock, "sleep", interrupt)
        code, out, err = check(POLICY, "--log.level=error")
        (test_id,) = check.account.policy_tests
        assert (code, out) == (130, "")
        message = f"the policy test continues at Cloudflare, with the id {test_id}; no policy was saved"
        assert err.endswith(f"\r\x1b[Kcloudflare-access-exporter: {message}\n\r\x1b[K")

    def test_interrupted_before_the_start(self, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
        """If no test was started, Ctrl-C prints nothing about one."""
        check.server.fault = only("apps", refuses(500, 1))
        monkeypatch.setattr(check.clock, "sleep", interrupt)
        assert check(POLICY, "--compare-with=Wiki") == (130, "", "")


def interrupt(_seconds: float) -> None:
    raise KeyboardInterrupt
