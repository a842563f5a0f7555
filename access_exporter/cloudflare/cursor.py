"""Lists with cursor pagination: each page has the cursor of the next one.

Such a list ends with an empty or repeated cursor, or with a page without rows. A list that does not end is an error.
A list that has new cursors but no new rows is an error, too.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import quote

from access_exporter.cloudflare.contradictions import Doubt, Doubts
from access_exporter.cloudflare.pagination import MAX_PAGES, MAX_REPEATS, MAX_ROWS, HasId, PageInfo
from access_exporter.errors import AuthError, InvalidResponseError, PollError

Row = TypeVar("Row", bound=HasId)

SMALLER_PAGES = (100, 50, 20)
MAX_CURSOR_LENGTH = 4096  # a cursor becomes part of a URL
_BUCKET_BITS = 12
_BUCKET_SHIFT = 64 - _BUCKET_BITS
_MASK = (1 << 64) - 1


class CursorPage(NamedTuple, Generic[Row]):
    """One page of a list. `cursor` requests the next page, and is empty on the last page.

    `total` is often missing. `is_null` is True if the result was `null`.
    """

    rows: list[Row]
    cursor: str
    total: int | None = None
    is_null: bool = False

    @classmethod
    def of(cls, rows: list[Row] | None, result_info: object) -> "CursorPage[Row]":
        """Return a page with these rows and the values of a decoded `result_info`, which may have any type.

        `rows` is None if the result was `null`. Raises InvalidResponseError for a cursor that is too long for a URL.
        """
        cursor = result_info.get("cursor") if isinstance(result_info, dict) else None
        if isinstance(cursor, str) and len(cursor) > MAX_CURSOR_LENGTH:
            raise InvalidResponseError(f"the next page has a cursor of {len(cursor)} characters")
        known_cursor, total = cursor if isinstance(cursor, str) else "", PageInfo.of(result_info).total_count
        return cls(rows or [], known_cursor, total, rows is None)


class CursorPages(Generic[Row]):
    """Requests the pages of a list. The end of a query selects the page: for example, `per_page=1000&cursor=x`.

    Cloudflare does not document the largest page. If it refuses the first page, the exporter requests smaller pages.
    """

    def __init__(self, ask: Callable[[str], CursorPage[Row]], page_size: int) -> None:
        """`ask` requests a page with the end of a query, and raises PollError."""
        self._ask = ask
        self._sizes = [page_size, *(size for size in SMALLER_PAGES if size < page_size)]

    @property
    def size(self) -> int:
        """The most rows that a page can have."""
        return self._sizes[0]

    def fetch(self, cursor: str) -> CursorPage[Row]:
        """Return the page at a cursor. An empty cursor means the first page. Raises PollError."""
        after = f"&cursor={quote(cursor, safe='')}" if cursor else ""
        while True:
            try:
                return self._ask(f"per_page={self._sizes[0]}{after}")
            except PollError as refused:
                may_be_too_large = refused.status == 400 and not isinstance(refused, AuthError)
                if not may_be_too_large or cursor or len(self._sizes) == 1:
                    raise
                del self._sizes[0]


class CursorWalk(Generic[Row]):
    """A walk over a list: iterating yields the new rows of each page. A row without an id is always new.

    Iterating raises what `fetch` raises. It raises InvalidResponseError if the list does not end, or if it ends with a
    cursor before all rows of the total were listed.

    Without a total, a list may be truncated if its last page is `null`. It may also be truncated if it became shorter
    and its last page is empty or full. Such a list fails one walk. If the next walk finds the same, it succeeds.
    """

    def __init__(self, pages: CursorPages[Row], doubts: Doubts | None = None, before: int = 0) -> None:
        """`doubts` are the doubts of the last walk, which listed `before` rows."""
        self._pages = pages
        self._doubts = doubts or Doubts()
        self._before = before

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield the new rows of each page."""
        cursor, listed, repeats = "", 0, 0
        cursors: set[int] = set()
        ids = _Ids()
        for _ in range(MAX_PAGES):
            page = self._pages.fetch(cursor)
            fresh = ids.new(page.rows)
            listed += len(fresh)
            repeats = 0 if fresh else repeats + 1
            if listed > MAX_ROWS:
                break
            yield fresh
            cursor = page.cursor
            if not cursor:
                self._check_end(page, listed)
                return
            if not page.rows or hash(cursor) in cursors:
                if listed < (page.total or 0):
                    raise InvalidResponseError(f"the list ended after {listed} rows, and total_count says {page.total}")
                return
            if repeats == MAX_REPEATS:
                raise InvalidResponseError(f"the list repeats itself: {repeats} pages in a row had no new rows")
            cursors.add(hash(cursor))
        raise InvalidResponseError(f"the list did not end after {len(cursors)} pages with {listed} rows")

    def _check_end(self, page: CursorPage[Row], listed: int) -> None:
        doubts = []
        may_be_cut = not 0 < len(page.rows) < self._pages.size and listed < self._before
        if page.total is None and (page.is_null or may_be_cut):
            words = f"the end of the list has no total: {listed} rows now, {self._before} in the last poll"
            doubts.append(Doubt("no total", listed, words))
        self._doubts.settle(doubts, listed)


class _Ids:
    """The hashes of the ids seen. They take ten bytes each; a set of ids takes eighty bytes each."""

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]

    def new(self, rows: list[Row]) -> list[Row]:
        """Return the new rows and remember them. A row without an id is always new."""
        fresh = []
        for row in rows:
            if row.id:
                key = hash(row.id) & _MASK
                bucket = self._buckets[key >> _BUCKET_SHIFT]
                place = bisect_left(bucket, key)
                if place < len(bucket) and bucket[place] == key:
                    continue
                bucket.insert(place, key)
            fresh.append(row)
        return fresh
