"""Every activity number is right, for any users and devices. The current time is always 2026-09-21T14:13:20Z."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import responses
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.collectors.cloudflare import Cloudflare, Row, pages, registrations
from tests.collectors.registered import NOW, shown
from tests.exporter import Exporter

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Device:
    """A registration: the names of its user, when it was seen, and whether it is active."""

    user_id: str | None
    email: str | None
    seen: datetime | None
    is_active: bool

    def row(self, number: int) -> Row:
        user = {"id": self.user_id, "email": self.email and f"{self.email.upper()}@Example.com"}
        revoked = None if self.is_active else "2026-09-21T14:00:00Z"
        seen = self.seen and self.seen.isoformat()
        return {"id": f"device {number}", "last_seen_at": seen, "revoked_at": revoked, "user": user}

    @property
    def is_in_the_future(self) -> bool:
        return self.seen is not None and self.seen > NOW + timedelta(days=1)

    @property
    def time(self) -> datetime | None:
        return None if self.is_in_the_future else self.seen


@dataclass(frozen=True)
class Person:
    """A user, and what the exporter can know about their activity."""

    user_id: str | None
    uid: str | None
    email: str | None
    has_seat: bool
    count: int | None
    login: datetime | None
    created: datetime | None

    def row(self) -> Row:
        return {
            "id": self.user_id,
            "uid": self.uid,
            "email": self.email and f"{self.email}@example.com",
            "gateway_seat": self.has_seat,
            "active_device_count": self.count,
            "last_successful_login": self.login and self.login.isoformat(),
            "created_at": self.created and self.created.isoformat(),
        }

    def devices(self, devices: list[Device]) -> list[Device]:
        return [
            device
            for device in devices
            if (device.user_id is not None and device.user_id in (self.user_id, self.uid))
            or (device.email is not None and device.email == self.email)
        ]

    def last_activity(self, devices: list[Device]) -> datetime | None:
        times = [device.time for device in self.devices(devices)] + [self.login]
        return max((time for time in times if time is not None), default=None)

    def may_be_active_unseen(self, devices: list[Device]) -> bool:
        mine = self.devices(devices)
        if any(device.is_in_the_future or (device.is_active and device.time is None) for device in mine):
            return True
        return bool(self.count) and not any(device.is_active and device.time is not None for device in mine)

    def is_away(self, devices: list[Device], days: int) -> bool:
        since = self.last_activity(devices) or self.created
        return since is not None and NOW - since >= timedelta(days=days)

    def is_idle(self, devices: list[Device], days: int) -> bool:
        return self.has_seat and not self.may_be_active_unseen(devices) and self.is_away(devices, days)

    def has_unknown_activity(self, devices: list[Device], days: int) -> bool:
        has_no_time = self.last_activity(devices) is None and self.created is None
        is_unknown = self.may_be_active_unseen(devices) and (has_no_time or self.is_away(devices, days))
        return self.has_seat and is_unknown

    def is_active(self, devices: list[Device], days: int) -> bool:
        last = self.last_activity(devices)
        return last is not None and NOW - last <= timedelta(days=days)

    def was_never_there(self, devices: list[Device]) -> bool:
        is_unknown = self.may_be_active_unseen(devices)
        return self.has_seat and not is_unknown and self.last_activity(devices) is None


spans = st.sampled_from([timedelta(days=days) for days in (1, 7, 30, 60, 90)])
times = st.one_of(
    st.none(),
    st.builds(lambda span, more: NOW - span + timedelta(seconds=more), spans, st.sampled_from([-0.4, -1, 0, 1, 0.4])),
    st.builds(lambda days: NOW - timedelta(days=days), st.integers(-1, 120)),
)
names = st.sampled_from([None, *NAMES])
persons = st.builds(
    Person,
    user_id=st.none() | st.sampled_from([f"id {name}" for name in NAMES]),
    uid=st.none() | st.sampled_from([f"uid {name}" for name in NAMES]),
    email=names,
    has_seat=st.booleans(),
    count=st.sampled_from([None, 0, 1, 3]),
    login=times,
    created=times,
)
any_devices = st.builds(
    Device,
    user_id=st.none() | st.sampled_from([f"{kind} {name}" for kind in ("id", "uid", "other") for name in NAMES]),
    email=names,
    seen=times | st.just(NOW + timedelta(days=2)),
    is_active=st.booleans(),
)


@settings(max_examples=300)
@given(
    people=st.lists(persons, max_size=8, unique_by=lambda person: person.user_id or id(person)),
    devices=st.lists(any_devices, max_size=8),
)
def test_every_number_of_activity(people: list[Person], devices: list[Device]) -> None:
    """Every number about activity equals a simple count of the users."""
    with responses.RequestsMock() as mock:
        cloudflare = Cloudflare(mock)
        cloudflare.lists("users", *pages([person.row() for person in people], 3))
        cloudflare.registers(*registrations([device.row(number) for number, device in enumerate(devices)], 3))
        page = Exporter(devices=True).polled()
    for days in (30, 60, 90):
        assert shown(page, "seats_idle")[str(days)] == sum(person.is_idle(devices, days) for person in people)
        unknown = sum(person.has_unknown_activity(devices, days) for person in people)
        assert shown(page, "seats_activity_unknown")[str(days)] == unknown
    for days in (1, 7, 30):
        assert shown(page, "users_active")[f"{days}d"] == sum(person.is_active(devices, days) for person in people)
    assert shown(page, "seats_never_used")[""] == sum(person.was_never_there(devices) for person in people)
