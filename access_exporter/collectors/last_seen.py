"""Remembers when each user's devices were last seen, without ids and e-mail addresses, in 28 bytes for each device.

It keeps hashes of the ids and addresses. Only this process has the key of the hashes, so they reveal no person. In a
list of a million users, the probability that two of them have the same hash is less than 1 in 10^6.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

# Flags in the lowest bits of the key of an id. _IS_SHARED marks a device if its address also occurs with another id.
_IS_DATED, _IS_UNCLEAR, _WAS_EVER, _IS_SHARED = 1, 2, 4, 8
_FLAGS = _IS_DATED | _IS_UNCLEAR | _WAS_EVER | _IS_SHARED
_MASK = (1 << 64) - 1
_HASH = _MASK - _FLAGS
_MANY = 64  # if a slot has more devices, the result of a search is cached; a slot usually has one or two
_BEGINNING = 946_684_800  # 2000-01-01, in seconds since the epoch; an earlier time is invalid
_END = _BEGINNING + ((1 << 32) - 1) // 2  # in the year 2068


class Named(Protocol):
    """The fields that link a user to devices."""

    id: str | None
    uid: str | None
    email: str | None


class Seen(NamedTuple):
    """Three facts about the devices of a user.

    `was_ever` is True if any device was ever seen. `is_dated` is True if an active device has a known time, and
    `is_unclear` is True if a device has an unknown time.
    """

    was_ever: bool = False
    is_dated: bool = False
    is_unclear: bool = False


# One Seen for each value of the flags. They are shared, because each of a million users needs one.
_SEEN = [Seen(bool(flags & _WAS_EVER), bool(flags & _IS_DATED), bool(flags & _IS_UNCLEAR)) for flags in range(16)]


class LastSeen:
    """Finds out when the devices of a user were last seen. Call `add` for each device, then `finish`, and then `of`."""

    def __init__(self) -> None:
        """Start without devices."""
        # Each device has one place in these three arrays. They are sorted by id; 0 means a missing id or address.
        self._ids = array("Q")
        self._addresses = array("Q")
        self._times = array("I")  # see half_seconds
        # The index of the first device in each slot. A slot has the devices with the same highest bits of the id.
        self._first_ids = array("I")
        # The places of the devices, sorted by address, and the index of the first of these places in each slot.
        self._places = array("I")
        self._first_places = array("I")
        self._shift = 0
        # A cache for ids and addresses of many devices. A faulty list may give every user and device the same id.
        self._crowds: dict[tuple[bool, int], tuple[int, int]] = {}

    def add(self, user_id: str | None, email: str | None, time: float, *, is_active: bool, is_unclear: bool) -> None:
        """Add a device, its user, and the time when it was last seen, in seconds since the epoch.

        An impossible time, such as 0, means that the time is unknown or that the device was never seen.
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
        """Sort the devices by id, and their places by address."""
        bits = max(1, len(self._ids).bit_length() - 1)  # so that a slot has one or two devices
        self._shift = 64 - bits
        self._first_ids, order = _ordered(self._ids, bits)
        self._ids = _arranged(self._ids, order)
        self._ids.extend((_MASK, _MASK))  # so that `of` can read two ids beyond the last device
        self._addresses = _arranged(self._addresses, order)
        self._times = _arranged(self._times, order)
        del order
        self._first_places, self._places = _ordered(self._addresses, bits)
        self._mark_shared()

    def _mark_shared(self) -> None:
        """Mark the devices with the same address but different ids."""
        for start, end in pairwise(self._first_places):
            together = self._places[start:end]
            if len(together) == 1 and self._ids[together[0]] & _HASH:
                continue  # true for most devices
            keys: dict[int, set[int]] = {}
            for place in together:
                keys.setdefault(self._addresses[place], set()).add(self._ids[place] & _HASH)
            for place in together:
                of_address = keys[self._addresses[place]]
                if len(of_address) > 1 or 0 in of_address:
                    self._ids[place] |= _IS_SHARED

    def of(self, users: Iterable[Named], enough: float = float("inf")) -> list[tuple[int, Seen]]:
        """Return, for each user, when a device was last seen (in `half_seconds`) and the facts about the devices.

        The time 0 means never. If a device was seen at `enough` or later, the search stops, so the facts may be
        incomplete. This function uses most of the CPU time of a poll, so it is fast for users with one device that was
        seen recently.
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
        """Continue the search of `of` for one user, by these ids and the e-mail address.

        `known` is the result so far: the last time, the flags, and the place of a device of the user. The place is -1
        if there is no device, or if its address also occurs with another id.
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
    """Convert a time in seconds since the epoch to half seconds since 2000; 0 for an impossible time.

    An odd number means any fraction of a second. So a time with a fraction stays later than the whole second before it.
    """
    if not _BEGINNING < time < _END:
        return 0
    whole = int(time)
    return 2 * (whole - _BEGINNING) + (time > whole)


def seconds(half_seconds: int) -> float:
    """Convert half seconds since 2000 to seconds since the epoch."""
    return half_seconds / 2 + _BEGINNING


def _address(email: str | None) -> int:
    """Return the key of an e-mail address, ignoring upper and lower case; 0 for a missing address."""
    return hash(email.casefold()) & _MASK if email else 0


def _ordered(keys: "array[int]", bits: int) -> "tuple[array[int], array[int]]":
    """Sort keys. Return the place of the first key in each slot, and the index in `keys` of the key at each place.

    This is a counting sort by the highest bits (https://en.wikipedia.org/wiki/Counting_sort). It then sorts each slot.
    """
    shift = 64 - bits
    first = array("I", bytes(4 * ((1 << bits) + 2)))
    for key in keys:
        first[(key >> shift) + 2] += 1
    first = array("I", accumulate(first))
    order = array("I", bytes(4 * len(keys)))
    for number, key in enumerate(keys):
        slot = (key >> shift) + 1  # first[slot] is the next free place for the key; in the end, the next slot's start
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
