"""Which rows of a list were seen, so that each is counted once."""

from array import array
from collections.abc import Sequence
from itertools import islice, repeat

from access_exporter.cloudflare.pages import Row


class Seen:
    """Which rows were seen, by the hash of their id: half the memory, and two of a million have one 1 in 10^7 times.

    To look up each row takes a quarter of the CPU time of a poll. It is not needed as long as each page has the ids
    that it had in an earlier walk in which no row came twice. `pages` are the hashes of the ids of each page, and
    `has_repeats` says that a row came twice.
    """

    def __init__(self, earlier: Sequence[int] = ()) -> None:
        """No row was seen yet; `earlier` are the `pages` of a walk in which no row came twice."""
        self.pages: list[int] = []
        self.has_repeats = False
        self._earlier = earlier
        self._pending: list[array[int]] = []  # the pages that are those of the earlier walk
        self._keys: dict[int, None] = {}  # in the order of their first appearance

    def new(self, rows: list[Row], hashes: "array[int]") -> list[Row]:
        """Return the rows that were not seen before, and see them; a row without an id is always new."""
        self.pages.append(hash(hashes.tobytes()))
        if self._is_as_earlier():
            self._pending.append(hashes)
            return rows
        self._look_up()
        before = len(self._keys)
        self._keys.update(zip(hashes, repeat(None)))
        added = len(self._keys) - before
        if added == len(rows):  # as on nearly every page
            return rows
        left = set(islice(reversed(self._keys), added))
        new = [row for row in rows if not row.id or _take(hash(row.id), left)]
        self.has_repeats |= len(new) < len(rows)
        return new

    def lacks(self, rows: list[Row]) -> bool:
        """Return whether any of these rows was not seen before."""
        self._look_up()
        return any(not row.id or hash(row.id) not in self._keys for row in rows)

    def _is_as_earlier(self) -> bool:
        """Return whether all pages so far are those of the earlier walk."""
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
