"""The credential of a request: an API token, or an API key with its e-mail address."""

import logging
from collections.abc import Callable

from access_exporter.config import Secret
from access_exporter.logs import facts

log = logging.getLogger(__name__)

_BEARER = "Bearer "
_SHORTEST_REPEATED = 16  # Cloudflare's secrets are longer; a shorter text may be in a response by chance


def is_repeated(headers: dict[str, str], body: bytes) -> bool:
    """Return whether a response repeats the secret of its request. The exporter must not show such a response."""
    secret = headers.get("X-Auth-Key") or headers["Authorization"].removeprefix(_BEARER)
    return len(secret) >= _SHORTEST_REPEATED and secret.encode() in body


class Credential:
    """An API token, or an API key with its e-mail address.

    `name` is a label that is safe to show. `remaining` is the number of requests that are left, as Cloudflare last
    stated it; None if unknown. `is_shown` returns whether a visible part of the configuration contains a secret.
    Only tokens expire (`is_token`).
    """

    def __init__(self, name: str, email: Secret | None, secret: Secret) -> None:
        """Read the secret; raises ConfigError if it cannot be read."""
        self.name = name
        self.remaining: int | None = None
        self.source = (email, secret)
        self.is_token = email is None
        self.is_shown: Callable[[str], bool] = lambda _: False
        self._headers = self._read()
        self._expiry: tuple[dict[str, str], float | None] = ({}, None)

    @property
    def expires_at(self) -> float | None:
        """The expiry of the secret in use, in seconds since the epoch; None if it never expires or is unknown."""
        headers, expires_at = self._expiry
        return expires_at if headers == self._headers else None

    def note_expiry(self, headers: dict[str, str], expires_at: float | None) -> None:
        """Record the expiry of the secret in these headers. It applies only while that secret is in use."""
        self._expiry = headers, expires_at

    def headers(self) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        return self._headers

    def refresh(self) -> None:
        """Read the secret again, from its file if it has one. On failure, raises ConfigError and keeps the old one."""
        self._headers = self._read()

    def rotate(self) -> None:
        """Read the secret again without a reload of the configuration; raises ConfigError as `refresh` does.

        Keeps the old secret if a visible part of the configuration contains the new one.
        """
        headers = self._read()
        if headers != self._headers and any(self.is_shown(each.removeprefix(_BEARER)) for each in headers.values()):
            extra = facts(credential=self.name, source=self.source[1].source)
            log.error("new secret not used: a visible part of the configuration contains it", extra=extra)
        else:
            self._headers = headers

    def renewed(self, refused: dict[str, str]) -> bool:
        """Read the secret again after Cloudflare refused these headers; return True if there is a new secret to try.

        Raises ConfigError if the secret cannot be read: for example, while another program replaces its file.
        """
        if self._headers == refused:
            self.rotate()
        return self._headers != refused

    def _read(self) -> dict[str, str]:
        email, secret = self.source
        if email:
            return {"X-Auth-Email": email.read(), "X-Auth-Key": secret.read()}
        return {"Authorization": f"{_BEARER}{secret.read()}"}
