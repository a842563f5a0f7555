"""What becomes of the clients of a configuration when there is another one."""

from pathlib import Path

import pytest

from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from access_exporter.simulator.account import TOKEN
from tests.fleet import Fleet
from tests.reloads import account, cloudflare, config


class TestReload:
    def test_what_is_gone_is_gone(self) -> None:
        """Nothing of an account that was taken away is left, the rate limit of its credential included."""

        def remaining(name: str) -> float | None:
            return exporter.registry.get_sample_value("cloudflare_access_api_ratelimit_remaining", {"credential": name})

        with cloudflare("stays", "goes") as server:
            server.accounts["goes"].token = "another"
            stays, goes = account("stays"), account("goes", Secret("the test", "another"))
            exporter = Fleet(config(server, stays, goes))
            exporter.run(10)
            assert remaining("stays") == 1195  # three pages, the organization and the token itself
            assert remaining("goes") == 1195
            exporter.load(config(server, stays))
            assert (remaining("stays"), remaining("goes")) == (1195, None)
            assert '"goes"' not in exporter.page()

    def test_of_an_unreadable_secret(self, tmp_path: Path) -> None:
        """A reload while a secret file is empty is refused, and all goes on as before."""
        token = tmp_path / "token"
        token.write_text(TOKEN, encoding="utf-8")
        with cloudflare("first", "second") as server:
            exporter = Fleet(config(server, account("first", Secret("file", path=str(token)))))
            exporter.run(1)
            token.write_text("", encoding="utf-8")
            changed = config(server, account("second"), account("first", Secret("file", path=str(token))), burst=50)
            with pytest.raises(ConfigError, match="the secret is empty"):
                exporter.load(changed)
            exporter.run(600)
            assert exporter.health("first") == {"success": 1}
            assert '"second"' not in exporter.page()

    def test_of_a_secret_that_is_shown(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A secret file that is exchanged for what stands in a name is not used, and the log does not repeat it."""
        token = tmp_path / "token"
        token.write_text(TOKEN, encoding="utf-8")
        with cloudflare("first") as server:
            named = account("first", Secret("the file", path=str(token)), name="Team planted-secret")
            exporter = Fleet(config(server, named))
            exporter.run(10)
            server.accounts["first"].token = "planted-secret"
            token.write_text("planted-secret", encoding="utf-8")
            exporter.run(600)
            assert exporter.health("first") == {"success": 0, "permission": 2}
            assert "new secret not used: a visible part of the configuration contains it" in caplog.text
            assert "planted" not in caplog.text
            server.accounts["first"].token = "another-secret"
            token.write_text("another-secret", encoding="utf-8")
            exporter.run(600)
            assert exporter.health("first")["success"] == 1
        sent = {request.headers["authorization"] for request in server.arrivals}
        assert sent == {f"Bearer {TOKEN}", "Bearer another-secret"}
