"""Counts users as of one moment: users with a seat, idle seats, and recent logins."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec

from access_exporter.cloudflare import NOTHING_FOUND, Found
from access_exporter.collectors import email_domains, seats
from access_exporter.collectors.last_seen import LastSeen, Seen, half_seconds
from access_exporter.collectors.possible import MOST, Count, Moment, add_up, are_parts
from access_exporter.collectors.seats import NEVER, SEATS
from access_exporter.errors import InvalidResponseError

_DEVICES = ("0", "1", "2", "3-5", "6+", "unknown")
_WITHIN = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}
_MOST_FOUND = 10_000  # different rows before `_Groups` merges them into groups; some hundreds are usual
_MAX_GROUPS = 100_000
_UNKNOWN_LOGIN = -1  # for a user who logged in at an unknown time

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class User(msgspec.Struct, gc=False):
    """The fields of a row that the exporter reads. Any field may be missing."""

    id: str | None = None
    access_seat: bool | None = None
    gateway_seat: bool | None = None
    active_device_count: int | float | None = None  # a JSON number; whole numbers are usual, and decoded faster
    created_at: _Time | None = None
    last_successful_login: _Time | None = None

    def lose(self, fields: set[str]) -> None:
        """Mark invalid values as unknown. An invalid login does not mean "never", nor an invalid flag "no seat"."""
        if "last_successful_login" in fields:
            self.last_successful_login = seats.UNKNOWN
        if not fields.isdisjoint(("access_seat", "gateway_seat")):
            self.access_seat = self.gateway_seat = None


class UserWithEmail(User, gc=False):
    """A row with two more fields, which are only needed to find the devices or the domain of the user."""

    uid: str | None = None
    email: str | None = None


class UsersSummary(msgspec.Struct, frozen=True):
    """The numbers of users after one walk over the list. Times are in seconds since the epoch."""

    users: dict[str, Count]
    seats: dict[str, Count]
    seats_used: Count
    active_devices: Annotated[float, msgspec.Meta(ge=0)]
    users_by_devices: dict[str, Count]
    users_logged_in: dict[str, Count]
    last_login: Moment | None
    # Fields added after the first version have a default, so that summaries stored by older versions can be read.
    users_by_domain: dict[str, dict[str, Count]] = {}
    idle: dict[str, Count] = {}  # seats without activity, by days
    activity_unknown: dict[str, Count] = {}  # seats with unknown activity, by days
    never_used: Count | None = None
    users_active: dict[str, Count] | None = None  # None if devices were not read
    devices_refused: bool = False  # whether the token may not read devices
    waited_at: Moment | None = None  # the time of a first poll that ended before the first poll of devices
    is_restored: bool = False  # whether the summary comes from the storage
    totals_right_at: Moment | None = None  # when the totals last equalled the number of users
    found: Found = NOTHING_FOUND


def is_possible(summary: UsersSummary, succeeded_at: float | None) -> bool:
    """Return whether the numbers of a summary agree with each other; see `Collector.is_possible`."""
    total, used = sum(summary.users.values()), summary.seats_used
    latest = (succeeded_at or 0.0) + seats.LATEST_AHEAD.total_seconds()
    by_days = {**summary.idle, **summary.activity_unknown}
    domains = summary.users_by_domain
    return (
        add_up(summary.users, SEATS, MOST)
        and used == sum(summary.users.get(seat, 0) for seat in ("access", "gateway", "both"))
        and are_parts(summary.seats, ("access", "gateway"), used)
        and add_up(summary.users_by_devices, _DEVICES, total)
        and are_parts(summary.users_logged_in, _WITHIN, total)
        and are_parts(summary.users_active, _WITHIN, total)
        and all(days.isascii() and days.isdigit() for days in by_days)
        and max((*summary.idle.values(), *summary.activity_unknown.values(), summary.never_used or 0)) <= used
        and all(email_domains.is_label(name) and counts.keys() <= set(SEATS) for name, counts in domains.items())
        and sum(sum(counts.values()) for counts in domains.values()) <= total
        and (summary.last_login or 0.0) <= latest
    )


class _Group(NamedTuple):
    """The values that all users in a group share. Users in the same group count alike in every metric.

    - `login` is the number of the interval of the last login. `_Moments.times` has the intervals, counted from 1. 0
      means that the user never logged in, and _UNKNOWN_LOGIN means an unknown time.
    - `activity` is the number of the interval of the last activity. A negative number means the interval of the user's
      creation, because there was no activity. 0 means that no time is known.
    - `seen` has the facts about the user's devices. It is None if the exporter cannot read devices, or if the last
      login is so recent that devices do not matter.
    - `devices` is the number of active devices, rounded down to the least number that counts alike.
    """

    access_seat: bool | None
    gateway_seat: bool | None
    devices: float | None
    login: int
    activity: int
    seen: Seen | None

    @property
    def seat(self) -> str:
        return seats.seat(access_seat=self.access_seat, gateway_seat=self.gateway_seat)


class _Groups:
    """The number of users in each group, and the active devices of all users."""

    def __init__(self) -> None:
        self.numbers: Counter[_Group] = Counter()
        self.active_devices = 0.0

    def add(self, found: Counter[tuple[Any, ...]]) -> None:  # Any: the values of a _Group, as in the rows
        """Add the counts of rows to their groups, and empty `found`. There are few groups, so this saves memory."""
        for (access_seat, gateway_seat, count, *times), number in found.items():
            devices = seats.devices(count)
            self.active_devices += (devices or 0) * number
            self.numbers[_Group(access_seat, gateway_seat, _least_alike(devices), *times)] += number
        found.clear()
        if len(self.numbers) > _MAX_GROUPS:
            raise InvalidResponseError("the users have more different values than is possible")


class _Moments:
    """The moments that separate idle from active users, as of `now`. They divide the time into intervals."""

    def __init__(self, idle_days: Iterable[int], now: float) -> None:
        present = datetime.fromtimestamp(now, UTC)
        idle = {str(days): max(NEVER, present - timedelta(days=days)) for days in idle_days}
        # A login exactly one day ago counts both as "within 1 day" and as "idle for 1 day".
        within = {name: present - span - timedelta.resolution for name, span in _WITHIN.items()}
        self.times = sorted({NEVER, *idle.values(), *within.values()})
        self.latest = present + seats.LATEST_AHEAD
        self.half_seconds = [half_seconds(time.timestamp()) for time in self.times]
        places = {moment: place for place, moment in enumerate(self.times)}
        self.idle = {days: places[moment] for days, moment in idle.items()}
        self.within = {name: places[moment] for name, moment in within.items()}


def summarize(
    pages: Iterable[Sequence[User]], idle_days: Iterable[int], now: float, last_seen: LastSeen | None = None
) -> UsersSummary:
    """Count users as of `now`, in seconds since the epoch. The memory does not grow with the number of users.

    With `last_seen`, the rows must be of the type UserWithEmail.
    """
    moments = _Moments(idle_days, now)
    found: Counter[tuple[Any, ...]] = Counter()  # Any: the values of a _Group; tuples are faster
    groups = _Groups()
    last_login = NEVER
    for users in pages:
        last_login = max(last_login, _count(users, moments, last_seen, found))
        if len(found) > _MOST_FOUND:
            groups.add(found)
    groups.add(found)
    summary = _sum_up(groups, moments, last_login.timestamp() if last_login > NEVER else None)
    return msgspec.structs.replace(
        _with_activity(summary, groups.numbers, moments),
        users_active=None if last_seen is None else _active(groups.numbers, moments),
    )


def _count(
    users: Sequence[User],
    moments: _Moments,
    last_seen: LastSeen | None,
    found: Counter[tuple[Any, ...]],  # Any: the values of a _Group
) -> datetime:
    """Count users by the values of a _Group, and return the last login. This takes most of the CPU time of a poll."""
    times, newest = moments.times, len(moments.times)
    alike = []
    ages, last_login = _ages(users, moments)
    seen = _seen(users, ages, moments, last_seen) if last_seen else None
    for user, age in zip(users, ages, strict=True):
        activity, devices = age, None
        if seen and age < newest:
            time, devices = next(seen)
            if time and (activity := bisect_left(moments.half_seconds, time)) < age:
                activity = age
        if activity <= 0:
            activity = -bisect_left(times, user.created_at) if age == 0 and user.created_at else 0
        alike.append((user.access_seat, user.gateway_seat, user.active_device_count, age, activity, devices))
    found.update(alike)
    return last_login


def _ages(users: Sequence[User], moments: _Moments) -> tuple[list[int], datetime]:
    """Return the interval of each user's last login, as in `_Group.login`, and the last login of all users."""
    times, latest, last_login = moments.times, moments.latest, NEVER
    ages = []
    for user in users:
        login = user.last_successful_login or NEVER
        if login <= latest:
            ages.append(bisect_left(times, login))
            if login > last_login:  # noqa: PLR1730 – max() takes twice as long
                last_login = login
        else:
            ages.append(_UNKNOWN_LOGIN)
    return ages, last_login


def _seen(
    users: Sequence[Any],  # Any: UserWithEmail; the type of `users` in `_count` is User
    ages: Sequence[int],
    moments: _Moments,
    last_seen: LastSeen,
) -> Iterator[tuple[int, Seen]]:
    """Yield the last time of a device for each user, except for users with a login after the newest moment."""
    newest = len(moments.times)
    late = [user for user, age in zip(users, ages, strict=True) if age < newest]
    return iter(last_seen.of(late, enough=moments.half_seconds[-1] + 1))


def _sum_up(groups: _Groups, moments: _Moments, last_login: float | None) -> UsersSummary:
    users = dict.fromkeys(SEATS, 0)
    users_by_devices = dict.fromkeys(_DEVICES, 0)
    users_logged_in = dict.fromkeys(moments.within, 0)
    for group, number in groups.numbers.items():
        users[group.seat] += number
        users_by_devices[_devices_bucket(group.devices)] += number
        for name, moment in moments.within.items():
            users_logged_in[name] += number * (group.login > moment)
    return UsersSummary(
        users=users,
        seats={"access": users["access"] + users["both"], "gateway": users["gateway"] + users["both"]},
        seats_used=users["access"] + users["gateway"] + users["both"],
        active_devices=groups.active_devices,
        users_by_devices=users_by_devices,
        users_logged_in=users_logged_in,
        last_login=last_login,
    )


def _with_activity(summary: UsersSummary, groups: Mapping[_Group, int], moments: _Moments) -> UsersSummary:
    """Return the summary with idle seats, seats with unknown activity, and seats that were never used."""
    idle = dict.fromkeys(moments.idle, 0)
    unknown = dict.fromkeys(moments.idle, 0)
    never_used = 0
    for group, number in groups.items():
        if not (group.access_seat or group.gateway_seat):
            continue
        is_unknown = group.login == _UNKNOWN_LOGIN or seats.has_unknown_activity(group.devices, group.seen)
        was_used = group.login > 0 or (group.seen is not None and group.seen.was_ever)
        never_used += number * (not was_used and not is_unknown)
        for days, moment in moments.idle.items():
            if is_unknown:
                unknown[days] += number * (abs(group.activity) <= moment)
            else:
                idle[days] += number * (0 < abs(group.activity) <= moment)
    return msgspec.structs.replace(summary, idle=idle, activity_unknown=unknown, never_used=never_used)


def _active(groups: Mapping[_Group, int], moments: _Moments) -> dict[str, int]:
    """Return the number of users with any activity within each time."""
    return {
        name: sum(number for group, number in groups.items() if group.activity > moment)
        for name, moment in moments.within.items()
    }


def _least_alike(devices: float | None) -> float | None:
    """Return the least number of devices that counts like this number in every metric."""
    if devices is None or devices == 0:
        return devices
    return next((least for least in (6, 3, 2, 1) if devices >= least), 0.5)  # for numbers between 0 and 1


def _devices_bucket(devices: float | None) -> str:
    if devices is None:
        return "unknown"
    if devices < 3:
        return str(int(devices))
    return "3-5" if devices < 6 else "6+"
