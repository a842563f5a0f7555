"""`client_allowed_sans`: which names in a client's certificate admit it."""

import ssl
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.serving.test_tls_context import OK, ask, client, served
from tests.serving.web_files import tls

NAMES = (
    "DNS:scraper.example,DNS:second.example,IP:192.0.2.7,IP:2001:db8::7,email:ops@example.com,URI:spiffe://example/prom"
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of a server, and of clients with many names and with none."""
    folder = tmp_path_factory.mktemp("named")
    authority = Authority(folder)
    authority.issue("server")
    authority.issue("client", NAMES)
    authority.issue("nameless", "")
    return folder


def asks(more: str) -> str:
    """A web configuration that admits clients by their names."""
    return tls(f"client_ca_file: authority.pem, client_allowed_sans: {more}")


@pytest.mark.parametrize("kind", ["RequireAndVerifyClientCert", "VerifyClientCertIfGiven"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("allowed", "expected"),
    [
        ("scraper.example", True),
        ("second.example", True),
        ("192.0.2.7", True),
        ("'2001:db8::7'", True),
        ("'2001:0DB8:0:0:0:0:0:7'", True),
        ("ops@example.com", True),
        ("spiffe://example/prom", True),
        ("example", False),
        ("client", False),
        ("'*.example'", False),
        ("Scraper.example", False),
        ("spiffe://example/", False),
        ("192.0.2.8", False),
    ],
)
def test_names(named: Path, kind: str, version: ssl.TLSVersion, allowed: str, expected: bool) -> None:
    """A client gets in only with a name that is in the list as it is, of whatever kind, and never without any."""
    with served(named, asks(f"[nobody, {allowed}], client_auth_type: {kind}")) as port:
        for name in ("client", "nameless", ""):
            context = client(named, name)
            context.minimum_version = context.maximum_version = version
            assert (name, ask(port, context)[0]) == (name, OK if expected and name == "client" else b"")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_unverified_name(named: Path, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """The right name in a certificate of another authority does not help."""
    stranger = Authority(tmp_path, "stranger")
    stranger.issue("client", NAMES)
    context = client(named)
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    context.minimum_version = context.maximum_version = version
    with served(named, asks("[scraper.example], client_auth_type: RequireAndVerifyClientCert")) as port:
        assert ask(port, context)[0] == b""
