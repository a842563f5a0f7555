"""The end of a list, found whatever the server says about its length, and each row given out once.

`result_info` may be missing, wrong or contradict itself, the page size may be smaller than asked for, and rows may
repeat where the list changed between two pages. So a list ends on an empty page, or where totals say so that agree
with each other, with the number of the page and with every row seen. A single full page is never taken for the end.

Totals that were right the last time are believed: then rows that are missing fail the walk, and where the total falls
between two pages, the row that moved to the page before is looked for there.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

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
    def of(cls, result_info: Any) -> "PageInfo":
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


def _whole(value: Any) -> int | None:
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


def walk(
    fetch: Callable[[int], Page[Row]],
    start: Callable[[Callable[[int], Page[Row]], int], Future[Page[Row]]],
    page_size: int,
    concurrency: int,
    expected: float = 0,
    *,
    were_right: bool = False,
) -> Generator[list[Row], None, bool]:
    """Yield the new rows of each page up to the end of the list; a row without an id is always new.

    `fetch` answers a page by its number, `start` does so in the background. Up to `concurrency` pages are fetched
    ahead, and only pages that are surely there: as the totals say, and before there are any, the full pages of so many
    rows as are `expected`. `were_right` says whether the totals were right the last time; the same of this time is
    returned. Raises what `fetch` raises, and InvalidResponseError for a list that does not end or lacks rows.
    """
    seen = _Seen()
    ahead: deque[Future[Page[Row]]] = deque()
    before: list[Row] = []
    totals = _Totals(were_right=were_right)
    listed = repeats = 0

    def fetch_ahead(first: int, last: float) -> None:
        while len(ahead) < concurrency and first + len(ahead) <= last:
            ahead.append(start(fetch, first + len(ahead)))

    fetch_ahead(1, expected // page_size)
    size: int | None = None
    for number in range(1, MAX_PAGES + 1):
        page = ahead.popleft().result() if ahead else fetch(number)
        fetch_ahead(number + 1, page.last_page(otherwise=expected // page_size))
        _check_place(page, number, were_right=were_right)
        _check_end(page, number, ahead, fetch if listed < expected else None)
        size = size or page.info.per_page
        if size and (page.info.per_page or 0) > size:  # of the numbers, so that rows between them were passed over
            raise InvalidResponseError(f"page {number} is larger than the pages before it")
        fresh = [] if _is_repeated(page.rows, before) else seen.new(page.rows)
        before = page.rows
        if totals.have_fallen_to(page):
            fresh = [*fresh, *seen.new([row for row in fetch(number - 1).rows if row.id])]
        listed += len(fresh)
        repeats = 0 if fresh else repeats + 1
        if listed > MAX_ROWS:
            break
        yield fresh
        if _is_last(page, number, listed) or _only_repeats(page, repeats, page_size, listed):
            return totals.are_right(listed)
    raise InvalidResponseError(f"the list did not end after {number} pages with {listed} rows")


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

    def have_fallen_to(self, page: Page[Any]) -> bool:
        """Tell whether rows were removed since the page before, so that one may have moved there unseen."""
        if page.total is None:
            return False
        before, self._last = self._last, page.total
        self._lowest, self._highest = min(self._lowest, page.total), max(self._highest, page.total)
        return self._were_right and before is not None and page.total < before

    def are_right(self, listed: int) -> bool:
        """Tell whether as many rows were seen; raise InvalidResponseError where those seen are too few to believe."""
        if self._were_right and self._last is not None and listed < self._lowest:
            raise InvalidResponseError(f"{listed} rows of a list of {self._last}, by its total, right until now")
        return self._lowest <= listed <= self._highest


def _check_place(page: Page[Any], number: int, *, were_right: bool) -> None:
    """Raise InvalidResponseError for a page that cannot be the one that was asked for."""
    if were_right and page.info.page not in (None, number):
        raise InvalidResponseError(f"page {number} says that it is another one")
    if number == 1 and not page.rows and page.total:
        raise InvalidResponseError(f"the list has no rows, and its total is {page.total}")


def _check_end(
    page: Page[Row], number: int, ahead: Iterable[Future[Page[Row]]], fetch: Callable[[int], Page[Row]] | None
) -> None:
    """Raise InvalidResponseError where rows come after a page without any: on those fetched ahead, or the next one."""
    if page.rows:
        return
    later = [page.result for page in ahead]
    if not later and fetch:
        later = [partial(fetch, number + 1)]
    if any(map(_has_rows, later)):
        raise InvalidResponseError(f"page {number} has no rows, and one after it has some")


def _has_rows(fetch: Callable[[], Page[Any]]) -> bool:
    try:
        return bool(fetch().rows)
    except PollError:  # beyond the end of a list there may be anything
        return False


def _is_repeated(rows: list[Row], before: list[Row]) -> bool:
    """Tell whether this is the page before once more, so that its rows without an id are not new either."""
    return rows == before and any(row.id for row in rows)


def _is_last(page: Page[Row], number: int, listed: int) -> bool:
    if not page.rows:
        return True
    if number == 1 and page.is_full:
        return False  # a total that only counts this page would look just like this; one more request tells
    return page.agrees_with(listed) and page.info.total_pages == number


def _only_repeats(page: Page[Row], repeats: int, page_size: int, listed: int) -> bool:
    """Tell whether the server gives the same rows for every page, because all of them fit on one.

    Raises InvalidResponseError when it does so although there must be more.
    """
    if repeats < MAX_REPEATS:
        return False
    is_full = page.is_full or len(page.rows) >= page_size
    if (is_full or listed < (page.info.total_count or 0)) and not page.agrees_with(listed):
        raise InvalidResponseError(f"the list repeats itself: {MAX_REPEATS} pages in a row brought nothing new")
    return True
