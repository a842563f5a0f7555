"""Remembers, for each list, what the last walk over it found."""

from collections.abc import Sequence

from access_exporter.cloudflare.contradictions import Doubts

_MOST_LISTS = 1000


class KnownList:
    """The doubts of the last walk over a list, and the `Seen.pages` of the last walk without duplicate rows."""

    def __init__(self) -> None:
        """Start without doubts and without pages."""
        self.doubts = Doubts()
        self.pages: Sequence[int] = ()


class KnownLists:
    """The known lists, by path."""

    def __init__(self) -> None:
        """Start without lists."""
        self._lists: dict[str, KnownList] = {}

    def of(self, path: str) -> KnownList:
        """Return the known list of a path. If there are too many lists, forget all: most belong to old policy tests."""
        if len(self._lists) >= _MOST_LISTS:
            self._lists.clear()
        return self._lists.setdefault(path, KnownList())
