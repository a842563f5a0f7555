"""The end of a list, found whatever the server says about its length, and each row given out once.

`result_info` may be missing, wrong or contradict itself, the page size may be smaller than asked for, and rows may
repeat where the list changed between two pages. So a list ends on an empty page, on a page shorter than the page size
that the server itself reports, or where totals that agree with each other and with every row seen say so.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from access_exporter.errors import InvalidResponseError

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
    def honest(self) -> bool:
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


def walk(
    fetch: Callable[[int], Page[Row]],
    start: Callable[[Callable[[int], Page[Row]], int], Future[Page[Row]]],
    page_size: int,
    concurrency: int,
) -> Iterator[list[Row]]:
    """Yield the new rows of each page up to the end of the list; a row without an id is always new.

    `fetch` answers a page by its number, `start` does so in the background. Up to `concurrency` pages are fetched
    ahead, and only pages that are surely there. Raises what `fetch` raises, and InvalidResponseError for a list that
    does not end.
    """
    seen: set[int] = set()
    ahead: deque[Future[Page[Row]]] = deque()
    listed = repeats = 0
    for number in range(1, MAX_PAGES + 1):
        page = ahead.popleft().result() if ahead else fetch(number)
        fresh = _unseen(page.rows, seen)
        listed += len(fresh)
        repeats = 0 if fresh else repeats + 1
        if listed > MAX_ROWS:
            break
        yield fresh
        if _is_last(page, number, listed) or _only_repeats(page, repeats, page_size, listed):
            return
        surely = page.info.total_pages or 0 if page.info.honest and _is_full(page) else 0
        while len(ahead) < concurrency and number + len(ahead) < surely:
            ahead.append(start(fetch, number + len(ahead) + 1))
    raise InvalidResponseError(f"the list did not end after {number} pages with {listed} rows")


def _unseen(rows: list[Row], seen: set[int]) -> list[Row]:
    # The hash of an id takes half the memory of the id. Two of a million ids share one with a chance of 1 in 10^7.
    fresh = []
    for row in rows:
        if row.id:
            key = hash(row.id)
            if key in seen:
                continue
            seen.add(key)
        fresh.append(row)
    return fresh


def _is_full(page: Page[Row]) -> bool:
    return page.info.per_page is not None and len(page.rows) >= page.info.per_page


def _is_last(page: Page[Row], number: int, listed: int) -> bool:
    info = page.info
    if not page.rows:
        return True
    if not info.per_page:
        return False  # nobody says how long a full page is: only an empty one is the end
    if _is_full(page):
        return info.honest and number == info.total_pages and listed == info.total_count
    return info.total_count is None or listed >= info.total_count


def _only_repeats(page: Page[Row], repeats: int, page_size: int, listed: int) -> bool:
    """Tell whether the server gives the same rows for every page, because all of them fit on one.

    Raises InvalidResponseError when it does so although there must be more.
    """
    if repeats < MAX_REPEATS:
        return False
    if len(page.rows) >= page_size or listed < (page.info.total_count or 0):
        raise InvalidResponseError(f"the list repeats itself: {MAX_REPEATS} pages in a row brought nothing new")
    return True
