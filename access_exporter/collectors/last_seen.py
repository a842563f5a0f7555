"""When a device of each user was last seen, without saying who: twelve bytes for each id or e-mail address.

Ids and addresses are kept as hashes with a key that only this process has, so nothing personal can be read from them
or stored. Two of two million names share a hash with a chance of less than 1 in 10^6.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

_IS_DATED, _IS_UNCLEAR, _WAS_EVER = 1, 2, 4  # the lowest bits of a key are flags
_FLAGS = _IS_DATED | _IS_UNCLEAR | _WAS_EVER
_HASH = (1 << 64) - 1 - _FLAGS
_BUCKETS = 256
_BUCKET_SHIFT = 64 - 8
_NAMES_IN_A_SLOT = 8  # on average; fewer would only make the index larger
_MANY_IN_A_BUCKET = 50_000  # of two million users with two names each there are 16,000
_TIME_BITS = 32
_TIME = (1 << _TIME_BITS) - 1
_BEGINNING = 946_684_800  # 2000-01-01, in seconds since the epoch: no device was seen before
_END = _BEGINNING + _TIME // 2  # in the year 2068


class Seen(NamedTuple):
    """What is known of the devices of a user.

    `was_ever` tells whether one was ever seen, `is_dated` whether that is known of an active one, and `is_unclear`
    whether there is one of which nobody can tell when it was seen.
    """

    was_ever: bool = False
    is_dated: bool = False
    is_unclear: bool = False


# By the flags. Made once: each of a million users has one.
_SEEN = [Seen(bool(flags & _WAS_EVER), bool(flags & _IS_DATED), bool(flags & _IS_UNCLEAR)) for flags in range(8)]


class LastSeen:
    """What is known of devices by the names of their users: `add` them all, then `finish`, then ask `of`."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._unsorted = [(array("Q"), array("I")) for _ in range(_BUCKETS)]
        self._keys = array("Q")
        self._times = array("I")  # in half seconds since _BEGINNING: what is compared with them are whole seconds
        self._shift = 0
        self._starts = array("I")  # where the keys begin that have the same highest bits, for each value of those

    def add(self, names: Iterable[str | None], time: float, *, is_active: bool, is_unclear: bool) -> None:
        """Note a device of the user with these names and when it was seen, in seconds since the epoch.

        A time that cannot be one, such as 0, is for a device whose time is not known, or one that was never seen.
        """
        flags = _IS_UNCLEAR if is_unclear else 0
        half_seconds = 0
        if _BEGINNING < time < _END:
            flags |= _WAS_EVER | _IS_DATED if is_active else _WAS_EVER
            whole = int(time)
            half_seconds = 2 * (whole - _BEGINNING) + (time > whole)  # half a second stands for any fraction
        elif is_active:
            flags |= _IS_UNCLEAR
        for name in names:
            if name:
                key = hash(name) & _HASH
                keys, times = self._unsorted[key >> _BUCKET_SHIFT]
                keys.append(key | flags)
                times.append(half_seconds)

    def finish(self) -> None:
        """Sort the names, a bucket at a time, and make an index of them."""
        while self._unsorted:  # from the last on, so that each is given back
            keys, times = self._unsorted.pop(0)
            if len(keys) > _MANY_IN_A_BUCKET:
                keys, times = _latest(keys, times)
            pairs = [key << _TIME_BITS | time for key, time in zip(keys, times, strict=True)]
            pairs.sort()
            self._keys.extend([pair >> _TIME_BITS for pair in pairs])
            self._times.extend([pair & _TIME for pair in pairs])
        bits = max(1, (len(self._keys) // _NAMES_IN_A_SLOT).bit_length())
        self._shift = 64 - bits
        self._starts = array("I", [bisect_left(self._keys, slot << self._shift) for slot in range(1 << bits)])
        self._starts.append(len(self._keys))

    def of(self, names: Iterable[str | None], enough: float = float("inf")) -> tuple[float, Seen]:
        """Return when a device of the user with these names was last seen, and what is known of the devices.

        The time is in seconds since the epoch, in which half a second stands for any fraction; 0 means never. Names are
        tried one after the other until a device was seen as late as `enough`.
        """
        time: float = 0
        flags = 0
        all_keys = self._keys
        for name in names:
            if name:
                key = hash(name) & _HASH
                slot = key >> self._shift
                end = self._starts[slot + 1]
                place = bisect_left(all_keys, key, self._starts[slot], end)
                while place < end and (found := all_keys[place]) & _HASH == key:
                    flags |= found
                    if found & _WAS_EVER:
                        time = max(time, self._times[place] / 2 + _BEGINNING)
                    place += 1
                if time >= enough:
                    break
        return time, _SEEN[flags & _FLAGS]


def _latest(keys: "array[int]", times: "array[int]") -> tuple["array[int]", "array[int]"]:
    """Return each key once, with its latest time: a user may be said to have a million devices."""
    latest: dict[int, int] = {}
    for key, time in zip(keys, times, strict=True):
        latest[key] = max(time, latest.get(key, 0))
    return array("Q", latest.keys()), array("I", latest.values())


def names(user_id: str | None, email: str | None) -> tuple[str | None, str | None]:
    """Return what the user of a device may be known by; two e-mail addresses that differ only in case are the same."""
    return user_id, email.casefold() if email else None
