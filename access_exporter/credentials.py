"""Secrets and credentials: where a token or key comes from, and what requests are signed with."""

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

from access_exporter.errors import ConfigError

# What may stand in an HTTP header: anything else would be refused later, with the secret in the message.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Secret:
    """A token, key or address: its value or the file that holds it. Only the source may be shown."""

    source: str
    value: str | None = field(default=None, repr=False)
    path: str | None = None

    def read(self) -> str:
        """Return the secret, reading its file again if it has one.

        Raises ConfigError, without the secret, when there is none or it cannot stand in a header.
        """
        text = (self.value if self.path is None else _file_text(self.path)) or ""
        text = text.strip()
        if not text:
            raise ConfigError(f"the secret is empty ({self.source})")
        if not _HEADER_VALUE.fullmatch(text):
            raise ConfigError(f"expected a secret of printable ASCII characters without spaces ({self.source})")
        return text


def _file_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise ConfigError(f"the secret file {path} cannot be read: {reason}") from None


class Credential:
    """What requests are signed with. `name` is a label that may be shown."""

    def __init__(self, name: str, email: Secret | None, secret: Secret) -> None:
        """Read the secret; raises ConfigError when that is not possible."""
        self.name = name
        self._email = email
        self._secret = secret
        self._headers = self._read()

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return self._headers

    def refresh(self) -> None:
        """Read the secret again, from its file if it has one; raises ConfigError and keeps the old one otherwise."""
        self._headers = self._read()

    def renewed(self, refused: dict[str, str]) -> bool:
        """Read the secret again after these headers were refused; True when there are other ones to try."""
        with contextlib.suppress(ConfigError):  # the file is being replaced: the refusal stands until the next poll
            self.refresh()
        return self._headers != refused

    def _read(self) -> dict[str, str]:
        if self._email:
            return {"X-Auth-Email": self._email.read(), "X-Auth-Key": self._secret.read()}
        return {"Authorization": f"Bearer {self._secret.read()}"}
