"""What is known of each list of an account from earlier walks over it."""

from collections.abc import Sequence

from access_exporter.cloudflare.contradictions import Doubts

_MOST_LISTS = 1000


class KnownList:
    """The doubts of the last walk over a list, and the pages of one that listed no row twice, as `Seen` has them."""

    def __init__(self) -> None:
        """Know nothing."""
        self.doubts = Doubts()
        self.pages: Sequence[int] = ()


class KnownLists:
    """The lists by their paths."""

    def __init__(self) -> None:
        """Know no list yet."""
        self._lists: dict[str, KnownList] = {}

    def of(self, path: str) -> KnownList:
        """Return what is known of a list. Too many lists are all forgotten, such as those of old policy tests."""
        if len(self._lists) >= _MOST_LISTS:
            self._lists.clear()
        return self._lists.setdefault(path, KnownList())
