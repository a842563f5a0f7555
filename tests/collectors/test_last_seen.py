"""When devices were last seen, by the names of their users."""

import tracemalloc
import uuid

import pytest

from access_exporter.collectors.last_seen import LastSeen, Seen, names
from tests.fakes import START

DAY = 86400
NEVER = (0.0, Seen())
DATED = Seen(was_ever=True, is_dated=True)


def last_seen(*devices: tuple[str | None, float, bool, bool]) -> LastSeen:
    """These devices, each with a name, a time, and whether it is active and unclear."""
    known = LastSeen()
    for name, time, is_active, is_unclear in devices:
        known.add([name], time, is_active=is_active, is_unclear=is_unclear)
    known.finish()
    return known


def test_nobody() -> None:
    """Without a device nobody was ever seen."""
    assert last_seen().of(["a", "", None]) == NEVER
    assert last_seen(("a", START, True, False)).of(["b"]) == NEVER
    assert last_seen((None, START, True, False), ("", START, True, False)).of([None, ""]) == NEVER


def test_the_latest_of_all_names() -> None:
    """The latest time of all devices counts, under whichever name, in any order."""
    devices = [("a", START - 5, True, False), ("a", START - 3, True, False), ("b", START - 4, True, False)]
    for order in (devices, devices[::-1]):
        known = last_seen(*order)
        assert known.of(["a"]) == (START - 3, DATED)
        assert known.of(["b", None, "c"]) == (START - 4, DATED)
        assert known.of(["b", "a"]) == known.of(["a", "b"]) == (START - 3, DATED)


def test_what_is_known_of_several_devices() -> None:
    """What is known of one device is not forgotten over another that was seen later."""
    known = last_seen(("a", START, False, False), ("a", START - DAY, True, False), ("a", 0, True, True))
    assert known.of(["a"]) == (START, Seen(was_ever=True, is_dated=True, is_unclear=True))
    assert last_seen(("a", START, False, False)).of(["a"]) == (START, Seen(was_ever=True))
    assert last_seen(("a", 0, True, True)).of(["a"]) == (0, Seen(is_unclear=True))


def test_enough() -> None:
    """No further name is tried once a device was seen late enough."""
    known = last_seen(("a", START - DAY, True, False), ("b", START, True, False))
    assert known.of(["a", "b"], enough=START - DAY)[0] == START - DAY
    assert known.of(["a", "b"], enough=START - DAY + 0.5)[0] == START


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
    """A fraction of a second is kept as half of one; a time before 2000 or after 2068 cannot be one of a device."""
    assert last_seen(("a", time, True, False)).of(["a"])[0] == kept


def test_many_names() -> None:
    """Each of many names has its own time, and none has one that is of another."""
    known = last_seen(*((str(number), START - number, True, False) for number in range(20_000)))
    assert all(known.of([str(number)])[0] == START - number for number in range(20_000))
    assert not any(known.of([f"other {number}"])[0] for number in range(20_000))


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
    """Two addresses are the same without regard to case, of any letters; ids are taken as they are."""
    assert names("A", one) == names("A", other)
    assert names("A", None) == ("A", None)
    assert names("a", "") != names("A", "")


def test_memory() -> None:
    """A registration with an id and an address takes at most forty bytes at any time, and says nothing of its user."""
    number = 200_000
    rows = [(str(uuid.UUID(int=index)), f"user{index}@example.com") for index in range(number)]
    tracemalloc.start()
    try:
        known = LastSeen()
        for index, row in enumerate(rows):
            known.add(row, START - index, is_active=True, is_unclear=False)
        known.finish()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert known.of(rows[5])[0] == START - 5
    assert kept / number < 30
    assert peak / number < 40


def test_a_user_with_many_devices() -> None:
    """A user with 100,000 devices takes as much memory as one with a few, and was seen with the latest of them."""
    tracemalloc.start()
    try:
        known = LastSeen()
        for index in range(100_000):
            known.add(("user",), START - abs(index - 70_000), is_active=index % 2 == 0, is_unclear=index == 5)
        known.finish()
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert known.of(["user"]) == (START, Seen(was_ever=True, is_dated=True, is_unclear=True))
    assert kept < 100_000
