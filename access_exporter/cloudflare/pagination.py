"""Finds the end of a list even if the server states a wrong length, and returns each row once.

`result_info` may be missing or wrong, or contradict itself. Pages may be smaller than requested. Rows may repeat if the
list changed between two pages. The rules:

The end. A list ends at an empty page. It also ends at a page that is not full, if the totals agree with each other,
with the number of the page and with the number of rows. A full page never ends a list, not even if the totals say that
it is the last: totals may be cached or capped, so the walk requests one more page. The walk never drops a row that it
fetched. Pages that were fetched ahead are part of the list, even if the totals disagree.

`null`. A result of `null` with `success: true` is an empty page if the totals say 0, if all rows that the totals count
were listed, or if the API states no totals for the list. Otherwise it is a contradiction. On a first page without
totals, it is an error.

A refusal (4xx). A refused page counts as an empty page if the pages before it had as many rows as the list should have.
In a list with totals, a refused credential is an error.

Errors. A first page without rows is an error if anything suggests that the list has rows. A list is also an error if it
repeats itself, if it does not end, or if its pages become larger.

Contradictions. A contradiction fails the walk once. If the next walk over the same list finds the same contradiction,
it returns the rows, so that the metrics do not freeze. `Found` then says that the totals contradict the rows. These are
contradictions:
- The totals count more rows than were listed, and the difference is larger than in the last walk. The walk checks this
  only if the last walk found the totals right, or known to be wrong. The first walk cannot know whether they are right.
- The list is shorter than in the last walk, and the totals that it had are missing.
- A page has no rows, but a later page has some.
- A page has the number of another page, and the page numbers were right in the last walk. If pages count from 0, or
  all have the same number, that is not a contradiction.

If the total was right in the last walk and falls between two pages, the walk reads the earlier page again, because a
row may have moved there.
"""

from collections.abc import Iterator
from typing import Generic

from access_exporter.cloudflare.contradictions import (
    NOTHING_FOUND,
    Doubt,
    Found,
    PageNumbers,
    Totals,
)
from access_exporter.cloudflare.known_lists import KnownList
from access_exporter.cloudflare.pages import Ahead, HasId, Page, PageInfo, Pages, Row, hashes_of
from access_exporter.cloudflare.seen import Seen
from access_exporter.errors import AuthError, InvalidResponseError, PermissionMissingError, PollError, RetryableError

__all__ = ["NOTHING_FOUND", "Found", "HasId", "Page", "PageInfo", "Row", "Walk"]

MAX_ROWS = 2_000_000
MAX_PAGES = 10_000
# After this many pages in a row without a new row, the walk ends: the server repeats itself.
MAX_REPEATS = 10


class Walk(Generic[Row]):
    """A walk over a list: iterating yields the new rows of each page, and `found` is the result at the end.

    A row without an id is always new. `size` is the size of all responses so far, in bytes.

    The walk fetches up to `concurrency` pages ahead, but only pages that certainly exist by the totals. Until a page
    has stated totals, it fetches the full pages that the walk `before` found.

    Iterating raises what `fetch` raises, and InvalidResponseError for the errors and contradictions above.
    """

    def __init__(
        self,
        pages: Pages[Row],
        page_size: int,
        concurrency: int,
        before: Found,
        known: KnownList | None = None,
        *,
        has_totals: bool = True,
    ) -> None:
        """Start a walk.

        `before` is the result of the last walk. For a list without totals, it says how many rows to expect. `known`
        has the doubts and pages of earlier walks.
        """
        self.found = Found()
        self.size = 0
        self._pages = pages
        self._page_size = page_size
        self._ahead = Ahead(pages, concurrency)
        self._before = before
        self._has_totals = has_totals
        self._known = known or KnownList()
        self._doubted: list[Doubt] = []
        self._seen = Seen(self._known.pages)
        self._totals = Totals(before)
        self._numbers = PageNumbers()
        self._listed = self._repeated = self._invalid_rows = 0

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield the rows of each page that no earlier page had."""
        try:
            yield from self._walk()
        finally:
            self._pages.close()

    def _walk(self) -> Iterator[list[Row]]:
        expected = self._before.rows // self._page_size
        self._ahead.fetch(1, expected)
        last: list[Row] = []
        repeats, size = 0, None
        for number in range(1, MAX_PAGES + 1):
            page = self._page(number)
            self.size += page.size
            self._ahead.fetch(number + 1, page.last_page(otherwise=expected))
            self._check(page, number)
            size = size or page.info.per_page
            if size and (page.info.per_page or 0) > size:  # the larger page begins later in the list: rows were skipped
                raise InvalidResponseError(f"page {number} is larger than the pages before it")
            fresh = self._new(page, last)
            last = page.rows
            if self._totals.have_fallen_to(page):
                fresh = fresh + self._moved_to(number - 1)
            self._listed += len(fresh)
            repeats = 0 if fresh else repeats + 1
            if self._listed > MAX_ROWS:
                break
            yield fresh
            if self._is_last(page, number) or self._only_repeats(page, repeats):
                self._finish()
                return
        raise InvalidResponseError(f"the list did not end after {number} pages with {self._listed} rows")

    def _page(self, number: int) -> Page[Row]:
        """Return a page; an empty page if the API refuses it beyond the end of the list. Raises PollError."""
        try:
            page = self._ahead.page(number)
        except PollError as failure:
            if number == 1 or not self._is_refused_beyond_the_end(failure):
                raise
            return Page([], PageInfo())
        self._numbers.note(number, page.info.page)
        self._invalid_rows += page.invalid_rows
        return page

    def _is_refused_beyond_the_end(self, failure: PollError) -> bool:
        is_refusal = 400 <= (failure.status or 0) < 500 and not isinstance(failure, RetryableError)
        if self._has_totals and isinstance(failure, AuthError | PermissionMissingError):
            return False
        return is_refusal and 0 < self._expected <= self._listed

    @property
    def _expected(self) -> int:
        """The expected number of rows in the list; 0 if it is unknown."""
        return self._totals.announced or (0 if self._has_totals else self._before.rows)

    def _check(self, page: Page[Row], number: int) -> None:
        """Raise InvalidResponseError if the first page has no rows although the list must have some."""
        if page.rows or number > 1:
            return
        if page.info.suggests_rows:
            raise InvalidResponseError(f"the list has no rows, and its total is {page.info.total_count}")
        if page.is_null and self._has_totals and page.info.total_count is None:
            raise InvalidResponseError("page 1 has no result and no total")

    def _new(self, page: Page[Row], before: list[Row]) -> list[Row]:
        """Return the rows that no earlier page had."""
        if _is_repeated(page.rows, before):
            return []
        fresh = self._seen.new(page.rows, page.hashes)
        self._repeated += len(page.rows) - len(fresh)
        return fresh

    def _is_last(self, page: Page[Row], number: int) -> bool:
        if page.is_full:
            return False  # totals may be cached or capped, so one more request looks for the end
        if page.rows:
            agrees = page.agrees_with(self._listed) and page.info.total_pages == number
            return agrees and not self._ahead.has(self._seen.lacks)
        missing = self._expected - self._listed
        if page.is_null and self._has_totals and missing > 0:
            words = f"page {number} has no result, and {missing} rows are missing"
            self._doubted.append(Doubt(f"page {number} is null", missing, words))
        if max(self._expected, self._before.rows) > self._listed:
            self._ahead.look(number + 1)
        if not self._ahead.has(self._seen.lacks):
            return True
        words = f"page {number} has no rows, and a later page has some"
        self._doubted.append(Doubt(f"page {number} is empty", 0, words))
        return False

    def _finish(self) -> None:
        """Set `found`; raises InvalidResponseError for a contradiction that the last walk did not find."""
        doubts = [*self._doubted, *self._totals.doubts(self._listed)]
        if self._before.numbers_were_right:
            doubts += self._numbers.doubts()
        self._known.doubts.settle(doubts, self._listed)
        if not self._seen.has_repeats:
            self._known.pages = self._seen.pages
        self.found = self._totals.found(
            self._listed,
            self._repeated,
            numbers_were_right=self._numbers.are_right,
            invalid_rows=self._invalid_rows,
        )

    def _moved_to(self, number: int) -> list[Row]:
        """Read a page again, and return the rows that moved there since."""
        rows = [row for row in self._pages.fetch(number).rows if row.id]
        return self._seen.new(rows, hashes_of(rows))

    def _only_repeats(self, page: Page[Row], repeats: int) -> bool:
        """Return whether the server sends the same rows for every page, because all rows fit on one page.

        Raises InvalidResponseError if it sends the same rows although the list must have more.
        """
        if repeats < MAX_REPEATS:
            return False
        is_full = page.is_full or len(page.rows) >= self._page_size
        if (is_full or self._listed < (page.info.total_count or 0)) and not page.agrees_with(self._listed):
            raise InvalidResponseError(f"the list repeats itself: {MAX_REPEATS} pages in a row had no new rows")
        return True


def _is_repeated(rows: list[Row], before: list[Row]) -> bool:
    """Return whether the server sent the page before again. Then its rows without an id are not new either."""
    return rows == before and any(row.id for row in rows)
