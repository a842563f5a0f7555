"""Cursor pagination: which pages the exporter requests, and which rows it returns."""

import tracemalloc
import uuid
from collections.abc import Callable

import msgspec
import pytest

from access_exporter.cloudflare import cursor
from access_exporter.cloudflare.cursor import CursorPage, CursorPages, CursorWalk
from access_exporter.errors import AuthError, InvalidResponseError, NotFoundError, PollError


class Row(msgspec.Struct):
    """A row with an optional id."""

    id: str | None = None


def rows(*ids: object) -> list[Row]:
    """Return rows with these ids."""
    return [Row(None if each is None else str(each)) for each in ids]


class List:
    """A list with cursor pagination that records each requested page."""

    def __init__(self, page: Callable[[str], CursorPage[Row]]) -> None:
        self._page = page
        self.asked: list[str] = []

    def ask(self, query: str) -> CursorPage[Row]:
        self.asked.append(query)
        return self._page(query.partition("cursor=")[2])

    def walked(self) -> list[str | None]:
        """Read the whole list and return the ids of its rows."""
        return [row.id for page in CursorWalk(CursorPages(self.ask, 1000)) for row in page]


def pages(**by_cursor: CursorPage[Row]) -> List:
    """Return a list of these pages; the key of the first page is `first`."""
    return List(lambda after: by_cursor[after or "first"])


def test_to_the_end() -> None:
    """The exporter requests each page with the cursor of the previous page, and stops at a page without a cursor."""
    listed = pages(first=CursorPage(rows(1, 2), "a"), a=CursorPage(rows(3), "b"), b=CursorPage(rows(4, None, None), ""))
    assert listed.walked() == ["1", "2", "3", "4", None, None]
    assert listed.asked == ["per_page=1000", "per_page=1000&cursor=a", "per_page=1000&cursor=b"]


def test_a_cursor_of_any_characters() -> None:
    """The exporter percent-encodes the special characters of a cursor."""
    listed = List(lambda after: CursorPage(rows(after or 0), "" if after else "a&b=ü +/%?#\n"))
    assert listed.walked() == ["0", "a%26b%3D%C3%BC%20%2B%2F%25%3F%23%0A"]


def test_too_long_cursor() -> None:
    """A cursor that is too long for a URL is an error."""
    info = {"cursor": "x" * 4096}
    assert CursorPage.of(rows(1), info) == CursorPage(rows(1), "x" * 4096)
    with pytest.raises(InvalidResponseError, match="a cursor of 4097 characters"):
        CursorPage.of(rows(1), {"cursor": "x" * 4097})


@pytest.mark.parametrize("last", [CursorPage(rows(3), "a"), CursorPage(rows(3), "b"), CursorPage(rows(), "c")])
def test_repeated_cursor_or_empty_page(last: CursorPage[Row]) -> None:
    """The list ends at a cursor that was used before, or at a page without rows."""
    listed = pages(first=CursorPage(rows(1), "a"), a=CursorPage(rows(2), "b"), b=last)
    assert listed.walked() == ["1", "2", *(row.id for row in last.rows)]
    assert len(listed.asked) == 3


@pytest.mark.parametrize("last", [CursorPage(rows(3), "a", 4), CursorPage(rows(), "c", 3)])
def test_fewer_rows_than_the_total(last: CursorPage[Row]) -> None:
    """A list that still has a cursor but ends with fewer rows than its total_count is an error."""
    listed = pages(first=CursorPage(rows(1), "a", 4), a=CursorPage(rows(2), "b"), b=last)
    with pytest.raises(InvalidResponseError, match="rows, and total_count says"):
        listed.walked()


@pytest.mark.parametrize("total", [0, 3, 100])
def test_total_without_a_cursor(total: int) -> None:
    """A page without a cursor ends the list, even if total_count is different."""
    listed = pages(first=CursorPage(rows(1, 2), "a", total), a=CursorPage(rows(3), "", total))
    assert listed.walked() == ["1", "2", "3"]


def test_each_row_once() -> None:
    """A row that appears again on any later page is returned only once."""
    listed = List(
        lambda after: (
            CursorPage(rows("first", *range(int(after or 0), int(after or 0) + 8)), str(int(after or 0) + 5))
            if int(after or 0) < 5000
            else CursorPage(rows("first"), "")
        )
    )
    assert listed.walked() == ["first", *map(str, range(5003))]


def test_a_list_that_repeats_itself() -> None:
    """A list with new cursors but the same rows is an error after ten pages without a new row."""
    listed = List(lambda after: CursorPage(rows(1, 2), str(int(after or 0) + 1)))
    with pytest.raises(InvalidResponseError, match="10 pages in a row had no new rows"):
        listed.walked()
    assert len(listed.asked) == 11


@pytest.mark.parametrize(("limit", "value", "requests"), [("MAX_ROWS", 50, 6), ("MAX_PAGES", 7, 7)])
def test_endless_list(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, requests: int) -> None:
    """A list that never ends is an error after the maximum number of rows or pages."""
    monkeypatch.setattr(cursor, limit, value)
    listed = List(lambda after: CursorPage(rows(*[None] * 10), str(int(after or 0) + 1)))
    with pytest.raises(InvalidResponseError, match="the list did not end after"):
        listed.walked()
    assert len(listed.asked) == requests


class TestPageSize:
    @staticmethod
    def walk(most: int, size: int, kind: type[PollError] = InvalidResponseError, status: int = 400) -> list[str]:
        """Read a list from a server with a maximum page size, and return the requested queries."""
        asked = []

        def ask(query: str) -> CursorPage[Row]:
            asked.append(query)
            if int(query.partition("&")[0].removeprefix("per_page=")) > most:
                refused = kind("no")
                refused.status = status
                raise refused
            return CursorPage(rows(len(asked)), "" if "cursor" in query else "a")

        try:
            assert len(list(CursorWalk(CursorPages(ask, size)))) == 2
        except PollError:
            asked.append("failed")
        return asked

    def test_smaller_pages(self) -> None:
        """If the server refuses the page size, the exporter requests smaller pages, for the rest of the list too."""
        assert self.walk(60, 1000) == ["per_page=1000", "per_page=100", "per_page=50", "per_page=50&cursor=a"]
        assert self.walk(1000, 1000) == ["per_page=1000", "per_page=1000&cursor=a"]
        assert self.walk(60, 1000, NotFoundError)[-1] == "per_page=50&cursor=a"

    def test_every_size_refused(self) -> None:
        """If the server refuses every page size, the poll fails; no page is larger than the configured size."""
        assert self.walk(1, 1000) == ["per_page=1000", "per_page=100", "per_page=50", "per_page=20", "failed"]
        assert self.walk(1, 70) == ["per_page=70", "per_page=50", "per_page=20", "failed"]
        assert self.walk(1, 5) == ["per_page=5", "failed"]

    @pytest.mark.parametrize(("kind", "status"), [(AuthError, 400), (InvalidResponseError, 403), (NotFoundError, 404)])
    def test_another_refusal(self, kind: type[PollError], status: int) -> None:
        """If the server refuses a page for another reason, the exporter does not try a smaller page."""
        assert self.walk(1, 1000, kind, status) == ["per_page=1000", "failed"]

    def test_a_later_page(self) -> None:
        """A refusal of a later page fails the poll, because a cursor with another page size might skip rows."""
        asked = []

        def ask(query: str) -> CursorPage[Row]:
            asked.append(query)
            if "cursor" in query:
                refused = InvalidResponseError("no")
                refused.status = 400
                raise refused
            return CursorPage(rows(1), "a")

        with pytest.raises(InvalidResponseError):
            list(CursorWalk(CursorPages(ask, 1000)))
        assert asked == ["per_page=1000", "per_page=1000&cursor=a"]


@pytest.mark.parametrize(
    "info", [None, [], {}, 5, "x", {"cursor": None}, {"cursor": 5}, {"cursor": ["a"]}, {"cursor": ""}]
)
def test_no_cursor(info: object) -> None:
    """A page is the last one if its result_info is missing or its cursor is not valid."""
    assert CursorPage.of(rows(1), info) == CursorPage(rows(1), "")
    assert CursorPage.of(rows(1), {"cursor": "a", "total_count": None}) == CursorPage(rows(1), "a")
    assert CursorPage.of(rows(1), {"cursor": "a", "total_count": 5}) == CursorPage(rows(1), "a", 5)


def test_memory() -> None:
    """The exporter needs less than 16 bytes a row to remember which rows it has seen."""
    number = 200_000

    def page(after: str) -> CursorPage[Row]:
        first = int(after or 0)
        ids = [str(uuid.UUID(int=index)) for index in range(first, first + 1000)]
        return CursorPage(rows(*ids), str(first + 1000) if first + 1000 < number else "")

    listed = List(page)
    tracemalloc.start()
    try:
        found = sum(map(len, CursorWalk(CursorPages(listed.ask, 1000))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == number
    assert peak / number < 16
