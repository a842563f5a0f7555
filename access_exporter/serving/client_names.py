"""TLS connections for `client_allowed_sans`: a client must have an allowed name in its verified certificate."""

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from typing import cast


class NamedClient(ssl.SSLObject):
    """A TLS connection that fails if no name in the client's certificate is allowed."""

    def do_handshake(self) -> None:
        """Do the TLS handshake. Raises ssl.SSLError for an unverified certificate or one without an allowed name."""
        super().do_handshake()
        allowed = cast(NamedClients, self.context).allowed
        if not any(name in allowed for name in _names(self.getpeercert() or {})):
            raise ssl.SSLCertVerificationError("no name in the client's certificate is in client_allowed_sans")


class NamedClients(ssl.SSLContext):
    """The TLS context that makes `NamedClient` connections."""

    sslobject_class = NamedClient
    allowed: frozenset[str] = frozenset()

    def allow(self, names: list[str]) -> None:
        """Set the allowed names: DNS names, IP addresses, e-mail addresses and URIs. A name has to match exactly."""
        self.allowed = frozenset(map(_plain, names))


def _names(certificate: Mapping[str, object]) -> Iterator[str]:
    """Yield the subject alternative names of a certificate from `getpeercert`."""
    for kind, name in cast(tuple[tuple[str, str], ...], certificate.get("subjectAltName", ())):
        if kind in ("DNS", "IP Address", "email", "URI"):
            yield _plain(name)


def _plain(name: str) -> str:
    """Return a name unchanged, and an IP address in its usual notation."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)
