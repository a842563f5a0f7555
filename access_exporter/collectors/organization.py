"""When seats expire: GET /accounts/{account_id}/access/organizations ("Get your Zero Trust organization").

    cloudflare_access_seat_expiration_seconds{account_id="…"} 2628000.0

It is nice to know, and many a token may not ask. So it is asked in one request that nothing waits for: once an hour,
and again at the interval of the users where there was no answer.
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

# As Go writes a duration: https://pkg.go.dev/time#ParseDuration. Micro is written with one of two characters.
_UNITS = {"ns": 1e-9, "us": 1e-6, "\u00b5s": 1e-6, "\u03bcs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_PART = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(_UNITS)})")
_MAX_LENGTH = 100  # of the text
_LONGEST = 2**63 / 1e9  # Go counts nanoseconds in 64 bits


class Organization(msgspec.Struct):
    """The field of the answer that is read; it may be missing."""

    user_seat_expiration_inactive_time: str | None = None


class SeatExpiration(msgspec.Struct, frozen=True):
    """What is known, in seconds, and when it was asked, in seconds since the epoch; `refused` where it may not be."""

    asked: Moment
    seconds: Annotated[float, msgspec.Meta(gt=0, lt=_LONGEST)] | None = None
    refused: bool = False


def configured(account: Account, client: Client) -> Iterator["OrganizationCollector"]:
    """Yield the collector of an account, if its users are polled."""
    if account.users_config:
        yield OrganizationCollector(account, client)


class OrganizationCollector(Collector[SeatExpiration]):
    """The organization of an account."""

    title = "Organization"
    summary_type = SeatExpiration
    is_optional = True
    endpoints = (ENDPOINT,)

    def __init__(self, account: Account, client: Client) -> None:
        """Ask nothing yet."""
        self._account_id = account.id
        self._client = client
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.interval = account.users_settings.interval
        self.stale_after = ASK_AGAIN_SECONDS + account.users_settings.stale_after
        self.settings = (client.settings, self.interval, self.stale_after)

    def fetch(self, poll: Poll[SeatExpiration]) -> SeatExpiration:
        """Ask after how much inactivity seats expire, unless that was answered within the hour.

        Raises a PollError for a failure that may pass; a token that may not ask is an answer.
        """
        known = poll.previous
        if known and not known.refused and 0 <= poll.now - known.asked < ASK_AGAIN_SECONDS:
            return known
        try:
            organization = self._client.get_once(ENDPOINT.of(self._account_id), Organization)
        except (AuthError, PermissionMissingError, NotFoundError) as failure:
            log.debug("seat expiration not known", extra=facts(account_id=self._account_id, reason=failure.reason))
            return SeatExpiration(poll.now, refused=True)
        return SeatExpiration(poll.now, seconds(organization.user_seat_expiration_inactive_time or ""))

    def times(self, summary: SeatExpiration) -> tuple[float, ...]:
        """Return when it was asked."""
        return (summary.asked,)

    def made_at(self, summary: SeatExpiration) -> float:
        """Return when it was asked."""
        return summary.asked

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to read the organization."""
        yield Permission(ENDPOINT.permission, ENDPOINT.of(self._account_id), is_optional=True)

    def families(self, summary: SeatExpiration) -> Iterator[Metric]:
        """Yield what `/metrics` says about it."""
        yield gauge(
            "cloudflare_access_seat_expiration_seconds",
            "How long a seat is inactive before Cloudflare removes it, as set in the Zero Trust organization; absent "
            "if no time is set, or if the token may not read it.",
            [({"account_id": self._account_id}, summary.seconds)],
        )


def seconds(text: str) -> float | None:
    """Return the seconds of a duration as Go writes it, `730h` or `1h30m`; None for any other text, and for none."""
    parts = _PART.findall(text[:_MAX_LENGTH])
    if "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return total if 0 < total < _LONGEST else None
