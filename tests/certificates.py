"""Certificates for tests."""

import hashlib
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

DAYS = 2  # longer than any test


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM."""

    cert: Path
    key: Path

    @property
    def files(self) -> tuple[str, str]:
        return str(self.cert), str(self.key)


class Authority:
    """A private certificate authority in a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        """Create the key and the certificate of the authority."""
        self._folder = folder
        # `link_for_openssl` does not normalize names, so the name must be in lower case.
        self._made = trustme.CA(organization_name="tests", organization_unit_name=name.lower())
        self.cert = self._write(name, self._made.cert_pem, self._made.private_key_pem).cert

    def issue(
        self, name: str, host: str = "127.0.0.1", days: int = DAYS, kind: trustme.KeyType = trustme.KeyType.ECDSA
    ) -> Certificate:
        """Sign a new certificate, valid for a server on the loopback interface and for a client."""
        now = datetime.now(UTC)
        start, end = now + timedelta(min(days, 0) - 1), now + timedelta(days)
        signed = self._made.issue_cert(host, common_name=name, not_before=start, not_after=end, key_type=kind)
        return self._write(name, signed.cert_chain_pems[0], signed.private_key_pem)

    def _write(self, name: str, cert: trustme.Blob, key: trustme.Blob) -> Certificate:
        written = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        cert.write_to_path(str(written.cert))
        key.write_to_path(str(written.key))
        return written

    def client_context(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts this authority."""
        return ssl.create_default_context(cafile=self.cert)

    def link_for_openssl(self, folder: Path) -> None:
        """Link to the certificate as `openssl rehash` does: the name of the link is a hash of the subject."""
        subject = x509.load_pem_x509_certificate(self.cert.read_bytes()).subject.public_bytes()
        digest = hashlib.sha1(subject[2:], usedforsecurity=False).digest()  # OpenSSL does not hash the header
        (folder / f"{int.from_bytes(digest[:4], 'little'):08x}.0").symlink_to(self.cert)


def lock(key: Path, locked: Path) -> None:
    """Write a copy of a key that is encrypted with a password."""
    loaded = load_pem_private_key(key.read_bytes(), password=None)
    encryption = BestAvailableEncryption(b"secret")
    locked.write_bytes(loaded.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption))
