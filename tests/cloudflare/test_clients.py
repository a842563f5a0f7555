"""How a reload of the configuration changes the API clients."""

from pathlib import Path

import pytest

from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from access_exporter.simulator.account import TOKEN
from tests.fleet import Fleet
from tests.reloads import account, cloudflare, config


class TestReload:
    def test_removed_account(self) -> None:
        """After a reload, no time series of a removed account is left, not even the rate limit of its credential."""

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

    def test_empty_secret_file(self, tmp_path: Path) -> None:
        """A reload fails if a secret file is empty, and the exporter keeps the old configuration."""
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

    def test_secret_equal_to_a_name(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The exporter rejects a new secret that is part of an account name, and does not log it."""
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
