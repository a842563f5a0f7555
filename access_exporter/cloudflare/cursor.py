"""Lists whose pages are asked for by a cursor: each page says where the next one begins.

Such a list ends with an empty or repeated cursor, or with a page without rows. A list without an end is an error.
"""

from collections.abc import Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from access_exporter.cloudflare.pagination import MAX_PAGES, MAX_ROWS, HasId
from access_exporter.errors import InvalidResponseError

Row = TypeVar("Row", bound=HasId)


class CursorPage(NamedTuple, Generic[Row]):
    """One page of a list; `cursor` asks for the next page, and is empty on the last."""

    rows: list[Row]
    cursor: str

    @staticmethod
    def cursor_of(result_info: object) -> str:
        """Return the cursor of a decoded `result_info`, whatever it is; empty where there is none."""
        cursor = result_info.get("cursor") if isinstance(result_info, dict) else None
        return cursor if isinstance(cursor, str) else ""


class CursorPages(Protocol[Row]):
    """The pages of a list."""

    def fetch(self, cursor: str) -> CursorPage[Row]:
        """Return the page at a cursor, which is empty for the first; raises PollError."""


class CursorWalk(Generic[Row]):
    """A walk over a list: iterating yields the rows of each page that were on none before.

    A row without an id is always new. Iterating raises what `fetch` raises, and InvalidResponseError for a list that
    does not end.
    """

    def __init__(self, pages: CursorPages[Row]) -> None:
        """Fetch nothing yet."""
        self._pages = pages

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield the new rows of each page."""
        cursor, listed = "", 0
        cursors: set[str] = set()
        ids: set[int] = set()
        for _ in range(MAX_PAGES):
            page = self._pages.fetch(cursor)
            fresh = [row for row in page.rows if not row.id or hash(row.id) not in ids]
            ids.update(hash(row.id) for row in fresh if row.id)
            listed += len(fresh)
            if listed > MAX_ROWS:
                break
            yield fresh
            if not page.rows or not page.cursor or page.cursor in cursors:
                return
            cursor = page.cursor
            cursors.add(cursor)
        raise InvalidResponseError(f"the list did not end after {len(cursors) + 1} pages with {listed} rows")
