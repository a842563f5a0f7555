"""`--idle-seats=90d`: lists the people with idle seats, whom cloudflare_access_seats_idle counts.

    account_id  email             name      last_login            …  idle_days  active_devices  seats   seat_uid
    023e…       jdoe@example.com  Jane Doe  2026-01-01T05:20:12Z  …  102        0               access  a1b2…

The exporter prints the people on standard output and nowhere else. It never removes a seat: people decide that.
"""

import logging
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TextIO

import msgspec
import prometheus_client

from access_exporter.clock import Clock
from access_exporter.cloudflare import Client, Clients, Found, RequestMetrics
from access_exporter.collectors import Poll, devices, last_seen, seats, users, users_summary
from access_exporter.commands import accounts
from access_exporter.commands.progress_line import ProgressLine
from access_exporter.commands.table import FORMATS, Row, writable
from access_exporter.config import Account, Config, Duration
from access_exporter.errors import PollError
from access_exporter.logs import facts

log = logging.getLogger(__name__)

_LATEST = datetime(9999, 12, 31, tzinfo=UTC)  # Python may fail to convert a later time to UTC


class IdleTime(Duration):
    """The least time that a listed seat has been idle, in seconds. Its maximum is that of `idle_days`."""

    minimum = 0
    maximum = 36500 * 86400
    expectation = "a duration with its unit, such as 90d or 12h"

    @classmethod
    def parse(cls, value: object) -> Duration:
        """Return the duration. A number needs a unit: a person who writes 90 means days, and not seconds."""
        return super().parse(value if re.search("[a-z]", str(value)) else None)


class Person(users_summary.UserWithEmail, gc=False):
    """A row with the fields that identify the person and the seat."""

    name: str | None = None
    seat_uid: str | None = None


class IdleSeat(msgspec.Struct, frozen=True):
    """A line of the list. Times are ISO 8601 in UTC. None means unknown."""

    account_id: str
    email: str | None
    name: str | None
    last_login: str | None
    last_device_seen: str | None
    last_activity: str
    basis: str
    created: str | None
    idle_days: int
    active_devices: float | None
    seats: str
    seat_uid: str | None


class Holder(NamedTuple):
    """A person with an idle seat. The first four fields are the sort key of the list."""

    since: datetime
    email: str
    id: str
    account_id: str
    basis: str
    seen: datetime | None
    person: Person


class IdleSeats:
    """The idle seats of all accounts, at the time `present`. A seat is idle as in cloudflare_access_seats_idle."""

    def __init__(self, present: datetime, idle: timedelta) -> None:
        """Start with an empty list."""
        self.found: list[Holder] = []
        self.unknown = 0
        self.lacks_devices = False  # whether the exporter cannot read the devices of an account
        self._present = present
        self._moment = present - idle
        self._latest = present + seats.LATEST_AHEAD

    def add(self, account_id: str, pages: Iterable[list[Person]], known: last_seen.LastSeen | None) -> None:
        """Add the idle seats of an account. If its pages raise a PollError, add none.

        `known` says when each device was last seen; None means that the exporter cannot read devices.
        """
        found: list[Holder] = []
        unknown = 0
        for people in pages:
            for person in people:
                if person.access_seat or person.gateway_seat:
                    time, seen = _seen(person, known)
                    login = person.last_successful_login
                    login_is_unknown = login is not None and login > self._latest
                    activity = seats.activity(login, time, person.created_at)
                    is_idle = activity is not None and activity.since <= self._moment
                    if login_is_unknown:
                        unknown += time is None or time <= self._moment
                    elif seats.has_unknown_activity(seats.devices(person.active_device_count), seen):
                        unknown += is_idle or activity is None
                    elif activity and is_idle:
                        found.append(_found(person, account_id, activity, time))
        self.found += found
        self.unknown += unknown
        self.lacks_devices = self.lacks_devices or known is None


def _seen(person: Person, known: last_seen.LastSeen | None) -> tuple[datetime | None, last_seen.Seen | None]:
    if known is None:
        return None, None
    ((time, seen),) = known.of([person])
    return datetime.fromtimestamp(last_seen.seconds(time), UTC) if time else None, seen


def _found(person: Person, account_id: str, activity: seats.Activity, seen: datetime | None) -> Holder:
    return Holder(activity.since, person.email or "", person.id or "", account_id, activity.basis, seen, person)


def run(config: Config, idle: float, account_id: str | None, form: str, clock: Clock) -> int:
    """Print the seats that have been idle for at least `idle` seconds, in the format `form`.

    Returns 0 if the list is complete, and 1 if people may be missing. That happens if the exporter cannot read all
    pages of an account, which then has no line in the list, or if Cloudflare announces more users than it lists.
    Raises UsageError if `account_id` is not configured, and ConfigError if a secret cannot be read.
    """
    chosen = _chosen(config, account_id)
    clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), clock)
    clients.configure(msgspec.structs.replace(config, accounts=tuple(chosen)))
    present = datetime.fromtimestamp(clock.time(), UTC)
    listed = IdleSeats(present, timedelta(seconds=idle))
    failed = False
    with _Progress(sys.stderr) as progress:
        for account in chosen:
            client = clients.of(account)
            walk = client.walk(users.ENDPOINT.of(account.id), Person, account.users_settings.stale_after)
            try:
                listed.add(account.id, progress.of(walk), _devices(account, client, clock.time()))
            except PollError as failure:
                failed = True
                progress.clear()
                why = facts(account_id=account.id, reason=failure.reason, error=failure)
                log.error("account not listed: the exporter could not read all users", extra=why)
            else:
                if walk.found.missing or walk.found.invalid_rows:
                    progress.clear()
                failed |= _lacks_some(account, walk.found)
    listed.found.sort(key=lambda each: each[:4])
    if listed.unknown:
        grant = {"grant": devices.PERMISSION} if listed.lacks_devices else {}
        log.warning("seats with unknown activity are not listed", extra=facts(seats=listed.unknown, **grant))
    for text in FORMATS[form](IdleSeat.__struct_fields__, _Rows(listed.found, present)):
        sys.stdout.buffer.write(text.encode())
    sys.stdout.flush()
    return int(failed)


def _lacks_some(account: Account, read: Found) -> bool:
    """Return whether users of an account are missing. Log missing users and users with invalid values."""
    if read.invalid_rows:
        number = facts(account_id=account.id, users=read.invalid_rows)
        log.warning("some users have invalid values, which the list leaves out", extra=number)
    if not read.missing:
        return False
    numbers = facts(account_id=account.id, listed=read.rows, announced=read.announced, missing=read.missing)
    log.error("idle seats may be missing: Cloudflare lists fewer users than it announces", extra=numbers)
    return True


def _chosen(config: Config, account_id: str | None) -> list[Account]:
    """Return the account with this id. Without an id, return all accounts with a poll of users."""
    if account_id is None:
        return [account for account in config.accounts if account.users_config]
    return [accounts.named(config, account_id)]


def _devices(account: Account, client: Client, now: float) -> last_seen.LastSeen | None:
    """Return when each device was last seen. Return None if devices are switched off or the token lacks permission."""
    if not account.devices_config:
        return None
    summary = devices.DevicesCollector(account, client).fetch(Poll(None, now, lambda _: True))
    return summary.last_seen if summary.readable else None


class _Rows:
    """The rows of the list. Each iteration makes the rows again, one by one, which saves memory."""

    def __init__(self, found: list[Holder], present: datetime) -> None:
        self._found = found
        self._present = present

    def __iter__(self) -> Iterator[Row]:
        return (msgspec.structs.astuple(_seat(each, self._present)) for each in self._found)


def _seat(found: Holder, present: datetime) -> IdleSeat:
    person = found.person
    return IdleSeat(
        account_id=found.account_id,
        email=writable(person.email),
        name=writable(person.name),
        last_login=_time(person.last_successful_login),
        last_device_seen=_time(found.seen),
        last_activity=_time(found.since) or "",
        basis=found.basis,
        created=_time(person.created_at),
        idle_days=(present - found.since) // timedelta(days=1),
        active_devices=_number(seats.devices(person.active_device_count)),
        seats=seats.seat(access_seat=person.access_seat, gateway_seat=person.gateway_seat),
        seat_uid=writable(person.seat_uid),
    )


def _time(time: datetime | None) -> str | None:
    if time is None or not seats.NEVER < time < _LATEST:
        return None
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _number(number: float | None) -> float | None:
    return int(number) if number is not None and number < 1e15 and float(number).is_integer() else number


class _Progress(ProgressLine):
    """A progress line with the number of users read so far."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._read = 0

    def of(self, pages: Iterable[list[Person]]) -> Iterator[list[Person]]:
        """Yield the pages, and show the number of users after each."""
        for people in pages:
            self._read += len(people)
            self.show(f"{self._read} users read")
            yield people
