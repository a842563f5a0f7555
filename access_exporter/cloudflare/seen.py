"""Remembers the rows of a list, so that the exporter counts each row once."""

from array import array
from collections.abc import Sequence
from itertools import islice, repeat

from access_exporter.cloudflare.pages import Row


class Seen:
    """Remembers rows by the hash of their id, which takes half the memory of the ids.

    In a list of a million rows, the probability that two ids have the same hash is 1 in 10^7.

    To look up every row takes a quarter of the CPU time of a poll. The lookup is not needed while each page has the
    same ids as in an earlier walk without duplicate rows. `pages` has one hash for each page, over the ids of its rows.
    `has_repeats` is True if there was a duplicate row.
    """

    def __init__(self, earlier: Sequence[int] = ()) -> None:
        """Start without rows; `earlier` are the `pages` of a walk without duplicate rows."""
        self.pages: list[int] = []
        self.has_repeats = False
        self._earlier = earlier
        self._pending: list[array[int]] = []  # the ids of pages that equal those of the earlier walk
        self._keys: dict[int, None] = {}  # in the order of the list; the values are unused

    def new(self, rows: list[Row], hashes: "array[int]") -> list[Row]:
        """Return the new rows and remember them. A row without an id is always new."""
        self.pages.append(hash(hashes.tobytes()))
        if self._is_as_earlier():
            self._pending.append(hashes)
            return rows
        self._look_up()
        before = len(self._keys)
        self._keys.update(zip(hashes, repeat(None)))
        added = len(self._keys) - before
        if added == len(rows):  # true for nearly every page
            return rows
        left = set(islice(reversed(self._keys), added))
        new = [row for row in rows if not row.id or _take(hash(row.id), left)]
        self.has_repeats |= len(new) < len(rows)
        return new

    def lacks(self, rows: list[Row]) -> bool:
        """Return whether any of these rows is new."""
        self._look_up()
        return any(not row.id or hash(row.id) not in self._keys for row in rows)

    def _is_as_earlier(self) -> bool:
        """Return whether all pages so far equal those of the earlier walk."""
        number = len(self.pages)
        return not self._keys and number <= len(self._earlier) and self.pages[-1] == self._earlier[number - 1]

    def _look_up(self) -> None:
        while self._pending:
            self._keys.update(dict.fromkeys(self._pending.pop()))


def _take(key: int, keys: set[int]) -> bool:
    if key not in keys:
        return False
    keys.remove(key)
    return True
