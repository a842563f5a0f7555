"""Reads when seats expire: GET /accounts/{account_id}/access/organizations ("Get your Zero Trust organization").

    cloudflare_access_seat_expiration_seconds{account_id="…"} 2628000.0

This value is optional, because many tokens lack the permission to read it. So the collector sends one request an hour
without retries, and no other request waits for it. If the request fails, the collector tries again after
`users.interval`.
"""

import logging
import re
from collections.abc import Iterator
from typing import Annotated

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint, Permission
from access_exporter.collectors.possible import Moment
from access_exporter.collectors.protocol import Collector, Key, Poll
from access_exporter.config import Account
from access_exporter.errors import AuthError, NotFoundError, PermissionMissingError
from access_exporter.exposition import gauge
from access_exporter.logs import facts

log = logging.getLogger(__name__)

NAME = "organization"
ENDPOINT = Endpoint(
    NAME,
    "/accounts/{account_id}/access/organizations",
    "Access: Organizations, Identity Providers, and Groups Read",
)
ASK_AGAIN_SECONDS = 3600

# The units of a Go duration: https://pkg.go.dev/time#ParseDuration. Unicode has two characters for micro.
_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})")
_MAX_LENGTH = 100  # in characters
_LONGEST = 2**63 / 1e9  # in seconds; Go counts nanoseconds in 64 bits


class Organization(msgspec.Struct):
    """The field of the response that the exporter reads. It may be missing."""

    user_seat_expiration_inactive_time: str | None = None


class SeatExpiration(msgspec.Struct, frozen=True):
    """The seat expiration in seconds; None if no time is set or if it is unknown.

    `asked` is the time of the request, in seconds since the epoch. `refused` is True if the token may not read it.
    """

    asked: Moment
    seconds: Annotated[float, msgspec.Meta(gt=0, lt=_LONGEST)] | None = None
    refused: bool = False


def configured(account: Account, client: Client) -> Iterator["OrganizationCollector"]:
    """Yield the collector of an account if the configuration asks for its users."""
    if account.users_config:
        yield OrganizationCollector(account, client)


class OrganizationCollector(Collector[SeatExpiration]):
    """Polls the Zero Trust organization of an account."""

    title = "Organization"
    summary_type = SeatExpiration
    is_optional = True
    endpoints = (ENDPOINT,)

    def __init__(self, account: Account, client: Client) -> None:
        """The interval is `users.interval` of the account."""
        self._account_id = account.id
        self._client = client
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.interval = account.users_settings.interval
        self.stale_after = ASK_AGAIN_SECONDS + account.users_settings.stale_after
        self.settings = (client.settings, self.interval, self.stale_after)

    def fetch(self, poll: Poll[SeatExpiration]) -> SeatExpiration:
        """Read the seat expiration, at most once an hour if the last request succeeded.

        Raises PollError for a temporary failure. A missing permission is not a failure.
        """
        known = poll.previous
        if known and not known.refused and 0 <= poll.now - known.asked < ASK_AGAIN_SECONDS:
            return known
        try:
            organization = self._client.get_once(ENDPOINT.of(self._account_id), Organization)
        except (AuthError, PermissionMissingError, NotFoundError) as failure:
            log.debug("seat expiration unknown", extra=facts(account_id=self._account_id, reason=failure.reason))
            return SeatExpiration(poll.now, refused=True)
        return SeatExpiration(poll.now, seconds(organization.user_seat_expiration_inactive_time or ""))

    def times(self, summary: SeatExpiration) -> tuple[float, ...]:
        """Return when the exporter requested the value."""
        return (summary.asked,)

    def made_at(self, summary: SeatExpiration) -> float:
        """Return when the exporter requested the value."""
        return summary.asked

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to read the organization."""
        yield Permission(ENDPOINT.permission, ENDPOINT.of(self._account_id), is_optional=True)

    def families(self, summary: SeatExpiration) -> Iterator[Metric]:
        """Yield the metric family of the seat expiration."""
        yield gauge(
            "cloudflare_access_seat_expiration_seconds",
            "How long a seat is inactive before Cloudflare removes it, as set in the Zero Trust organization; absent "
            "if no time is set, or if the token may not read it.",
            [({"account_id": self._account_id}, summary.seconds)],
        )


def seconds(text: str) -> float | None:
    """Return the seconds of a Go duration such as `730h` or `1h30m`; None if the text is empty or invalid."""
    parts = _PART.findall(text[:_MAX_LENGTH])
    if "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return total if 0 < total < _LONGEST else None
