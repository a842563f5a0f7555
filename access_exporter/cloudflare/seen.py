"""Which rows of a list were seen, so that each is counted once."""

from itertools import islice, repeat

from access_exporter.cloudflare.pages import Row


class Seen:
    """Which rows were seen, by the hash of their id: half the memory, and two of a million have one 1 in 10^7 times."""

    def __init__(self) -> None:
        """No row was seen yet."""
        self._keys: dict[int, None] = {}  # in the order in which they were seen

    def new(self, rows: list[Row]) -> list[Row]:
        """Return the rows that were not seen before, and see them; a row without an id is always new."""
        before = len(self._keys)
        self._keys.update(zip([hash(row.id) for row in rows], repeat(None)))
        added = len(self._keys) - before
        if added == len(rows):  # as on nearly every page
            return rows
        new = set(islice(reversed(self._keys), added))
        return [row for row in rows if not row.id or _take(hash(row.id), new)]

    def lacks(self, rows: list[Row]) -> bool:
        """Tell whether any of these rows was not seen before."""
        return any(not row.id or hash(row.id) not in self._keys for row in rows)


def _take(key: int, keys: set[int]) -> bool:
    if key not in keys:
        return False
    keys.remove(key)
    return True
