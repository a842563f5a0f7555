"""`client_allowed_sans`: the names in a client certificate that admit the client."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from tests.certificates import Authority
from tests.serving.test_tls_context import OK, ask, client, served
from tests.serving.web_files import tls

NAMES = (
    x509.DNSName("scraper.example"),
    x509.DNSName("second.example"),
    x509.IPAddress(ip_address("192.0.2.7")),
    x509.IPAddress(ip_address("2001:db8::7")),
    x509.RFC822Name("ops@example.com"),
    x509.UniformResourceIdentifier("spiffe://example/prom"),
    x509.RegisteredID(x509.ObjectIdentifier("1.2.3.4")),
)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with certificates of a server, of a client with many names, and of a client without names."""
    folder = tmp_path_factory.mktemp("named")
    Authority(folder).issue("server")
    sign(folder, "authority", "client", NAMES)
    sign(folder, "authority", "nameless", ())
    return folder


def sign(folder: Path, authority: str, name: str, names: Sequence[x509.GeneralName]) -> None:
    """Write a client certificate with names of any kind, signed by an authority, and its key."""
    issuer = x509.load_pem_x509_certificate((folder / f"{authority}.pem").read_bytes()).subject
    signer = load_pem_private_key((folder / f"{authority}.key").read_bytes(), password=None)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(
        issuer,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(1),
        now + timedelta(1),
    )
    if names:
        certificate = certificate.add_extension(x509.SubjectAlternativeName(names), critical=False)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    (folder / f"{name}.pem").write_bytes(certificate.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def asks(more: str) -> str:
    """Return a web configuration with `client_allowed_sans` and further settings."""
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
    """A client is admitted only if its certificate has a name, of any kind, that equals one in the list."""
    with served(named, asks(f"[other, {allowed}], client_auth_type: {kind}")) as port:
        for name in ("client", "nameless", ""):
            context = client(named, name)
            context.minimum_version = context.maximum_version = version
            assert (name, ask(port, context)[0]) == (name, OK if expected and name == "client" else b"")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_name_in_a_certificate_of_another_authority(named: Path, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """The right name in a certificate of another authority does not admit the client."""
    Authority(tmp_path, "stranger")
    sign(tmp_path, "stranger", "client", NAMES)
    context = client(named)
    context.load_cert_chain(tmp_path / "client.pem", tmp_path / "client.key")
    context.minimum_version = context.maximum_version = version
    with served(named, asks("[scraper.example], client_auth_type: RequireAndVerifyClientCert")) as port:
        assert ask(port, context)[0] == b""
