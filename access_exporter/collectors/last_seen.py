"""When devices were last seen, by the ids and addresses of their users, without saying who: 28 bytes for each device.

Ids and addresses are kept as hashes with a key that only this process has, so nothing personal can be read from them
or stored. Two of a million users share a hash with a chance of less than 1 in 10^6.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

# The lowest bits of the key of an id. The last one is for a device whose address also occurs with another id.
_IS_DATED, _IS_UNCLEAR, _WAS_EVER, _IS_SHARED = 1, 2, 4, 8
_FLAGS = _IS_DATED | _IS_UNCLEAR | _WAS_EVER | _IS_SHARED
_MASK = (1 << 64) - 1
_HASH = _MASK - _FLAGS
_MANY = 64  # devices whose names have the same highest bits; as a rule there are one or two
_BEGINNING = 946_684_800  # 2000-01-01, in seconds since the epoch: no device was seen before
_END = _BEGINNING + ((1 << 32) - 1) // 2  # in the year 2068


class Named(Protocol):
    """The fields of a user that identify their devices."""

    id: str | None
    uid: str | None
    email: str | None


class Seen(NamedTuple):
    """What is known of the devices of a user.

    `was_ever`: a device was seen at some time. `is_dated`: an active device has a known time. `is_unclear`: a device
    has an unknown time.
    """

    was_ever: bool = False
    is_dated: bool = False
    is_unclear: bool = False


# By the flags. Made once: each of a million users has one.
_SEEN = [Seen(bool(flags & _WAS_EVER), bool(flags & _IS_DATED), bool(flags & _IS_UNCLEAR)) for flags in range(16)]


class LastSeen:
    """What is known of devices: `add` them all, then `finish`, then ask `of` a user."""

    def __init__(self) -> None:
        """Know of no device."""
        # Each device has a place in these three, in the order of the ids; 0 stands for a missing name.
        self._ids = array("Q")
        self._addresses = array("Q")
        self._times = array("I")  # see half_seconds
        self._first_ids = array("I")  # the first place of each value of the ids' highest bits
        # The places of devices in the order of their addresses, and where each value of the bits begins among these.
        self._places = array("I")
        self._first_places = array("I")
        self._shift = 0
        # What is known of a name of many devices: a list may give every user and every device the same one.
        self._crowds: dict[tuple[bool, int], tuple[int, int]] = {}

    def add(self, user_id: str | None, email: str | None, time: float, *, is_active: bool, is_unclear: bool) -> None:
        """Note a device, its user, and when it was seen, in seconds since the epoch.

        An impossible time, such as 0, stands for a device without a known time, or one that was never seen.
        """
        if not user_id and not email:
            return
        flags = _IS_UNCLEAR if is_unclear else 0
        seen = half_seconds(time)
        if seen:
            flags |= _WAS_EVER | _IS_DATED if is_active else _WAS_EVER
        elif is_active:
            flags |= _IS_UNCLEAR
        key = hash(user_id) & _HASH if user_id else 0
        self._ids.append(key | flags)
        self._addresses.append(_address(email))
        self._times.append(seen)

    def finish(self) -> None:
        """Order the devices by their ids, and their places by their addresses."""
        bits = max(1, len(self._ids).bit_length() - 1)  # so that one or two keys share theirs
        self._shift = 64 - bits
        self._first_ids, order = _ordered(self._ids, bits)
        self._ids = _arranged(self._ids, order)
        self._ids.extend((_MASK, _MASK))  # so that `of` may look behind each
        self._addresses = _arranged(self._addresses, order)
        self._times = _arranged(self._times, order)
        del order
        self._first_places, self._places = _ordered(self._addresses, bits)
        self._mark_shared()

    def _mark_shared(self) -> None:
        """Mark devices of one address that do not all have the same id."""
        for start, end in pairwise(self._first_places):
            together = self._places[start:end]
            if len(together) == 1 and self._ids[together[0]] & _HASH:
                continue  # as most are
            keys: dict[int, set[int]] = {}
            for place in together:
                keys.setdefault(self._addresses[place], set()).add(self._ids[place] & _HASH)
            for place in together:
                of_address = keys[self._addresses[place]]
                if len(of_address) > 1 or 0 in of_address:
                    self._ids[place] |= _IS_SHARED

    def of(self, users: Iterable[Named], enough: float = float("inf")) -> list[tuple[int, Seen]]:
        """Return of each user when a device was last seen, and what is known of the devices.

        The time is as `half_seconds` has it; 0 means never. What is known may be incomplete for a user of whom a device
        was seen as late as `enough`. Polls spend their CPU here: most users have one device, which was seen just now.
        """
        ids, times, first, shift = self._ids, self._times, self._first_ids, self._shift
        known = []
        for user in users:
            key = hash(user.id or None) & _HASH
            slot = key >> shift
            place = bisect_left(ids, key, first[slot], first[slot + 1])
            found, last_key = ids[place], key | _FLAGS
            if found > last_key:
                known.append(self._of_names((user.uid,), user.email, (0, 0, -1), enough))
            elif ids[place + 1] <= last_key:
                known.append(self._of_names((user.id, user.uid), user.email, (0, 0, -1), enough))
            elif (latest := times[place]) >= enough:
                known.append((latest, _SEEN[found & _FLAGS]))
            else:
                plain = -1 if found & _IS_SHARED else place
                known.append(self._of_names((user.uid,), user.email, (latest, found, plain), enough))
        return known

    def _of_names(
        self, names: Iterable[str | None], email: str | None, known: tuple[int, int, int], enough: float
    ) -> tuple[int, Seen]:
        """Return the same of one user, beyond what is known: the last time, the flags, and the place of a device.

        The place is that of a device of the user, if all devices with its address have its id, or -1.
        """
        ids, times, first, shift = self._ids, self._times, self._first_ids, self._shift
        latest, flags, plain = known
        for name in names:
            if name and latest < enough:
                key = hash(name) & _HASH
                slot = key >> shift
                end = first[slot + 1]
                place = bisect_left(ids, key, first[slot], end)
                if end - place > _MANY:
                    other, other_flags = self._of_crowd(key, place, end, is_id=True)
                    latest, flags = max(latest, other), flags | other_flags
                    continue
                while (found := ids[place]) <= key | _FLAGS:
                    flags |= found
                    latest = max(latest, times[place])
                    if not found & _IS_SHARED:
                        plain = place
                    place += 1
        if latest < enough and email:
            address = _address(email)
            if plain < 0 or address != self._addresses[plain]:
                other, other_flags = self._of_address(address)
                latest, flags = max(latest, other), flags | other_flags
        return latest, _SEEN[flags & _FLAGS]

    def _of_address(self, address: int) -> tuple[int, int]:
        slot = address >> self._shift
        start, end = self._first_places[slot], self._first_places[slot + 1]
        if end - start > _MANY:
            return self._of_crowd(address, start, end, is_id=False)
        return self._latest(self._addresses, _MASK, address, self._places[start:end])

    def _of_crowd(self, key: int, start: int, end: int, *, is_id: bool) -> tuple[int, int]:
        found = self._crowds.get((is_id, key))
        if found is None:
            found = (
                self._latest(self._ids, _HASH, key, range(start, end))
                if is_id
                else self._latest(self._addresses, _MASK, key, self._places[start:end])
            )
            self._crowds[is_id, key] = found
        return found

    def _latest(self, keys: "array[int]", mask: int, key: int, places: Iterable[int]) -> tuple[int, int]:
        latest = flags = 0
        for place in places:
            if keys[place] & mask == key:
                flags |= self._ids[place]
                latest = max(latest, self._times[place])
        return latest, flags


def half_seconds(time: float) -> int:
    """Return a time in seconds since the epoch as whole half seconds since 2000, or 0 where no device was seen then.

    One half second stands for any fraction of a second, so that none is lost beside a boundary at a whole one.
    """
    if not _BEGINNING < time < _END:
        return 0
    whole = int(time)
    return 2 * (whole - _BEGINNING) + (time > whole)


def seconds(half_seconds: int) -> float:
    """Return the time in seconds since the epoch."""
    return half_seconds / 2 + _BEGINNING


def _address(email: str | None) -> int:
    """Return the key of an e-mail address, the same for two that differ only in case; 0 where there is none."""
    return hash(email.casefold()) & _MASK if email else 0


def _ordered(keys: "array[int]", bits: int) -> "tuple[array[int], array[int]]":
    """Order keys: return the first place of each value of their highest bits, and which key is at each place.

    A counting sort by these bits (https://en.wikipedia.org/wiki/Counting_sort), and then by the others.
    """
    shift = 64 - bits
    first = array("I", bytes(4 * ((1 << bits) + 2)))
    for key in keys:
        first[(key >> shift) + 2] += 1
    first = array("I", accumulate(first))
    order = array("I", bytes(4 * len(keys)))
    for number, key in enumerate(keys):
        slot = (key >> shift) + 1  # the first free place of a value, which in the end is the first of the next one
        order[first[slot]] = number
        first[slot] += 1
    first.pop()
    for start, end in pairwise(first):
        if end - start > 1:
            order[start:end] = array("I", sorted(order[start:end], key=keys.__getitem__))
    return first, order


def _arranged(values: "array[int]", order: "array[int]") -> "array[int]":
    arranged = values[:]
    for place, number in enumerate(order):
        arranged[place] = values[number]
    return arranged
