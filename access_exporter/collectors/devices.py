"""Counts the devices of an account's users: GET /accounts/{account_id}/devices/registrations ("List registrations").

    cloudflare_access_device_registrations{account_id="…",type="warp"} 40.0
    cloudflare_access_device_registrations_seen{account_id="…",within="7d"} 35.0

People who use the WARP client every day may never log in to an application. So the users collector also needs the last
time that a device of each user was seen, and reads it from this summary. A revoked registration counts, too, because it
proves that its user was active then.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from prometheus_client import Metric

from access_exporter import memory
from access_exporter.cloudflare import Client, Endpoint, Permission
from access_exporter.collectors.last_seen import LastSeen
from access_exporter.collectors.possible import MOST, Count, Moment, add_up, are_parts
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.collectors.seats import NEVER
from access_exporter.config import Account
from access_exporter.errors import AuthError, PermissionMissingError
from access_exporter.exposition import gauge

NAME = "devices"
PERMISSION = "Zero Trust: Read"
ENDPOINT = Endpoint(NAME, "/accounts/{account_id}/devices/registrations", PERMISSION, query="status=all")

DAY = 86400
_WITHIN = {"1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
_TYPES = ("warp", "browser_extension")
_MOST_VERSIONS = 10
_MOST_DISTINCT_VERSIONS = 1000
_VERSION = re.compile(r"v?[0-9][0-9A-Za-z.+_-]{0,39}", re.ASCII)  # excludes texts that could be a person's name
_UNKNOWN, _OTHER = "unknown", "other"

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Device(msgspec.Struct, gc=False):
    """The fields of the device that the exporter reads."""

    client_version: str | None = None


class Holder(msgspec.Struct, gc=False):
    """The user of the device."""

    id: str | None = None
    email: str | None = None


class Registration(msgspec.Struct, gc=False):
    """The fields of a row that the exporter reads. Any field may be missing."""

    id: str | None = None
    last_seen_at: _Time | None = None
    deleted_at: _Time | None = None
    revoked_at: _Time | None = None
    registration_type: str | None = None
    device: Device | None = None
    user: Holder | None = None


class DevicesSummary(msgspec.Struct, frozen=True):
    """The numbers of active registrations; `at` is when they were read, in seconds since the epoch.

    `readable` is False if the token may not read devices. `rows` counts all registrations, including revoked ones. The
    exporter never stores `last_seen`.
    """

    at: Moment
    readable: bool = True
    types: dict[str, Count] = {}
    seen: dict[str, Count] = {}
    versions: dict[str, Count] = {}
    rows: Count = 0
    last_seen: Any = None  # Any: a LastSeen, because the storage cannot decode that type


def configured(account: Account, client: Client) -> Iterator["DevicesCollector"]:
    """Yield the collector of an account, if the configuration allows it to read devices."""
    if account.devices_config:
        yield DevicesCollector(account, client)


def key(account_id: str) -> Key:
    """Return the key of the devices of an account."""
    return Key(account_id, NAME, NAME)


class DevicesCollector(Collector[DevicesSummary]):
    """Polls the devices of an account's users."""

    title = "Devices"
    summary_type = DevicesSummary
    endpoints = (ENDPOINT,)
    is_first = True

    def __init__(self, account: Account, client: Client) -> None:
        """With `devices: auto`, the token may lack the permission."""
        config = account.devices_settings
        self._account_id = account.id
        self._client = client
        self._must = account.devices != "auto"
        self.key = key(account.id)
        self.subject = client.url
        self.settings = (client.settings, self._must, config)
        self.interval = config.interval
        self.stale_after = config.stale_after

    def fetch(self, poll: Poll[DevicesSummary]) -> DevicesSummary:
        """Read all registrations and count them.

        Raises PollError if the list cannot be read to its end. Raises it for a missing permission, too, but not with
        `devices: auto`.
        """
        resource, before = ENDPOINT.of(self._account_id), poll.previous.rows if poll.previous else 0
        walk = self._client.cursor_walk(
            resource, Registration, self.stale_after, before, progress=poll.progress, is_optional=not self._must
        )
        try:
            return summarize(walk, poll.now)
        except (AuthError, PermissionMissingError):
            if self._must:
                raise
            return DevicesSummary(poll.now, readable=False)
        finally:
            memory.give_back()  # the memory that sorting the devices took

    def times(self, summary: DevicesSummary) -> tuple[float, ...]:
        """Return when the devices were read."""
        return (summary.at,)

    def made_at(self, summary: DevicesSummary) -> float:
        """Return when the devices were read."""
        return summary.at

    def to_store(self, summary: DevicesSummary) -> DevicesSummary:
        """Return the numbers without `last_seen`, which has facts about single users."""
        return msgspec.structs.replace(summary, last_seen=None)

    def is_possible(self, summary: DevicesSummary, _succeeded_at: float | None) -> bool:
        """Return whether the numbers agree with each other, and there are no facts about single users."""
        total = sum(summary.types.values())
        versions = [each for each in summary.versions if _VERSION.fullmatch(each)]
        return (
            summary.last_seen is None
            and len(versions) <= _MOST_VERSIONS
            and add_up(summary.types, (*_TYPES, _UNKNOWN), MOST)
            and are_parts(summary.seen, _WITHIN, total)
            and add_up(summary.versions, (*versions, _OTHER, _UNKNOWN), total)
        )

    def families(self, summary: DevicesSummary) -> Iterator[Metric]:
        """Yield the metric families of devices. They are empty if the token may not read devices."""
        labels = {"account_id": self._account_id}
        yield gauge(
            "cloudflare_access_device_registrations",
            "Active device registrations by type: warp, browser_extension or unknown.",
            [(labels | {"type": kind}, number) for kind, number in summary.types.items()],
        )
        yield gauge(
            "cloudflare_access_device_registrations_seen",
            "Active device registrations whose device was seen within this time.",
            [(labels | {"within": within}, number) for within, number in summary.seen.items()],
        )
        yield gauge(
            "cloudflare_access_device_client_registrations",
            "Active device registrations by version of the client: the ten most common versions; other: all others; "
            "unknown: no version.",
            [(labels | {"version": version}, number) for version, number in summary.versions.items()],
        )

    def status(self, summary: DevicesSummary) -> Iterator[str]:
        """Yield the number of devices, or the missing permission."""
        if summary.readable:
            yield f"{sum(summary.types.values()):,} active devices, {summary.seen.get('7d', 0):,} seen within 7 days"
        else:
            yield f"the token may not read devices: grant it the permission {PERMISSION}"

    def plan(self) -> Plan:
        """Return the cost of polling: one request for each page of registrations."""
        requests = 3600 / self.interval
        where = "" if self._must else " if permitted"
        return Plan(
            "devices",
            f"polled every {self.interval:.10g} s{where}, stale after {self.stale_after:.10g} s",
            requests,
            f"{requests:.4g} requests/h for each {self._client.api.page_size} registrations",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to list devices."""
        yield Permission(PERMISSION, ENDPOINT.of(self._account_id), is_optional=not self._must)


def summarize(pages: Iterable[list[Registration]], now: float) -> DevicesSummary:
    """Count registrations as of `now`, in seconds since the epoch."""
    types = dict.fromkeys((*_TYPES, _UNKNOWN), 0)
    seen = dict.fromkeys(_WITHIN, 0)
    versions: Counter[str] = Counter()
    last_seen = LastSeen()
    rows = 0
    for registrations in pages:
        rows += len(registrations)
        for (kind, version, age), number in Counter(_active(registrations, now, last_seen)).items():
            types[kind if kind in _TYPES else _UNKNOWN] += number
            versions[_version(version, versions)] += number
            for within, name in enumerate(_WITHIN):
                seen[name] += number * (age <= within)
    last_seen.finish()
    most_common = _most_common(versions)
    return DevicesSummary(now, types=types, seen=seen, versions=most_common, rows=rows, last_seen=last_seen)


def _active(
    registrations: list[Registration], now: float, last_seen: LastSeen
) -> Iterator[tuple[str | None, str | None, int]]:
    """Add each device to `last_seen`. Yield the type, the version and the index in _WITHIN of each active device."""
    ages = [*_WITHIN.values()]
    for registration in registrations:
        is_active = not (_was(registration.deleted_at) or _was(registration.revoked_at))
        time = registration.last_seen_at.timestamp() if registration.last_seen_at else 0.0
        if is_unclear := time > now + DAY:  # a time in the future is wrong
            time = 0.0
        if (user := registration.user) and (time > 0 or is_active or is_unclear):
            last_seen.add(user.id, user.email, time, is_active=is_active, is_unclear=is_unclear)
        if is_active:
            device = registration.device
            version = device.client_version if device else None
            yield registration.registration_type, version, bisect_left(ages, now - time)


def _was(time: datetime | None) -> bool:
    return time is not None and time > NEVER


def _version(text: str | None, known: Mapping[str, int]) -> str:
    """Return the label of a version: its text, `unknown` if invalid, or `other` if there are too many versions."""
    if text is None or not _VERSION.fullmatch(text):
        return _UNKNOWN
    return text if text in known or len(known) < _MOST_DISTINCT_VERSIONS else _OTHER


def _most_common(versions: Counter[str]) -> dict[str, int]:
    """Return the numbers of the most common versions, of all other versions together, and of unknown versions."""
    known = {version: number for version, number in versions.items() if version not in (_UNKNOWN, _OTHER)}
    ranking = sorted(known, key=lambda version: (-known[version], version))
    kept = {version: known[version] for version in ranking[:_MOST_VERSIONS]}
    return kept | {_OTHER: versions.total() - sum(kept.values()) - versions[_UNKNOWN], _UNKNOWN: versions[_UNKNOWN]}
