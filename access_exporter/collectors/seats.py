"""What holding a seat means, for everything that counts or lists users."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from access_exporter.collectors.last_seen import Seen

# Go writes a time that never was as the year 1; no login is as old as this.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# Stands for an invalid time in an answer: like a time far in the future, it is unknown.
UNKNOWN = datetime.max.replace(tzinfo=UTC)
# A clock may be wrong. A later time counts as unknown.
LATEST_AHEAD = timedelta(days=1)

SEATS = ("none", "access", "gateway", "both", "unknown")
_MOST_DEVICES = 1e300  # no sum of such numbers is infinite


def seat(*, access_seat: bool | None, gateway_seat: bool | None) -> str:
    """Return which of SEATS these two flags of a user mean; one that is missing counts as false, beside another."""
    if access_seat is None and gateway_seat is None:
        return "unknown"
    if access_seat and gateway_seat:
        return "both"
    if access_seat:
        return "access"
    return "gateway" if gateway_seat else "none"


class Activity(NamedTuple):
    """The last sign of life of a user; `basis` is login, device, or created where there is no other."""

    since: datetime
    basis: str


def activity(login: datetime | None, seen: datetime | None, created: datetime | None) -> Activity | None:
    """Return the later of the last login and the last time a device was seen, or else the creation; None if unknown."""
    signs = [
        Activity(time, basis)
        for time, basis in ((login, "login"), (seen, "device"))
        if time is not None and time > NEVER
    ]
    if signs:
        return max(signs)
    return Activity(created, "created") if created and created > NEVER else None


def has_unknown_activity(count: float | None, seen: Seen | None) -> bool:
    """Return whether a user may be active in a way that cannot be seen, given the number of active devices.

    `seen` is what is known of their devices; None where devices cannot be read.
    """
    if seen is None:
        return count is None or count > 0
    return seen.is_unclear or ((count or 0) > 0 and not seen.is_dated)


def devices(count: float | None) -> float | None:
    """Return a number of active devices; None if it is unknown or invalid."""
    return count if count is not None and 0 <= count <= _MOST_DEVICES else None
