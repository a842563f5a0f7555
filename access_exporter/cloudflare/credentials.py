"""What requests are signed with."""

import logging
from collections.abc import Callable

from access_exporter.config import Secret
from access_exporter.logs import facts

log = logging.getLogger(__name__)

_BEARER = "Bearer "
_SHORTEST_REPEATED = 16  # a shorter one, which is none of Cloudflare's, stands in an answer by chance


def is_repeated(headers: dict[str, str], body: bytes) -> bool:
    """Return whether an answer repeats the secret of its request: any text from it could show the secret."""
    secret = headers.get("X-Auth-Key") or headers["Authorization"].removeprefix(_BEARER)
    return len(secret) >= _SHORTEST_REPEATED and secret.encode() in body


class Credential:
    """What requests are signed with.

    `name` is a label that may be shown; `remaining` is how many requests Cloudflare said it has left, if it did.
    `is_shown` says whether a secret is in a place of the configuration that is shown. Only tokens expire.
    """

    def __init__(self, name: str, email: Secret | None, secret: Secret) -> None:
        """Read the secret; raises ConfigError when that is not possible."""
        self.name = name
        self.remaining: int | None = None
        self.source = (email, secret)
        self.is_token = email is None
        self.is_shown: Callable[[str], bool] = lambda _: False
        self._headers = self._read()
        self._expiry: tuple[dict[str, str], float | None] = ({}, None)

    @property
    def expires_at(self) -> float | None:
        """When the secret in use expires, in seconds since the epoch; None if never, or if that is unknown."""
        headers, expires_at = self._expiry
        return expires_at if headers == self._headers else None

    def note_expiry(self, headers: dict[str, str], expires_at: float | None) -> None:
        """Note when the secret of these headers expires; it is forgotten with the secret."""
        self._expiry = headers, expires_at

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return self._headers

    def refresh(self) -> None:
        """Read the secret again, from its file if it has one; raises ConfigError and keeps the old one otherwise."""
        self._headers = self._read()

    def rotate(self) -> None:
        """Read the secret again between two loads of the configuration; raises as `refresh`.

        One that stands in the configuration where it is shown is not used.
        """
        headers = self._read()
        if headers != self._headers and any(self.is_shown(each.removeprefix(_BEARER)) for each in headers.values()):
            told = facts(credential=self.name, source=self.source[1].source)
            log.error("new secret not used: a visible part of the configuration contains it", extra=told)
        else:
            self._headers = headers

    def renewed(self, refused: dict[str, str]) -> bool:
        """Read the secret again after these headers were refused; True when there are other ones to try.

        Raises ConfigError when that is not possible, as in the middle of the replacement of a file.
        """
        if self._headers == refused:
            self.rotate()
        return self._headers != refused

    def _read(self) -> dict[str, str]:
        email, secret = self.source
        if email:
            return {"X-Auth-Email": email.read(), "X-Auth-Key": secret.read()}
        return {"Authorization": f"{_BEARER}{secret.read()}"}
