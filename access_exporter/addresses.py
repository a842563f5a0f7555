"""Addresses to serve on, as in `--web.listen-address`: `HOST:PORT`, `[IPv6 address]:PORT` or `:PORT`."""

import re
from typing import NamedTuple

_ADDRESS = re.compile(r"(?:([\w.-]*)|\[([\w:.%-]+)\]):(\d{1,5})", re.ASCII)
LARGEST_PORT = 65535
DEFAULT_PORT = 10060


class Address(NamedTuple):
    """A host and a port; an empty host means every IPv4 and IPv6 address of the machine."""

    host: str = ""
    port: int = DEFAULT_PORT

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Return the address that this text names. Raises ValueError if the text is not an address."""
        found = _ADDRESS.fullmatch(text)
        if not found or int(found[3]) > LARGEST_PORT:
            raise ValueError(f"expected HOST:PORT, [IPv6 address]:PORT or :PORT, got {text!r}")
        return cls(found[1] or found[2] or "", int(found[3]))

    def __str__(self) -> str:
        """Return the address as text, which `parse` reads."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
