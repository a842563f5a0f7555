"""The end of a list, found whatever the server says about its length, and each row given out once.

`result_info` may be missing, wrong or contradict itself, the page size may be smaller than asked for, and rows may
repeat where the list changed between two pages. So a list ends on an empty page, or where totals say so that agree
with each other, with the number of the page and with every row seen. A single full page is never taken for the end.

Totals that were right the last time are believed: then rows that are missing fail the walk, and where the total falls
between two pages, the row that moved to the page before is looked for there.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import msgspec

from access_exporter.errors import InvalidResponseError, PollError

MAX_ROWS = 2_000_000
MAX_PAGES = 10_000
# So many pages in a row without a new row, and the server is taken to repeat itself.
MAX_REPEATS = 10


class HasId(Protocol):
    """A row of a list."""

    id: str | None


Row = TypeVar("Row", bound=HasId)


class PageInfo(msgspec.Struct, frozen=True):
    """What `result_info` says, with everything that is not a whole number left out."""

    page: int | None = None
    per_page: int | None = None
    total_count: int | None = None
    total_pages: int | None = None

    @classmethod
    def of(cls, result_info: object) -> "PageInfo":
        """Read the decoded `result_info`, whatever it is."""
        if not isinstance(result_info, dict):
            return cls()
        return cls(**{name: _whole(result_info.get(name)) for name in cls.__struct_fields__})

    @property
    def is_consistent(self) -> bool:
        """Whether the totals are all there and agree with each other."""
        if self.per_page is None or self.total_count is None or self.total_pages is None:
            return False
        return self.per_page > 0 and self.total_pages == -(-self.total_count // self.per_page)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != value // 1:
        return None
    return int(value)


@dataclass(frozen=True)
class Page(Generic[Row]):
    """One page of a list."""

    rows: list[Row]
    info: PageInfo

    @property
    def is_full(self) -> bool:
        """Whether the page is as long as the server says a full one is."""
        return 0 < (self.info.per_page or 0) <= len(self.rows)

    def last_page(self, otherwise: float) -> float:
        """Return the number of the last page that is surely there as far as this one tells, if it tells anything."""
        if not self.info.is_consistent:
            return otherwise
        return self.info.total_pages or 0 if self.is_full else 0

    @property
    def total(self) -> int | None:
        """The number of rows in the whole list, where the totals are consistent."""
        return self.info.total_count if self.info.is_consistent else None

    def agrees_with(self, listed: int) -> bool:
        """Whether the totals are consistent and count exactly as many rows as were seen."""
        return self.total == listed


class Found(NamedTuple):
    """What a walk found: how many rows, and whether the totals of the list counted exactly as many."""

    rows: int = 0
    totals_agreed: bool = False


NOTHING_FOUND = Found()


class Pages(Protocol[Row]):
    """The pages of a list, counted from 1."""

    def fetch(self, number: int) -> Page[Row]:
        """Return a page; raises PollError."""

    def start(self, number: int) -> Future[Page[Row]]:
        """Fetch a page in the background."""

    def close(self) -> None:
        """Fetch no more: the walk is over."""


class Walk(Generic[Row]):
    """A walk over a list: iterating yields the new rows of each page, and `found` is what came of it.

    A row without an id is always new. Up to `concurrency` pages are fetched ahead, and only pages that are surely
    there: as the totals say, and before there are any, the full pages of as many rows as the walk `before` found.
    Iterating raises what `fetch` raises, and InvalidResponseError for a list that does not end or lacks rows.
    """

    def __init__(self, pages: Pages[Row], page_size: int, concurrency: int, before: Found) -> None:
        """Fetch nothing yet."""
        self.found = Found()
        self._pages = pages
        self._page_size = page_size
        self._concurrency = concurrency
        self._before = before
        self._seen = _Seen()
        self._totals = _Totals(were_right=before.totals_agreed)
        self._listed = 0

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield the rows of each page that were on none before it."""
        try:
            yield from self._walk(_Ahead(self._pages, self._concurrency))
        finally:
            self._pages.close()

    def _walk(self, ahead: "_Ahead[Row]") -> Iterator[list[Row]]:
        expected = self._before.rows // self._page_size
        ahead.fetch(1, expected)
        last: list[Row] = []
        repeats, size = 0, None
        for number in range(1, MAX_PAGES + 1):
            page = ahead.page(number)
            ahead.fetch(number + 1, page.last_page(otherwise=expected))
            self._check(page, number, ahead)
            size = size or page.info.per_page
            if size and (page.info.per_page or 0) > size:  # of the numbers, so that rows between them were passed over
                raise InvalidResponseError(f"page {number} is larger than the pages before it")
            fresh = [] if _is_repeated(page.rows, last) else self._seen.new(page.rows)
            last = page.rows
            if self._totals.have_fallen_to(page.total):
                fresh = fresh + self._moved_to(number - 1)
            self._listed += len(fresh)
            repeats = 0 if fresh else repeats + 1
            if self._listed > MAX_ROWS:
                break
            yield fresh
            if _is_last(page, number, self._listed) or self._only_repeats(page, repeats):
                self.found = Found(self._listed, self._totals.are_right(self._listed))
                return
        raise InvalidResponseError(f"the list did not end after {number} pages with {self._listed} rows")

    def _check(self, page: Page[Row], number: int, ahead: "_Ahead[Row]") -> None:
        """Raise InvalidResponseError for a page that cannot be the one that was asked for, or cannot be the last."""
        if self._before.totals_agreed and page.info.page not in (None, number):
            raise InvalidResponseError(f"requested page {number}, got page {page.info.page}")
        if number == 1 and not page.rows and page.total:
            raise InvalidResponseError(f"the list has no rows, and its total is {page.total}")
        if not page.rows and ahead.has_rows_after(number, look=self._listed < self._before.rows):
            raise InvalidResponseError(f"page {number} has no rows, and one after it has some")

    def _moved_to(self, number: int) -> list[Row]:
        """Return the rows of a page that moved there since it was read."""
        return self._seen.new([row for row in self._pages.fetch(number).rows if row.id])

    def _only_repeats(self, page: Page[Row], repeats: int) -> bool:
        """Tell whether the server gives the same rows for every page, because all of them fit on one.

        Raises InvalidResponseError when it does so although there must be more.
        """
        if repeats < MAX_REPEATS:
            return False
        is_full = page.is_full or len(page.rows) >= self._page_size
        if (is_full or self._listed < (page.info.total_count or 0)) and not page.agrees_with(self._listed):
            raise InvalidResponseError(f"the list repeats itself: {MAX_REPEATS} pages in a row brought nothing new")
        return True


class _Ahead(Generic[Row]):
    """The pages of a list one after the other, of which some are fetched before their turn."""

    def __init__(self, pages: Pages[Row], concurrency: int) -> None:
        self._pages = pages
        self._concurrency = concurrency
        self._fetched: deque[Future[Page[Row]]] = deque()

    def fetch(self, first: int, last: float) -> None:
        """Fetch the pages from the `first`, whose turn is next, to the `last`, as far as there is room."""
        while len(self._fetched) < self._concurrency and first + len(self._fetched) <= last:
            self._fetched.append(self._pages.start(first + len(self._fetched)))

    def page(self, number: int) -> Page[Row]:
        """Return the page whose turn it is; raises PollError."""
        return self._fetched.popleft().result() if self._fetched else self._pages.fetch(number)

    def has_rows_after(self, number: int, *, look: bool) -> bool:
        """Tell whether a page after this one has rows: one fetched ahead, or else the next one, to `look` at."""
        later: list[Callable[[], Page[Row]]] = [page.result for page in self._fetched]
        if not later and look:
            later = [lambda: self._pages.fetch(number + 1)]
        return any(map(_has_rows, later))


def _has_rows(fetch: Callable[[], Page[Row]]) -> bool:
    try:
        return bool(fetch().rows)
    except PollError:  # beyond the end of a list there may be anything
        return False


class _Seen:
    """Which rows were seen, by the hash of their id: half the memory, and two of a million have one 1 in 10^7 times."""

    def __init__(self) -> None:
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

    def _is_new(self, key: int) -> bool:
        if key in self._keys:
            return False
        self._keys.add(key)
        return True


class _Totals:
    """What the pages say of the length of the list, which may change while it is read."""

    def __init__(self, *, were_right: bool) -> None:
        self._were_right = were_right
        self._last: int | None = None
        self._lowest, self._highest = float("inf"), 0

    def have_fallen_to(self, total: int | None) -> bool:
        """Tell whether rows were removed since the page before, so that one may have moved there unseen."""
        if total is None:
            return False
        before, self._last = self._last, total
        self._lowest, self._highest = min(self._lowest, total), max(self._highest, total)
        return self._were_right and before is not None and total < before

    def are_right(self, listed: int) -> bool:
        """Tell whether as many rows were seen; raise InvalidResponseError where those seen are too few to believe."""
        if self._were_right and self._last is not None and listed < self._lowest:
            raise InvalidResponseError(f"{listed} rows of a list of {self._last}, by its total, right until now")
        return self._lowest <= listed <= self._highest


def _is_repeated(rows: list[Row], before: list[Row]) -> bool:
    """Tell whether this is the page before once more, so that its rows without an id are not new either."""
    return rows == before and any(row.id for row in rows)


def _is_last(page: Page[Row], number: int, listed: int) -> bool:
    if not page.rows:
        return True
    if number == 1 and page.is_full:
        return False  # a total that only counts this page would look just like this; one more request tells
    return page.agrees_with(listed) and page.info.total_pages == number
