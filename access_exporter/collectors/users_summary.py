"""Users to sums: how many hold a seat, how many are idle, how many logged in, as of one moment."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec

from access_exporter.cloudflare import NOTHING_FOUND, Found
from access_exporter.collectors import organization, seats
from access_exporter.collectors.seats import NEVER, SEATS
from access_exporter.errors import InvalidResponseError

_WITHIN = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_MAX_GROUPS = 100_000  # some thousands are plausible
_UNKNOWN_AGE = float("nan")  # neither more nor less than any other

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class User(msgspec.Struct, gc=False):
    """The fields of a row that are read; any may be missing."""

    id: str | None = None
    access_seat: bool | None = None
    gateway_seat: bool | None = None
    active_device_count: int | float | None = None  # a JSON number; as a rule whole, and those are decoded faster
    created_at: _Time | None = None
    last_successful_login: _Time | None = None

    def lose(self, fields: set[str]) -> None:
        """Count as unknown what is invalid: a login that cannot be read is not "never", nor a flag "no seat"."""
        if "last_successful_login" in fields:
            self.last_successful_login = seats.UNKNOWN
        if not fields.isdisjoint(("access_seat", "gateway_seat")):
            self.access_seat = self.gateway_seat = None


class UserWithEmail(User, gc=False):
    """A row with its e-mail address, which is read only where it is counted by domain."""

    email: str | None = None


class UsersSummary(msgspec.Struct, frozen=True):
    """What one walk over the users says of the moment it was made: numbers of users, and one time in seconds."""

    users: dict[str, int]
    seats: dict[str, int]
    seats_used: int
    active_devices: float
    users_by_devices: dict[str, int]
    seats_idle: dict[str, dict[str, int]]
    seats_never_used: int
    users_logged_in: dict[str, int]
    last_login: float | None
    # What is younger than the first version has a default, so that what an older one has stored can be read.
    seat_expiration: organization.SeatExpiration | None = None
    users_by_domain: dict[str, dict[str, int]] = {}
    totals_right_at: float | None = None  # when as many users were listed as the API counts, since the epoch
    found: Found = NOTHING_FOUND


class _Group(NamedTuple):
    """Users that count alike in every metric.

    `age` tells between which of the moments the user last logged in, counted from 1; below 0 it says so of the
    creation of a user who never did, and 0 means that neither time is known. _UNKNOWN_AGE is that of a login at an
    unknown time.
    """

    access_seat: bool | None
    gateway_seat: bool | None
    active_device_count: float | None
    age: float

    @property
    def seat(self) -> str:
        return seats.seat(access_seat=self.access_seat, gateway_seat=self.gateway_seat)

    @property
    def devices(self) -> float | None:
        return seats.devices(self.active_device_count)


def summarize(pages: Iterable[Sequence[User]], idle_days: Iterable[int], now: float) -> UsersSummary:
    """Sum users up as of `now`, in seconds since the epoch, keeping nothing but counts of users that are alike."""
    present = datetime.fromtimestamp(now, UTC)
    idle = {str(days): max(NEVER, present - timedelta(days=days)) for days in idle_days}
    # "Within a day" includes a login exactly a day ago, and so does "idle for a day".
    within = {name: present - span - timedelta.resolution for name, span in _WITHIN.items()}
    latest = present + seats.LATEST_AHEAD
    moments = sorted({NEVER, *idle.values(), *within.values()})
    groups: Counter[tuple[object, ...]] = Counter()
    last_login = NEVER
    for users in pages:
        alike = []
        for user in users:
            login = user.last_successful_login or NEVER
            age: float = bisect_left(moments, login)
            if login > last_login:
                if login <= latest:
                    last_login = login
                else:
                    age = _UNKNOWN_AGE
            if age == 0 and user.created_at:
                age = -bisect_left(moments, user.created_at)
            alike.append((user.access_seat, user.gateway_seat, user.active_device_count, age))
        groups.update(alike)
        if len(groups) > _MAX_GROUPS:
            raise InvalidResponseError("the users differ more than numbers of devices can")
    return _sum_up(
        {_Group(*group): number for group, number in groups.items()},  # type: ignore[arg-type]  # plain tuples count faster
        {days: moments.index(moment) for days, moment in idle.items()},
        {name: moments.index(moment) for name, moment in within.items()},
        last_login.timestamp() if last_login > NEVER else None,
    )


def _sum_up(
    groups: dict[_Group, int], idle: dict[str, int], within: dict[str, int], last_login: float | None
) -> UsersSummary:
    users = dict.fromkeys(SEATS, 0)
    users_by_devices = dict.fromkeys(("0", "1", "2", "3-5", "6+", "unknown"), 0)
    seats_idle = {days: dict.fromkeys(("none", "some", "unknown"), 0) for days in idle}
    users_logged_in = dict.fromkeys(within, 0)
    active_devices = 0.0
    never_used = 0
    for group, number in groups.items():
        users[group.seat] += number
        users_by_devices[_devices_bucket(group.devices)] += number
        active_devices += (group.devices or 0) * number
        for name, moment in within.items():
            users_logged_in[name] += number * (group.age > moment)
        if not (group.access_seat or group.gateway_seat):
            continue
        never_used += number * (group.age <= 0)
        for days, moment in idle.items():
            seats_idle[days][_some_devices(group.devices)] += number * (0 < abs(group.age) <= moment)
    return UsersSummary(
        users=users,
        seats={"access": users["access"] + users["both"], "gateway": users["gateway"] + users["both"]},
        seats_used=users["access"] + users["gateway"] + users["both"],
        active_devices=active_devices,
        users_by_devices=users_by_devices,
        seats_idle=seats_idle,
        seats_never_used=never_used,
        users_logged_in=users_logged_in,
        last_login=last_login,
    )


def _devices_bucket(devices: float | None) -> str:
    if devices is None:
        return "unknown"
    if devices < 3:
        return str(int(devices))
    return "3-5" if devices < 6 else "6+"


def _some_devices(devices: float | None) -> str:
    if devices is None:
        return "unknown"
    return "some" if devices >= 1 else "none"
