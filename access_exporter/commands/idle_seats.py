"""Who holds idle seats: `--idle-seats=90d` lists the people that cloudflare_access_seats_idle counts.

    account_id  email             name      last_login            …  idle_days  active_devices  seats   seat_uid
    023e…       jdoe@example.com  Jane Doe  2026-01-01T05:20:12Z  …  102        0               access  a1b2…

They are shown on standard output and nowhere else. It only reads: what becomes of a seat is decided by people.
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
from access_exporter.commands.progress_line import ProgressLine
from access_exporter.commands.table import FORMATS, Row, writable
from access_exporter.config import Account, Config, Duration
from access_exporter.errors import PollError, UsageError
from access_exporter.logs import facts

log = logging.getLogger(__name__)

_LATEST = datetime(9999, 12, 31, tzinfo=UTC)  # a later time may not exist in UTC


class IdleTime(Duration):
    """How long a seat has to be idle to be listed, in seconds: as long as `idle_days` can be, and with a unit."""

    minimum = 0
    maximum = 36500 * 86400
    expectation = "a duration with its unit, such as 90d or 12h"

    @classmethod
    def parse(cls, value: object) -> Duration:
        """As Duration, but for a bare number: who writes 90 means days, and Duration would take it for seconds."""
        return super().parse(value if re.search("[a-z]", str(value)) else None)


class Person(users_summary.UserWithEmail, gc=False):
    """A row with what tells people whose seat it is."""

    name: str | None = None
    seat_uid: str | None = None


class IdleSeat(msgspec.Struct, frozen=True):
    """A line of the list; times are ISO 8601 in UTC, and None is what is not known."""

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
    """A person who holds an idle seat, with what the list is sorted by first."""

    since: datetime
    email: str
    id: str
    account_id: str
    basis: str
    seen: datetime | None
    person: Person


class IdleSeats:
    """The idle seats of all accounts, by the rule of cloudflare_access_seats_idle; times are those of `present`."""

    def __init__(self, present: datetime, idle: timedelta) -> None:
        """Start with none."""
        self.found: list[Holder] = []
        self.unknown = 0
        self.lacks_devices = False  # whether there is an account whose devices cannot be read
        self._present = present
        self._moment = present - idle
        self._latest = present + seats.LATEST_AHEAD

    def add(self, account_id: str, pages: Iterable[list[Person]], known: last_seen.LastSeen | None) -> None:
        """Add those of an account, or none if its pages raise a PollError.

        `known` says when devices were last seen; None means that they cannot be read.
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
    """List the seats that have been idle for so many seconds, those idle longest first, in one of FORMATS.

    Returns 0 when the list is complete, and 1 when it may lack people: an account could not be read to its end, and
    nothing of it is listed, or it announces more users than it lists.
    Raises UsageError for an account that is not configured, and ConfigError.
    """
    accounts = _chosen(config, account_id)
    clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), clock)
    clients.configure(msgspec.structs.replace(config, accounts=tuple(accounts)))
    present = datetime.fromtimestamp(clock.time(), UTC)
    listed = IdleSeats(present, timedelta(seconds=idle))
    failed = False
    with _Progress(sys.stderr) as progress:
        for account in accounts:
            client = clients.of(account)
            walk = client.walk(users.ENDPOINT.of(account.id), Person, account.users_settings.stale_after)
            try:
                listed.add(account.id, progress.of(walk), _devices(account, client, clock.time()))
            except PollError as failure:
                failed = True
                progress.clear()
                told = facts(account_id=account.id, reason=failure.reason, error=failure)
                log.error("account not listed: it could not be read to the end", extra=told)
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
    """Tell whether users of an account are missing, and log what is odd about the list."""
    if read.invalid_rows:
        told = facts(account_id=account.id, users=read.invalid_rows)
        log.warning("users with invalid values are listed only as far as the rest is known", extra=told)
    if not read.missing:
        return False
    told = facts(account_id=account.id, listed=read.rows, announced=read.announced, missing=read.missing)
    log.error("idle seats may be missing: the account lists fewer users than it announces", extra=told)
    return True


def _chosen(config: Config, account_id: str | None) -> list[Account]:
    """Return the account of this id or, without one, all whose users are polled."""
    if account_id is None:
        return [account for account in config.accounts if account.users_config]
    chosen = [account for account in config.accounts if account.id == account_id]
    if not chosen:
        raise UsageError(
            "--account: expected the id of an account in the configuration and of this shard; --config.check lists them"
        )
    return chosen


def _devices(account: Account, client: Client, now: float) -> last_seen.LastSeen | None:
    """Return when devices were last seen; None where they are not to be read, or the token may not."""
    if not account.devices_config:
        return None
    summary = devices.DevicesCollector(account, client).fetch(Poll(None, now, lambda _: True))
    return summary.last_seen if summary.readable else None


class _Rows:
    """What was found as rows, made one by one and as often as they are gone through."""

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
    """Tells how many users were read so far."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._read = 0

    def of(self, pages: Iterable[list[Person]]) -> Iterator[list[Person]]:
        """Yield the pages as they come, and tell of them."""
        for people in pages:
            self._read += len(people)
            self.show(f"{self._read} users read")
            yield people
