"""When seats expire: GET /accounts/{account_id}/access/organizations ("Get your Zero Trust organization").

    cloudflare_access_seat_expiration_seconds{account_id="…"} 2628000.0

It is nice to know, and many a token may not ask: so it is asked once an hour, in one request, and again after the next
poll where that failed. Whatever goes wrong is nobody's trouble.
"""

import logging
import re

import msgspec
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint
from access_exporter.errors import AuthError, NotFoundError, PermissionMissingError, PollError
from access_exporter.exposition import gauge
from access_exporter.logs import facts

log = logging.getLogger(__name__)

ENDPOINT = Endpoint(
    "organization",
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
    """What was last known, in seconds, and when it was asked for and answered, in seconds since the epoch."""

    asked: float
    seconds: float | None = None


def fetch(
    client: Client, account_id: str, previous: SeatExpiration | None, now: float, stale_after: float
) -> SeatExpiration | None:
    """Ask after how much inactivity seats expire, unless that was answered within the hour; `now` as `asked`.

    Raises no PollError: a token that may not ask is an answer, and any other failure leaves what was known, until it is
    `stale_after` seconds older than it is ever by itself.
    """
    age = now - previous.asked if previous else float("inf")
    if 0 <= age < ASK_AGAIN_SECONDS:
        return previous
    try:
        organization = client.get_once(ENDPOINT.of(account_id), Organization)
    except PollError as failure:
        log.debug("seat expiration not known", extra=facts(account_id=account_id, reason=failure.reason))
        if isinstance(failure, AuthError | PermissionMissingError | NotFoundError):
            return SeatExpiration(now)
        return previous if 0 <= age <= ASK_AGAIN_SECONDS + stale_after else None
    return SeatExpiration(now, seconds(organization.user_seat_expiration_inactive_time or ""))


def seconds(text: str) -> float | None:
    """Return the seconds of a duration as Go writes it, `730h` or `1h30m`; None for any other text, and for none."""
    parts = _PART.findall(text[:_MAX_LENGTH])
    if "".join(number + unit for number, unit in parts) != text:
        return None
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return total if 0 < total < _LONGEST else None


def family(labels: dict[str, str], expiration: SeatExpiration | None) -> Metric:
    """Return what `/metrics` says about it."""
    return gauge(
        "cloudflare_access_seat_expiration_seconds",
        "How long a seat is inactive before Cloudflare takes it back, as set in the Zero Trust organization; absent "
        "where that is not set, or the token may not read it.",
        [(labels, expiration.seconds if expiration else None)],
    )
