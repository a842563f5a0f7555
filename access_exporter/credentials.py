"""Secrets and credentials: where a token or key comes from, and what requests are signed with."""

import re

from access_exporter import files
from access_exporter.errors import ConfigError
from access_exporter.secrecy import named

# What may stand in an HTTP header: anything else would be refused later, with the secret in the message.
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")
_MAX_BYTES = 16 * 1024  # more than a header may have


class Secret:
    """A token, key or address: its value or the file that holds it. Only the source may be shown."""

    # Not a dataclass: the configuration would then take a mapping in its place.
    def __init__(self, source: str, value: str | None = None, path: str | None = None) -> None:
        """Keep where it comes from; nothing is read yet."""
        self.source = source
        self._value = value
        self._path = path

    def __repr__(self) -> str:
        return f"Secret({self.source!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[str, str | None, str | None]:
        return self.source, self._value, self._path

    def read(self) -> str:
        """Return the secret, reading its file again if it has one.

        Raises ConfigError, without the secret, when there is none or it cannot stand in a header.
        """
        text = (self._value if self._path is None else _file_text(self._path)) or ""
        text = text.strip()
        if not text:
            raise ConfigError(f"the secret is empty ({self.source})")
        if not _HEADER_VALUE.fullmatch(text):
            raise ConfigError(f"expected a secret of printable ASCII characters without spaces ({self.source})")
        return text


def _file_text(path: str) -> str:
    try:
        return files.read(path, _MAX_BYTES).decode()
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "it is not text"
    except ValueError:
        reason = "this is not a path"
    raise ConfigError(f"{named('the secret file', path)} cannot be read: {reason}")


class Credential:
    """What requests are signed with.

    `name` is a label that may be shown; `remaining` is how many requests Cloudflare said it has left, if it did.
    """

    def __init__(self, name: str, email: Secret | None, secret: Secret) -> None:
        """Read the secret; raises ConfigError when that is not possible."""
        self.name = name
        self.remaining: int | None = None
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
        """Read the secret again after these headers were refused; True when there are other ones to try.

        Raises ConfigError when that is not possible, as in the middle of the replacement of a file.
        """
        if self._headers == refused:
            self.refresh()
        return self._headers != refused

    def _read(self) -> dict[str, str]:
        if self._email:
            return {"X-Auth-Email": self._email.read(), "X-Auth-Key": self._secret.read()}
        return {"Authorization": f"Bearer {self._secret.read()}"}
