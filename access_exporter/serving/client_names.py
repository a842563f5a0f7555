"""Clients that a TLS server admits by a name in their certificate, which is verified first."""

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from typing import cast


class NamedClient(ssl.SSLObject):
    """A TLS connection that fails where the client has none of the names."""

    def do_handshake(self) -> None:
        """Shake hands. Raises ssl.SSLError, as for a certificate that cannot be verified."""
        super().do_handshake()
        allowed = cast(NamedClients, self.context).allowed
        if not any(name in allowed for name in _names(self.getpeercert() or {})):
            raise ssl.SSLCertVerificationError("no name in the client's certificate is in client_allowed_sans")


class NamedClients(ssl.SSLContext):
    """The context of such connections."""

    sslobject_class = NamedClient
    allowed: frozenset[str] = frozenset()

    def allow(self, names: list[str]) -> None:
        """Admit clients whose certificate has exactly one of these DNS names, IP and e-mail addresses and URIs."""
        self.allowed = frozenset(map(_plain, names))


def _names(certificate: Mapping[str, object]) -> Iterator[str]:
    """Yield the subject alternative names of a certificate as `getpeercert` returns it."""
    for kind, name in cast(tuple[tuple[str, str], ...], certificate.get("subjectAltName", ())):
        if kind in ("DNS", "IP Address", "email", "URI"):
            yield _plain(name)


def _plain(name: str) -> str:
    """Return a name, and an address as it is usually written."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    return str(getattr(address, "ipv4_mapped", None) or address)
