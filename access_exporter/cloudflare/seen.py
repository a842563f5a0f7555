"""Which rows of a list were seen, so that each is counted once."""

from access_exporter.cloudflare.pages import Row


class Seen:
    """Which rows were seen, by the hash of their id: half the memory, and two of a million have one 1 in 10^7 times."""

    def __init__(self) -> None:
        """No row was seen yet."""
        self._keys: set[int] = set()

    def new(self, rows: list[Row]) -> list[Row]:
        """Return the rows that were not seen before, and see them; a row without an id is always new."""
        keys = [hash(row.id) for row in rows]
        if self._keys.isdisjoint(keys):  # as on nearly every page
            before = len(self._keys)
            self._keys.update(keys)
            if len(self._keys) - before == len(rows):
                return rows
            self._keys.difference_update(keys)  # an id stands there twice
        return [row for row in rows if not row.id or self._is_new(hash(row.id))]

    def lacks(self, rows: list[Row]) -> bool:
        """Tell whether any of these rows was not seen before."""
        return any(not row.id or hash(row.id) not in self._keys for row in rows)

    def _is_new(self, key: int) -> bool:
        if key in self._keys:
            return False
        self._keys.add(key)
        return True
