"""When a device of each user was last seen, without saying who: twelve bytes for each id or e-mail address.

Ids and addresses are kept as 64-bit hashes with a key that only this process has, so nothing personal can be read from
them or stored. Two of two million names share a hash with a chance of 1 in 10^7.
"""

from array import array
from bisect import bisect_left

_BUCKETS = 256
_BUCKET_SHIFT = 64 - 8
_MASK = (1 << 64) - 1
_LATEST = (1 << 32) - 1  # seconds since the epoch that fit: the year 2106


class LastSeen:
    """Times by name: `add` them all, then `finish`, then ask `of`."""

    def __init__(self) -> None:
        """Know of nobody."""
        self._keys = [array("Q") for _ in range(_BUCKETS)]
        self._times = [array("I") for _ in range(_BUCKETS)]

    def add(self, name: str | None, seen: float) -> None:
        """Note that a device was seen, in seconds since the epoch; a name that is missing or empty is left out."""
        if name and 0 < seen <= _LATEST:
            key = hash(name) & _MASK
            self._keys[key >> _BUCKET_SHIFT].append(key)
            self._times[key >> _BUCKET_SHIFT].append(int(seen))

    def finish(self) -> None:
        """Sort the names, a bucket at a time, and keep the latest time of each."""
        for number, (keys, times) in enumerate(zip(self._keys, self._times, strict=True)):
            latest = dict(sorted(zip(keys, times, strict=True)))  # of equal keys the last one, with the latest time
            self._keys[number] = array("Q", latest)
            self._times[number] = array("I", latest.values())

    def of(self, *names: str | None) -> int:
        """Return the latest time of these names, in seconds since the epoch; 0 where none of them is known."""
        latest = 0
        for name in names:
            if name:
                key = hash(name) & _MASK
                keys = self._keys[key >> _BUCKET_SHIFT]
                place = bisect_left(keys, key)
                if place < len(keys) and keys[place] == key:
                    latest = max(latest, self._times[key >> _BUCKET_SHIFT][place])
        return latest


def same_address(email: str | None) -> str | None:
    """Return an e-mail address so that two that differ only in case are the same."""
    return email.casefold() if email else None
