"""The client verifies TLS certificates, and explains each failure."""

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from access_exporter.simulator import Handler, Simulator
from tests.api_client import POLICY_TEST, Bench, simulator
from tests.certificates import Authority

pytestmark = pytest.mark.usefixtures("no_proxy")


VARIABLES = ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"]
CUT_OFF = "-----BEGIN CERTIFICATE-----\nplanted"


@pytest.fixture(autouse=True)
def no_authorities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every environment variable that names certificate authorities."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("variable", VARIABLES)
@pytest.mark.parametrize("content", [None, "planted", "", CUT_OFF, "forbidden"])
def test_no_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: str | None) -> None:
    """If the file of certificate authorities is missing or invalid, the error names its environment variable."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    if content == "forbidden":  # root could read the file without this
        monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", forbid)
    monkeypatch.setenv(variable, str(path))
    with simulator() as server:
        message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
    assert message.endswith(f": the certificate authorities that {variable} names cannot be used")


def forbid(*_: object, **__: object) -> None:
    """Raise PermissionError."""
    raise PermissionError(13, "planted")


def test_no_authorities_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no environment variable is set, the error names none."""
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", forbid)
    with simulator() as server:
        message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
    assert message.endswith(": the certificate authorities cannot be used")


class TestTLS:
    @pytest.fixture
    def server(self, authority: Authority) -> Iterator[Simulator]:
        """Return a simulated account with TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.issue("server").files)
        with simulator(ssl_context=context) as server:
            yield server

    @pytest.mark.parametrize("variable", VARIABLES[:3])
    def test_trusted(
        self, server: Simulator, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
    ) -> None:
        """The client accepts a certificate from a configured authority, and the timeout also applies over TLS."""
        monkeypatch.setenv(variable, str(authority.cert))
        end = threading.Event()

        def drip(handler: Handler) -> None:
            while not end.wait(0.02):
                handler.wfile.write(b"H")

        assert Bench(server.url).rows() == ["0"]
        server.fault = lambda _: drip
        Bench(server.url, timeout=0.15).failure(reason="timeout")
        end.set()

    def test_a_folder(
        self, server: Simulator, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The certificate authorities can be in a folder, in the format of OpenSSL."""
        authority.link_for_openssl(tmp_path)
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        assert Bench(server.url).rows() == ["0"]

    @pytest.mark.parametrize("first", range(len(VARIABLES)))
    def test_which_variable_counts(
        self, server: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
    ) -> None:
        """The client uses the first environment variable that is set and not empty."""
        for number, variable in enumerate(VARIABLES):
            monkeypatch.setenv(variable, str(tmp_path / variable) if number >= first else "")
        message = Bench(server.url).failure(reason="network")
        assert message.endswith(f": the certificate authorities that {VARIABLES[first]} names cannot be used")

    def test_not_trusted(self, server: Simulator) -> None:
        """The client rejects a certificate from an unknown authority before it sends the token."""
        message = Bench(server.url).failure(reason="network")
        assert (
            f"no complete response from {POLICY_TEST.place}: the certificate of the server is not valid: unable"
            in message
        )
        assert not server.arrivals

    def test_no_tls(self) -> None:
        """If the server does not use TLS, the error says that the TLS handshake failed."""
        with simulator() as server:
            message = Bench(server.url.replace("http:", "https:")).failure(reason="network")
        assert message == f"no complete response from {POLICY_TEST.place}: the TLS handshake failed"
