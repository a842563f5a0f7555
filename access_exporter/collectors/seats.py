"""Defines who holds a seat, and when a user was last active. Everything that counts or lists users uses this file."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from access_exporter.collectors.last_seen import Seen

# A login before this time means "never": Go writes the year 1 for a missing time.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# Replaces an invalid time in a response. A time far in the future counts as unknown.
UNKNOWN = datetime.max.replace(tzinfo=UTC)
# A clock may be wrong, so a time up to a day in the future is valid. A later time counts as unknown.
LATEST_AHEAD = timedelta(days=1)

SEATS = ("none", "access", "gateway", "both", "unknown")
_MOST_DEVICES = 1e300  # so that the sum over all users cannot overflow


def seat(*, access_seat: bool | None, gateway_seat: bool | None) -> str:
    """Return the seat of a user, one of SEATS. If only one of the two flags is missing, it counts as false."""
    if access_seat is None and gateway_seat is None:
        return "unknown"
    if access_seat and gateway_seat:
        return "both"
    if access_seat:
        return "access"
    return "gateway" if gateway_seat else "none"


class Activity(NamedTuple):
    """When a user was last active. `basis` is login or device, or else created for the creation of the user."""

    since: datetime
    basis: str


def activity(login: datetime | None, seen: datetime | None, created: datetime | None) -> Activity | None:
    """Return the later of the last login and the last time a device was seen, or else the creation.

    Returns None if all three are unknown.
    """
    signs = [
        Activity(time, basis)
        for time, basis in ((login, "login"), (seen, "device"))
        if time is not None and time > NEVER
    ]
    if signs:
        return max(signs)
    return Activity(created, "created") if created and created > NEVER else None


def has_unknown_activity(count: float | None, seen: Seen | None) -> bool:
    """Return whether the user may have used a device at an unknown time; `count` is the number of active devices.

    `seen` has the facts about the devices; None if the exporter cannot read devices.
    """
    if seen is None:
        return count is None or count > 0
    return seen.is_unclear or ((count or 0) > 0 and not seen.is_dated)


def devices(count: float | None) -> float | None:
    """Return a number of active devices; None if it is unknown or invalid."""
    return count if count is not None and 0 <= count <= _MOST_DEVICES else None
