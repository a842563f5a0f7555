"""Users in pages of any kind in, and every number of them out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import responses
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.collectors.cloudflare import Cloudflare, Row, answer
from tests.exporter import Exporter
from tests.fakes import START

NOW = datetime.fromtimestamp(START, UTC)
ABSENT = object()
EMPTY = [ABSENT, None, ""]


@dataclass(frozen=True)
class Moment:
    """A time as the API writes it, and as it is meant."""

    text: str
    time: datetime | None


def moment(age: timedelta, style: str) -> Moment:
    """A time so long ago, in one of the ways there are to write it."""
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
    """A user as the API lists it: each field is a value, null, an empty string or absent."""

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
        return self.access_seat is True or self.gateway_seat is True

    @property
    def says_nothing_of_seats(self) -> bool:
        return self.access_seat in EMPTY and self.gateway_seat in EMPTY

    @property
    def devices(self) -> float | None:
        count = self.active_device_count
        return None if count in EMPTY or count < 0 else count

    @property
    def login(self) -> datetime | None:
        return self.last_successful_login.time if isinstance(self.last_successful_login, Moment) else None

    @property
    def created(self) -> datetime | None:
        return self.created_at.time if isinstance(self.created_at, Moment) else None

    @property
    def may_be_active_unseen(self) -> bool:
        return self.devices is None or self.devices > 0

    def is_away(self, days: int) -> bool:
        since = self.login or self.created
        return since is not None and NOW - since >= timedelta(days=days)

    def is_idle(self, days: int) -> bool:
        return self.holds_seat and not self.may_be_active_unseen and self.is_away(days)

    def has_unknown_activity(self, days: int) -> bool:
        has_no_time = self.login is None and self.created is None
        return self.holds_seat and self.may_be_active_unseen and (has_no_time or self.is_away(days))

    @property
    def was_never_there(self) -> bool:
        return self.holds_seat and not self.may_be_active_unseen and self.login is None

    def logged_in(self, days: int) -> bool:
        return self.login is not None and NOW - self.login <= timedelta(days=days)


Numbers = dict[tuple[str, ...], float]


def reference(people: list[Person]) -> Numbers:
    """Every number of these users, counted in the dullest way: one definition after the other."""

    def count(is_one: Callable[[Person], bool]) -> int:
        return len([person for person in people if is_one(person)])

    numbers: Numbers = {
        ("account_info", "Example"): 1,
        ("seats_limit",): 50,
        ("users", "none"): count(lambda person: not person.holds_seat and not person.says_nothing_of_seats),
        ("users", "access"): count(lambda person: person.access_seat is True and person.gateway_seat is not True),
        ("users", "gateway"): count(lambda person: person.gateway_seat is True and person.access_seat is not True),
        ("users", "both"): count(lambda person: person.access_seat is True and person.gateway_seat is True),
        ("users", "unknown"): count(lambda person: person.says_nothing_of_seats),
        ("seats", "access"): count(lambda person: person.access_seat is True),
        ("seats", "gateway"): count(lambda person: person.gateway_seat is True),
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
    logins = [person.login for person in people if person.login is not None]
    if logins:
        numbers["last_login_timestamp_seconds",] = max(logins).timestamp()
    return numbers


def shown(page: str) -> Numbers:
    """Every number an exposition shows, but for the health of the target."""
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
    st.sampled_from([*EMPTY, Moment("0001-01-01T00:00:00Z", None), Moment("1970-01-01T00:00:00Z", None)]),
    st.builds(moment, ages, st.sampled_from(["UTC", "space", "no zone", "offset"])),
)
flags = st.sampled_from([*EMPTY, False, True])
persons = st.builds(
    Person,
    access_seat=flags,
    gateway_seat=flags,
    active_device_count=st.sampled_from([*EMPTY, -1, 0, 1, 2, 2.5, 3, 5, 6, 1000]),
    created_at=times,
    last_successful_login=times,
    name=st.one_of(st.sampled_from(EMPTY), st.text(max_size=3)),
)


@dataclass(frozen=True)
class Paging:
    """How a server cuts a list into pages, and what it says about that; `anything` are totals out of thin air."""

    size: int
    repeats: int
    style: str
    anything: dict[str, int | None]

    def answers(self, rows: list[Row]) -> list[str]:
        starts = [0]
        while starts[-1] + self.size < len(rows):
            starts.append(starts[-1] + self.size - self.repeats)
        more = self.result_info(len(rows), len(starts))
        return [answer(rows[start : start + self.size], **more) for start in starts]

    def result_info(self, rows: int, pages: int) -> dict[str, Any]:
        size, with_repeats = self.size, rows + (pages - 1) * self.repeats
        styles: dict[str, Any] = {
            "honest": {"per_page": size, "total_count": rows, "total_pages": -(-rows // size)},
            "repeats": {"per_page": size, "total_count": with_repeats, "total_pages": -(-with_repeats // size)},
            "half": {"per_page": size, "total_count": rows // 2, "total_pages": pages},
            "twice": {"per_page": size, "total_count": rows * 2, "total_pages": pages * 2},
            "anything": {"per_page": size, **self.anything},
            "page size as asked": {"per_page": 1000, "total_count": rows, "total_pages": -(-rows // 1000)},
            "page size only": {"per_page": 1000},
            "documented example": {"count": 1, "page": 1, "per_page": 100, "total_count": 1, "total_pages": 100},
            "null": None,
        }
        return {"result_info": styles[self.style]} if self.style in styles else {}


STYLES = (
    "honest",
    "repeats",
    "half",
    "twice",
    "anything",
    "page size as asked",
    "page size only",
    "documented example",
    "null",
    "nothing",
)


@st.composite
def pagings(draw: st.DrawFn) -> Paging:
    """A server that clamps to any size, repeats any number of rows, and is honest or not about any of it."""
    size = draw(st.integers(1, 12))
    repeats = draw(st.sampled_from([repeats for repeats in (0, 0, 1, 2, size - 1) if repeats < size]))
    whole = st.one_of(st.none(), st.integers(0, 40), st.just(10**18))
    anything = draw(st.fixed_dictionaries({"total_count": whole, "total_pages": whole}))
    return Paging(size, repeats, draw(st.sampled_from(STYLES)), anything)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(people=st.lists(persons, max_size=30), paging=pagings(), data=st.data())
def test_every_number_is_right(people: list[Person], paging: Paging, data: st.DataObject) -> None:
    """Of any users in pages of any kind, every number is that of a plain count."""
    assume(people or paging.style != "anything")  # no list, if they count some, and others are better examples
    # A row without an id that is listed twice is two users to everyone.
    lacking = st.booleans() if paging.repeats == 0 else st.just(False)
    rows = [
        person.row(data.draw(st.sampled_from(EMPTY)) if data.draw(lacking) else f"user {number}")
        for number, person in enumerate(people)
    ]
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        Cloudflare(mock).lists("users", *paging.answers(rows))
        assert shown(Exporter().polled()) == reference(people)
