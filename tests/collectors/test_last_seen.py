"""The last time each user's device was seen, found by id, uid or e-mail address."""

import tracemalloc
import uuid
from dataclasses import dataclass

import pytest

from access_exporter.collectors.last_seen import LastSeen, Seen, half_seconds, seconds
from tests.fakes import START

DAY = 86400
NEVER = (0.0, Seen())
DATED = Seen(was_ever=True, is_dated=True)


@dataclass
class User:
    """A user with an id, a uid and an e-mail address."""

    id: str | None = None
    uid: str | None = None
    email: str | None = None


@dataclass
class Device:
    """A device with the id and the address of its user, and the time when it was seen."""

    user_id: str | None = None
    email: str | None = None
    time: float = START
    is_active: bool = True
    is_unclear: bool = False


def known_of(devices: list[Device]) -> LastSeen:
    """Return a LastSeen with these devices."""
    known = LastSeen()
    for each in devices:
        known.add(each.user_id, each.email, each.time, is_active=each.is_active, is_unclear=each.is_unclear)
    known.finish()
    return known


def of(known: LastSeen, user: User, enough: float = float("inf")) -> tuple[float, Seen]:
    """Return when a user's device was last seen, in seconds since the epoch, and what else is known of the devices."""
    ((time, seen),) = known.of([user], enough)
    return (seconds(time) if time else 0.0), seen


def test_no_device() -> None:
    """A user without a matching device was never seen."""
    assert of(known_of([]), User("a", "b", "c@example.com")) == NEVER
    assert of(known_of([Device("a", "b@example.com")]), User("b", "c", "a@example.com")) == NEVER
    for nameless in (Device(), Device("", "")):
        assert of(known_of([nameless]), User()) == of(known_of([nameless]), User("", "", "")) == NEVER


@pytest.mark.parametrize("user", [User("a"), User("b", "a"), User("b", "c", "A@example.com"), User("a", "a", "a")])
def test_each_name(user: User) -> None:
    """A device matches a user by id, uid or e-mail address."""
    assert of(known_of([Device("a", "a@example.com"), Device("x", "x@example.com")]), user) == (START, DATED)


def test_the_latest_of_all_devices() -> None:
    """The latest time of all matching devices counts, in any order, whether matched by id or by address."""
    devices = [
        Device("a", "a@example.com", START - 5),
        Device("b", None, START - 4),
        Device(None, "a@example.com", START - 3),
        Device("other", "A@EXAMPLE.COM", START - 2),
        Device("a", "b@example.com", START - 6),
    ]
    for order in (devices, devices[::-1], devices[2:] + devices[:2]):
        known = known_of(order)
        assert of(known, User("a"))[0] == START - 5
        assert of(known, User("a", "b"))[0] == of(known, User("b", "a"))[0] == START - 4
        assert of(known, User("a", "b", "a@example.com"))[0] == START - 2
        assert of(known, User("a", None, "b@example.com"))[0] == START - 5
        assert of(known, User("c", None, "b@example.com"))[0] == START - 6


def test_an_address_that_changed() -> None:
    """If the address of a user has changed, devices match by the id and by the new address."""
    known = known_of([Device("a", "old@example.com", START - 9), Device("b", "new@example.com", START - 1)])
    assert of(known, User("a", None, "old@example.com"))[0] == START - 9
    assert of(known, User("a", None, "new@example.com"))[0] == START - 1


def test_several_devices() -> None:
    """The facts about all devices of a user are combined, even if another device was seen later."""
    known = known_of([Device("a", is_active=False), Device("a", time=START - DAY), Device("a", time=0)])
    assert of(known, User("a")) == (START, Seen(was_ever=True, is_dated=True, is_unclear=True))
    assert of(known_of([Device("a", is_active=False)]), User("a")) == (START, Seen(was_ever=True))
    assert of(known_of([Device("a", time=0)]), User("a")) == (0, Seen(is_unclear=True))
    assert of(known_of([Device("a", time=0, is_active=False)]), User("a")) == NEVER
    assert of(known_of([Device("a", time=0, is_active=False, is_unclear=True)]), User("a"))[1].is_unclear


def test_enough() -> None:
    """The search stops as soon as one device was seen late enough."""
    known = known_of([Device("a", time=START - DAY), Device("b", time=START), Device(None, "a@example.com", START + 1)])
    user = User("a", "b", "a@example.com")
    assert of(known, user, enough=half_seconds(START - DAY))[0] == START - DAY
    assert of(known, user, enough=half_seconds(START - DAY) + 1)[0] == START
    assert of(known, user)[0] == START + 1


@pytest.mark.parametrize(
    ("time", "kept"),
    [
        (START, START),
        (START + 0.000001, START + 0.5),
        (START + 0.999999, START + 0.5),
        (-1, 0),
        (0, 0),
        (946_684_800, 0),
        (946_684_801, 946_684_801),
        (3_000_000_000, 3_000_000_000),
        (1e11, 0),
    ],
)
def test_times(time: float, kept: float) -> None:
    """A fraction of a second is stored as half a second; a time before 2000 or after 2068 is not valid."""
    assert of(known_of([Device("a", time=time)]), User("a"))[0] == kept


@pytest.mark.parametrize("number", [1, 2, 3, 100, 20_000])
def test_many_users(number: int) -> None:
    """Each of many users gets the time of their own device only."""
    known = known_of([Device(f"id {each}", f"{each}@example.com", START - each) for each in range(number)])
    for each in range(number):
        by_names = known.of([User(f"id {each}"), User(None, f"id {each}"), User("x", "y", f"{each}@Example.com")])
        assert {seconds(time) for time, _ in by_names} == {START - each}
    others = [User(f"{each}", f"uid {each}", f"{each}@example.org") for each in range(number)]
    assert known.of(others) == [(0, Seen())] * number


def test_many_devices_of_one_user() -> None:
    """Tens of thousands of devices with the same id, the same address or neither are sorted quickly."""
    devices = [Device(f"id {each % 2}", "shared@example.com", START - each) for each in range(30_000)]
    devices += [Device("busy", f"{each}@example.com", START - each - 1) for each in range(30_000)]
    devices += [Device(None, f"nobody{each}@example.com", START - each) for each in range(30_000)]
    known = known_of(devices)
    assert of(known, User("id 1", None, "shared@example.com")) == (START, DATED)
    assert of(known, User("busy", None, "5@example.com")) == (START - 1, DATED)
    assert of(known, User("x", None, "nobody7@example.com")) == (START - 7, DATED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("JDoe@Example.com", "jdoe@example.COM"),
        ("STRASSE@example.com", "straße@example.com"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
        ("ÄÖÜ@example.com", "äöü@example.com"),
    ],
)
def test_addresses(one: str, other: str) -> None:
    """E-mail addresses are compared without regard to case, in any alphabet; ids are case-sensitive."""
    known = known_of([Device("A", one)])
    assert of(known, User("b", None, other)) == (START, DATED)
    assert of(known, User("a")) == NEVER


def test_memory() -> None:
    """A device with the id and address of its user needs less than 40 bytes of memory, and later less than 32."""
    number = 200_000
    rows = [(str(uuid.UUID(int=index)), f"user{index}@example.com") for index in range(number)]
    tracemalloc.start()
    try:
        known = LastSeen()
        for index, (user_id, email) in enumerate(rows):
            known.add(user_id, email, START - index, is_active=True, is_unclear=False)
        known.finish()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert of(known, User(rows[5][0]))[0] == START - 5
    assert kept / number < 32
    assert peak / number < 40


def test_many_users_of_many_devices() -> None:
    """Many users who share many devices are processed in linear time, not users times devices."""
    devices = [Device("id", "user@example.com", START - abs(each - 70_000), is_active=False) for each in range(100_000)]
    known = known_of([*devices, Device("id", None, START - 5), Device(None, "USER@example.com", START + 5)])
    users = [User(str(number), "id", "User@example.com") for number in range(30_000)]
    found = known.of([*users, User("id")])
    assert {(seconds(time), seen) for time, seen in found} == {(START + 5, DATED), (START, DATED)}
