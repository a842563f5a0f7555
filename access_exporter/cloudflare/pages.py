"""One page of a list, its `result_info`, and pages that the exporter fetches ahead."""

from array import array
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

import msgspec

from access_exporter.errors import PollError

_MOST = 2**63 - 1  # a larger number is not a number of rows


class HasId(Protocol):
    """A row of a list."""

    id: str | None


Row = TypeVar("Row", bound=HasId)


def hashes_of(rows: Iterable[HasId]) -> "array[int]":
    """Return the hashes of the ids of rows."""
    return array("q", [hash(row.id) for row in rows])


class PageInfo(msgspec.Struct, frozen=True):
    """The values of `result_info`; None for a value that is not a whole number.

    `hints` counts the totals that are not whole numbers but still suggest that the list has rows.
    """

    page: int | None = None
    per_page: int | None = None
    total_count: int | None = None
    total_pages: int | None = None
    count: int | None = None
    hints: int = 0

    @classmethod
    def of(cls, result_info: object) -> "PageInfo":
        """Read a decoded `result_info` of any type."""
        if not isinstance(result_info, dict):
            return cls()
        names = ("page", "per_page", "total_count", "total_pages", "count")
        whole = {name: _whole(result_info.get(name)) for name in names}
        hints = sum(_hints(result_info.get(name)) for name in ("total_count", "total_pages", "count"))
        return cls(**whole, hints=hints)

    @property
    def is_consistent(self) -> bool:
        """Whether all totals are present and agree with each other."""
        if self.per_page is None or self.total_count is None or self.total_pages is None:
            return False
        return self.per_page > 0 and self.total_pages == -(-self.total_count // self.per_page)

    @property
    def suggests_rows(self) -> bool:
        """Whether any value suggests that the list has rows. One page is no hint: an empty list may have one."""
        pages_of_nothing = 1 if self.total_count == 0 else 0
        return bool(self.hints or self.total_count or self.count or (self.total_pages or 0) > pages_of_nothing)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _MOST or value != value // 1:
        return None
    return int(value)


def _hints(value: object) -> bool:
    if _whole(value) is not None or isinstance(value, bool):
        return False
    return value > 0 if isinstance(value, int | float) else isinstance(value, str) and value.strip("0") != ""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list.

    `is_null` is True if the result was `null`. `invalid_rows` counts rows with a field that could not be read. `size`
    is the size of the response in bytes. The page hashes the ids at once. Right after decoding, that takes a third of
    the time that it takes later.
    """

    rows: list[Row]
    info: PageInfo
    is_null: bool = False
    invalid_rows: int = 0
    size: int = 0
    hashes: "array[int]" = field(init=False)

    def __post_init__(self) -> None:
        """Hash the ids."""
        object.__setattr__(self, "hashes", hashes_of(self.rows))  # a frozen dataclass allows no other way

    @property
    def is_full(self) -> bool:
        """Whether the page has as many rows as the server says a full page has."""
        return 0 < (self.info.per_page or 0) <= len(self.rows)

    def last_page(self, otherwise: float) -> float:
        """Return the number of the last page that certainly exists; `otherwise` if the totals do not say."""
        if not self.info.is_consistent:
            return otherwise
        return self.info.total_pages or 0 if self.is_full else 0

    @property
    def total(self) -> int | None:
        """The number of rows in the whole list; None if the totals are not consistent."""
        return self.info.total_count if self.info.is_consistent else None

    def agrees_with(self, listed: int) -> bool:
        """Return whether the totals are consistent and equal the number of rows so far."""
        return self.total == listed


class Pages(Protocol[Row]):
    """The pages of a list, counted from 1."""

    def fetch(self, number: int) -> Page[Row]:
        """Return a page; raises PollError."""

    def start(self, number: int) -> Future[Page[Row]]:
        """Fetch a page in the background."""

    def close(self) -> None:
        """Stop fetching, because the walk is over."""


class Ahead(Generic[Row]):
    """Returns the pages of a list in order, and fetches some of them ahead."""

    def __init__(self, pages: Pages[Row], concurrency: int) -> None:
        """Keep at most `concurrency` pages that are fetched ahead."""
        self._pages = pages
        self._concurrency = concurrency
        self._fetched: deque[Future[Page[Row]]] = deque()

    def fetch(self, first: int, last: float) -> None:
        """Start to fetch the pages from `first`, the next page, to `last`; at most `concurrency` pages at once."""
        while len(self._fetched) < self._concurrency and first + len(self._fetched) <= last:
            self._fetched.append(self._pages.start(first + len(self._fetched)))

    def page(self, number: int) -> Page[Row]:
        """Return the next page; raises PollError."""
        return self._fetched.popleft().result() if self._fetched else self._pages.fetch(number)

    def look(self, number: int) -> None:
        """Fetch the next page now, unless it was fetched ahead."""
        if self._fetched:
            return
        found: Future[Page[Row]] = Future()
        try:
            found.set_result(self._pages.fetch(number))
        except PollError as failure:
            found.set_exception(failure)
        self._fetched.append(found)

    def has(self, wanted: Callable[[list[Row]], bool]) -> bool:
        """Return whether `wanted` accepts the rows of any page fetched ahead. Pages that failed are ignored."""
        return any(page.exception() is None and wanted(page.result().rows) for page in self._fetched)
