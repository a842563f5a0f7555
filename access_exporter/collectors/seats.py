"""What holding a seat means, for everything that counts or lists users."""

from datetime import UTC, datetime, timedelta

# Go writes a time that never was as the year 1; no login is as old as this.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)

# Stands for a time that the API gives and nobody can read: as one far in the future, it is not known.
UNKNOWN = datetime.max.replace(tzinfo=UTC)
# A clock may be wrong. What is later than this is not known.
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


def last_there(login: datetime | None, created: datetime | None) -> datetime | None:
    """Return since when a user is idle: the last login, or the creation where there was none; None if not known."""
    return next((time for time in (login, created) if time and time > NEVER), None)


def devices(count: float | None) -> float | None:
    """Return a number of active devices; None where it is not known or cannot be one."""
    return count if count is not None and 0 <= count <= _MOST_DEVICES else None
