"""Which names in a `Host` header lead to the pages: `--web.allowed-hosts`, against DNS rebinding.

In DNS rebinding a web page lets its own name lead to an address of the reader's network, and then reads what answers
there. The browser still sends the page's name as the `Host`. No page can have an address, or a name of this machine.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

from access_exporter.background import call

_HOST = re.compile(r"(?:\[(?P<literal>[^\[\]]*)\]|(?P<name>[^\[\]:]*))(?::[0-9]*)?")


class AllowedHosts:
    """The names that are allowed."""

    def __init__(self, listed: Iterable[str]) -> None:
        """Allow addresses, the names of this machine, and those listed."""
        own = socket.gethostname()
        self._names = {_normal(name) for name in ("localhost", own, own.partition(".")[0], *listed)}
        self._full_name = call(socket.getfqdn, "host name")  # which may ask the DNS

    def allow(self, host: str) -> bool:
        """Tell whether a request with this `Host` is answered with a page."""
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
