"""Failed requests to start a policy test: the error, and when the exporter tries again."""

import socket
from pathlib import Path
from typing import Any

import msgspec
import pytest

from access_exporter.cloudflare import transport
from access_exporter.config.durations import Interval
from access_exporter.config.model import PolicyTest
from access_exporter.simulator.account import TOKEN
from tests.collectors.starting import POLICIES, REFRESH, only, payroll, shows
from tests.exporter import ACCOUNT_ID
from tests.faults import answers, refuses, result

REFUSALS = {
    "permission": (refuses(403, 10000), "permission", "Access: Policy Test Write"),
    "token": (refuses(401, 1000), "auth", "Access: Policy Test Write"),
    "unknown policy": (refuses(400, 12130), "not_found", "check the ids in the configuration"),
    "rate limit": (refuses(429, 10013, Retry_After="7"), "rate_limited", "too many requests"),
    "server": (answers(502), "server", "a temporary fault at Cloudflare"),
    "id missing": (result('{"status": "success"}'), "invalid_response", "has no test id"),
    "e-mail address as id": (result('{"id": "jane@doe.example"}'), "invalid_response", "has no test id"),
    "path as id": (result('{"id": ".."}'), "invalid_response", "has no test id"),
    "id too long": (result(f'{{"id": "{"a" * 65}"}}'), "invalid_response", "has no test id"),
    "lone surrogate": (result('{"id": "\\ud800"}'), "invalid_response", "has no test id"),
    "HTML": (answers(200), "invalid_response", "not JSON"),
    "null": (result("null"), "invalid_response", "has no result"),
}


class TestRefusals:
    @pytest.mark.parametrize("kind", REFUSALS)
    def test_no_second_request_before_the_refresh(self, bench: Any, kind: str) -> None:
        """After a failed POST, the next POST waits for the next refresh, and each poll until then shows the error."""
        fault, reason, words = REFUSALS[kind]
        exporter = bench()
        exporter.exporter.run(100)
        exporter.server.fault = only("policy_tests", fault)
        exporter.exporter.run(2 * REFRESH - 110)
        assert exporter.asked("POST") == [0, REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 0, reason: 12}
        assert f"{reason}: " in exporter.exporter.failure()
        assert words in exporter.exporter.failure()
        assert exporter.exporter.failure().endswith("; the next test starts at 2026-09-21 16:13:20 UTC")
        assert shows(exporter.page(), approved=3)
        exporter.server.fault = None
        exporter.exporter.run(100)
        assert exporter.asked("POST") == [0, REFRESH, 2 * REFRESH]
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1

    def test_no_server(self, bench: Any) -> None:
        """If no server listens, the POST was not sent, so the next poll tries again."""
        exporter = bench()
        exporter.server.stop()
        exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith("network: no complete response from /access/policy-tests: ")
        exporter.server.start()
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [pytest.approx(300, abs=10)]  # other requests are retried meanwhile
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 1, "network": 1}

    def test_closed_proxy(self, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """If the proxy refuses the connection, the POST was not sent, so the next poll tries again."""
        exporter = bench()
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
            exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith(
            "network: no complete response from /access/policy-tests: at the proxy"
        )
        monkeypatch.delenv("http_proxy")
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [pytest.approx(300, abs=10)]  # other requests are retried meanwhile

    def test_connect_timeout(self, bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """If connecting takes too long, the POST was not sent, so the next poll tries again."""
        exporter = bench()

        def connect(*_: object, **__: object) -> None:
            raise TimeoutError

        monkeypatch.setattr(transport, "create_connection", connect)
        exporter.exporter.run(10)
        assert exporter.exporter.failure().startswith("timeout: no complete response from /access/policy-tests within ")
        monkeypatch.undo()
        exporter.exporter.run(400)
        assert exporter.asked("POST") == [pytest.approx(300, abs=10)]  # other requests are retried meanwhile

    def test_the_same_policies(self, bench: Any) -> None:
        """No new test starts if only the order of the policies or the spelling of the API address changes."""
        exporter = bench()
        exporter.exporter.run(10)
        changed = exporter.config(payroll(policies=(*reversed(POLICIES), *POLICIES)))
        api = msgspec.structs.replace(changed.api, url=changed.api.url + "/")
        exporter.exporter.load(msgspec.structs.replace(changed, api=api))
        exporter.exporter.run(REFRESH - 100)
        assert exporter.asked("POST") == [0]

    def test_while_the_credential_is_paused(self, bench: Any) -> None:
        """After a long 429, the exporter sends no POST until the pause is over."""
        exporter = bench(config=PolicyTest(id="gone"))
        exporter.server.fault = lambda _: refuses(429, 10013, Retry_After="200")
        exporter.exporter.run(1)
        exporter.server.fault = None
        exporter.exporter.load(exporter.config(payroll(interval=Interval(60))))
        exporter.exporter.run(170)
        assert exporter.asked("POST") == []
        assert "rate_limited: rate-limit budget exhausted" in exporter.exporter.failure()
        exporter.exporter.run(60)
        assert len(exporter.asked("POST")) == 1
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1

    def test_token_that_was_replaced(self, bench: Any, tmp_path: Path) -> None:
        """The exporter reads the secret file before each POST, because a POST cannot be repeated with a new token."""
        token = tmp_path / "token"
        token.write_text("old", encoding="utf-8")
        exporter = bench()
        config = exporter.config(payroll())
        account = msgspec.structs.replace(config.accounts[0], api_token=None, api_token_file=str(token))
        exporter.exporter.load(msgspec.structs.replace(config, accounts=(account,)))
        token.write_text(TOKEN, encoding="utf-8")
        exporter.exporter.run(1)
        assert exporter.exporter.health(ACCOUNT_ID) == {"success": 1}
