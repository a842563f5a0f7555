"""The host names that a request may have in its `Host` header: `--web.allowed-hosts`, against DNS rebinding.

DNS rebinding is an attack by a web page. Its domain name resolves to an address in the user's network, so that the page
can read servers there. The browser still sends the domain name of the web page as the `Host`. The exporter allows IP
addresses and the names of this machine, because the page of an attacker cannot have one of them as its `Host`.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

from access_exporter.background import call

_HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::[0-9]*)?")


class AllowedHosts:
    """The allowed host names."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Allow all IP addresses, the names of this machine, and the listed names."""
        own = socket.gethostname()
        self._names = {_normal(name) for name in ("localhost", own, own.partition(".")[0], *listed)}
        self._full_name = call(socket.getfqdn, "host name")  # in a thread: this may query the DNS

    def allow(self, host: str) -> bool:
        """Return whether a request with this `Host` header may get a page."""
        found = _HOST.fullmatch(host.strip())
        if not found:
            return False
        if found["literal"] is not None:
            return _is_address(found["literal"], ipaddress.IPv6Address)
        name = _normal(found["name"])
        return _is_address(name, ipaddress.IPv4Address) or name in self._names or name == self._own_full_name()

    def _own_full_name(self) -> str | None:
        return _normal(self._full_name.result()) if self._full_name.done() else None


def _normal(name: str) -> str:
    return name.lower().removesuffix(".")


def _is_address(text: str, kind: type[ipaddress.IPv4Address | ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
