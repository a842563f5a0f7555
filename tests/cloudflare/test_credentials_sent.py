"""Which credential a request carries, and what the client does when the secret file changes."""

from pathlib import Path
from typing import Any

import pytest
import responses
from requests import PreparedRequest

from access_exporter.config.secrets import Secret
from tests.api_client import POLICY_TEST, Anything, Bench, Script, good, refusal, simulator, url_of

pytestmark = pytest.mark.usefixtures("no_proxy")


class TestHeaders:
    def test_token(self, mock: responses.RequestsMock) -> None:
        """The client sends a token as a bearer token."""
        script = Script(mock, good())
        Bench().get()
        assert script.requests[0].headers["Authorization"] == "Bearer secret-token"

    def test_key(self, mock: responses.RequestsMock) -> None:
        """The client sends a global key with its e-mail address, and without an Authorization header."""
        script = Script(mock, good())
        Bench(secret=Secret("the test", "secret-key"), email=Secret("the test", "jane@doe.example")).get()
        sent = script.requests[0].headers
        assert (sent["X-Auth-Email"], sent["X-Auth-Key"]) == ("jane@doe.example", "secret-key")
        assert "Authorization" not in sent

    def test_netrc(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The client sends the configured token, not a password from .netrc."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login planted password planted\n")
        monkeypatch.setenv("NETRC", str(netrc))
        with simulator() as server:
            assert Bench(server.url).rows() == ["0"]
        assert server.arrivals[0].headers["authorization"] == "Bearer secret-token"


class TestRotation:
    @pytest.mark.parametrize("refused", [refusal(401), refusal(403, 9109), refusal(403, 10000), refusal(400, 6003)])
    def test_rotation(self, mock: responses.RequestsMock, tmp_path: Path, refused: Any) -> None:
        """The client retries a refused request with a new token from the file; a second refusal fails the poll."""
        path = tmp_path / "token"
        path.write_text("secret-old\n")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, good(), refused, good(), refused)
        bench.get()
        path.write_text("secret-new\n")
        assert bench.get() == Anything()
        bench.failure()
        tokens = [request.headers["Authorization"].removeprefix("Bearer secret-") for request in script.requests]
        assert tokens == ["old", "old", "new", "new"]
        assert bench.sample("retries_total", endpoint="policy_test") == 1

    def test_rotation_once(self, mock: responses.RequestsMock, tmp_path: Path) -> None:
        """The client retries a refused request for one new token only, even if the secret file changes again."""
        path = tmp_path / "token"
        path.write_text("secret-0")
        bench = Bench(secret=Secret("the file", path=str(path)))
        used = []

        def refuse(request: PreparedRequest) -> Any:
            used.append(request.headers["Authorization"])
            path.write_text(f"secret-{len(used)}")
            return refusal(401)

        mock.add_callback("GET", url_of(POLICY_TEST), refuse)
        bench.failure(reason="auth")
        assert used == ["Bearer secret-0", "Bearer secret-1"]

    @pytest.mark.parametrize("content", [None, "", "two words", "secret-old"])
    def test_no_rotation(self, mock: responses.RequestsMock, tmp_path: Path, content: str | None) -> None:
        """The client does not retry a refused request if the secret file is missing, empty, invalid or unchanged."""
        path = tmp_path / "token"
        path.write_text("secret-old")
        bench = Bench(secret=Secret("the file", path=str(path)))
        script = Script(mock, refusal(401))
        if content is None:
            path.unlink()
        else:
            path.write_text(content)
        bench.failure(reason="auth")
        assert len(script.requests) == 1
