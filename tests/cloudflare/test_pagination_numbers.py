"""Every number about users is right, for any pages that a server can send."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import responses
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.cloudflare.pagings import NULL, SUGGESTIVE, Paging, pagings
from tests.collectors.cloudflare import Cloudflare, Row
from tests.exporter import Exporter
from tests.fakes import START

NOW = datetime.fromtimestamp(START, UTC)
ABSENT = object()
EMPTY = [ABSENT, None, ""]
INVALID = ["yes", 1, []]  # neither a flag nor a time


@dataclass(frozen=True)
class Moment:
    """A time, as the text in the API and as a datetime."""

    text: str
    time: datetime | None


def moment(age: timedelta, style: str) -> Moment:
    """Return a time this long ago, written in one of the accepted formats."""
    time = NOW - age
    plain = time.replace(tzinfo=None).isoformat()
    texts = {
        "UTC": plain + "Z",
        "space": plain.replace("T", " ") + "Z",
        "no zone": plain,
        "offset": time.astimezone(timezone(timedelta(hours=-7, minutes=-30))).isoformat(),
    }
    return Moment(texts[style], time)


@dataclass(frozen=True)
class Person:
    """A user as the API lists it: each field is a value, null, an empty string or missing."""

    access_seat: Any
    gateway_seat: Any
    active_device_count: Any
    created_at: Any
    last_successful_login: Any
    name: Any

    def row(self, number: Any) -> Row:
        fields = {"id": number, **vars(self)}
        texts = {name: value.text if isinstance(value, Moment) else value for name, value in fields.items()}
        return {name: value for name, value in texts.items() if value is not ABSENT}

    @property
    def holds_seat(self) -> bool:
        return (self.access_seat is True or self.gateway_seat is True) and not self.says_nothing_of_seats

    def holds(self, name: str) -> bool:
        return self.holds_seat and getattr(self, name) is True

    @property
    def says_nothing_of_seats(self) -> bool:
        flags = (self.access_seat, self.gateway_seat)
        return all(flag in EMPTY for flag in flags) or any(is_invalid(flag) for flag in flags)

    @property
    def devices(self) -> float | None:
        count = self.active_device_count
        return None if count in EMPTY or isinstance(count, str) or count < 0 else count

    @property
    def login_is_unknown(self) -> bool:
        """Return whether the user has logged in at an unknown time."""
        login = self.last_successful_login
        if isinstance(login, Moment):
            return login.time is not None and login.time > NOW + timedelta(days=1)
        return is_invalid(login)

    @property
    def login(self) -> datetime | None:
        login = self.last_successful_login
        return login.time if isinstance(login, Moment) and not self.login_is_unknown else None

    @property
    def created(self) -> datetime | None:
        return self.created_at.time if isinstance(self.created_at, Moment) else None

    @property
    def may_be_active_unseen(self) -> bool:
        return self.devices is None or self.devices > 0

    def is_away(self, days: int) -> bool:
        since = None if self.login_is_unknown else self.login or self.created
        return since is not None and NOW - since >= timedelta(days=days)

    def is_idle(self, days: int) -> bool:
        return self.holds_seat and not self.may_be_active_unseen and self.is_away(days)

    def has_unknown_activity(self, days: int) -> bool:
        has_no_time = self.login is None and self.created is None
        is_unseen = self.may_be_active_unseen and (has_no_time or self.is_away(days))
        return self.holds_seat and (self.login_is_unknown or is_unseen)

    @property
    def was_never_there(self) -> bool:
        return self.holds_seat and not (self.may_be_active_unseen or self.login_is_unknown) and self.login is None

    def logged_in(self, days: int) -> bool:
        return self.login is not None and NOW - self.login <= timedelta(days=days)


def is_invalid(value: Any) -> bool:
    return any(value is invalid for invalid in INVALID)


Numbers = dict[tuple[str, ...], float]


def reference(people: list[Person], announced: int | None) -> Numbers:
    """Count every number of these users in the simplest way: one definition after the other."""

    def count(is_one: Callable[[Person], bool]) -> int:
        return len([person for person in people if is_one(person)])

    numbers: Numbers = {
        ("account_info", "Example"): 1,
        ("seats_limit",): 50,
        ("users", "none"): count(lambda person: not person.holds_seat and not person.says_nothing_of_seats),
        ("users", "access"): count(lambda person: person.holds("access_seat") and not person.holds("gateway_seat")),
        ("users", "gateway"): count(lambda person: person.holds("gateway_seat") and not person.holds("access_seat")),
        ("users", "both"): count(lambda person: person.holds("access_seat") and person.holds("gateway_seat")),
        ("users", "unknown"): count(lambda person: person.says_nothing_of_seats),
        ("seats", "access"): count(lambda person: person.holds("access_seat")),
        ("seats", "gateway"): count(lambda person: person.holds("gateway_seat")),
        ("seats_used",): count(lambda person: person.holds_seat),
        ("active_devices",): sum(person.devices for person in people if person.devices is not None),
        ("users_by_devices", "0"): count(lambda person: person.devices == 0),
        ("users_by_devices", "1"): count(lambda person: person.devices == 1),
        ("users_by_devices", "2"): count(lambda person: person.devices in (2, 2.5)),
        ("users_by_devices", "3-5"): count(lambda person: person.devices in (3, 5)),
        ("users_by_devices", "6+"): count(lambda person: person.devices is not None and person.devices >= 6),
        ("users_by_devices", "unknown"): count(lambda person: person.devices is None),
        ("seats_never_used",): count(lambda person: person.was_never_there),
        ("users_logged_in", "1d"): count(lambda person: person.logged_in(1)),
        ("users_logged_in", "7d"): count(lambda person: person.logged_in(7)),
        ("users_logged_in", "30d"): count(lambda person: person.logged_in(30)),
    }
    for days in (30, 60, 90):
        numbers["seats_idle", str(days)] = len([person for person in people if person.is_idle(days)])
        unknown = [person for person in people if person.has_unknown_activity(days)]
        numbers["seats_activity_unknown", str(days)] = len(unknown)
    if announced is not None:
        numbers["users_announced",] = announced
    logins = [person.login for person in people if person.login is not None]
    if logins:
        numbers["last_login_timestamp_seconds",] = max(logins).timestamp()
    return numbers


def shown(page: str) -> Numbers:
    """Return every number on the page, except the health of the target."""
    return {
        (
            sample.name.removeprefix("cloudflare_access_"),
            *(sample.labels[name] for name in sorted(sample.labels)[1:]),
        ): (sample.value)
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if "collector" not in sample.labels
    }


spans = st.sampled_from([timedelta(days=days) for days in (1, 7, 30, 60, 90)])
ages = st.one_of(
    spans,
    st.builds(lambda span, more: span + timedelta(microseconds=more), spans, st.sampled_from([-1, 1])),
    st.timedeltas(timedelta(days=-2), timedelta(days=120)),
)
times = st.one_of(
    st.sampled_from([*EMPTY, *INVALID, Moment("0001-01-01T00:00:00Z", None), Moment("1970-01-01T00:00:00Z", None)]),
    st.builds(moment, ages, st.sampled_from(["UTC", "space", "no zone", "offset"])),
)
flags = st.sampled_from([*EMPTY * 2, *INVALID, *[False, True] * 4])
persons = st.builds(
    Person,
    access_seat=flags,
    gateway_seat=flags,
    active_device_count=st.sampled_from([*EMPTY, "2", -1, 0, 1, 2, 2.5, 3, 5, 6, 1000]),
    created_at=times,
    last_successful_login=times,
    name=st.one_of(st.sampled_from(EMPTY), st.text(max_size=3)),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=st.lists(persons, max_size=30), paging=pagings(), data=st.data())
def test_every_number_is_right(people: list[Person], paging: Paging, data: st.DataObject) -> None:
    """Every number equals a simple count of the users, for any kind of pages, and no other number is shown.

    If a list contradicts itself, the exporter accepts it at the second poll at the latest.
    """
    assume(people or paging.style not in SUGGESTIVE)  # an empty list with a total above 0 is an error
    # If the server repeats rows, every row needs an id. The exporter would count a repeated row without an id twice.
    lacking = st.booleans() if paging.repeats == 0 else st.just(False)
    rows = [
        person.row(data.draw(st.sampled_from(EMPTY)) if data.draw(lacking) else f"user {number}")
        for number, person in enumerate(people)
    ]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        Cloudflare(mock).lists("users", *paging.answers(rows), beyond=paging.beyond)
        exporter = Exporter()
        expected = reference(people, paging.announced(len(people)))
        assert shown(exporter.polled()) in (({}, expected) if paging.beyond == NULL else (expected,))
        assert shown(exporter.polled()) == expected
