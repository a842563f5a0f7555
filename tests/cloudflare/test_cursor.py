"""Lists whose pages are asked for by a cursor: which pages are asked for, and which rows come out."""

import tracemalloc
import uuid
from collections.abc import Callable

import msgspec
import pytest

from access_exporter.cloudflare import cursor
from access_exporter.cloudflare.cursor import CursorPage, CursorPages, CursorWalk
from access_exporter.errors import AuthError, InvalidResponseError, NotFoundError, PollError


class Row(msgspec.Struct):
    """A row with an id, or without."""

    id: str | None = None


def rows(*ids: object) -> list[Row]:
    """Rows with these ids."""
    return [Row(None if each is None else str(each)) for each in ids]


class List:
    """Pages by their cursors, and which were asked for."""

    def __init__(self, page: Callable[[str], CursorPage[Row]]) -> None:
        self._page = page
        self.asked: list[str] = []

    def ask(self, query: str) -> CursorPage[Row]:
        self.asked.append(query)
        return self._page(query.partition("cursor=")[2])

    def walked(self) -> list[str | None]:
        """The ids of all rows of a walk."""
        return [row.id for page in CursorWalk(CursorPages(self.ask, 1000)) for row in page]


def pages(**by_cursor: CursorPage[Row]) -> List:
    """These pages; the first one is called `first`."""
    return List(lambda after: by_cursor[after or "first"])


def test_to_the_end() -> None:
    """Each page is asked for by the cursor of the one before, and the one without a cursor is the last."""
    listed = pages(first=CursorPage(rows(1, 2), "a"), a=CursorPage(rows(3), "b"), b=CursorPage(rows(4, None, None), ""))
    assert listed.walked() == ["1", "2", "3", "4", None, None]
    assert listed.asked == ["per_page=1000", "per_page=1000&cursor=a", "per_page=1000&cursor=b"]


def test_a_cursor_of_any_characters() -> None:
    """A cursor is sent as it came, whatever is in it."""
    listed = List(lambda after: CursorPage(rows(after or 0), "" if after else "a&b=ü +/%?#\n"))
    assert listed.walked() == ["0", "a%26b%3D%C3%BC%20%2B%2F%25%3F%23%0A"]


def test_a_cursor_without_end() -> None:
    """A cursor that no URL can hold is an error, and is not sent."""
    info = {"cursor": "x" * 4096}
    assert CursorPage.of(rows(1), info) == CursorPage(rows(1), "x" * 4096)
    with pytest.raises(InvalidResponseError, match="a cursor of 4097 characters"):
        CursorPage.of(rows(1), {"cursor": "x" * 4097})


@pytest.mark.parametrize("last", [CursorPage(rows(3), "a"), CursorPage(rows(3), "b"), CursorPage(rows(), "c")])
def test_ends(last: CursorPage[Row]) -> None:
    """A cursor that was there before, and a page without rows whatever its cursor, are the end."""
    listed = pages(first=CursorPage(rows(1), "a"), a=CursorPage(rows(2), "b"), b=last)
    assert listed.walked() == ["1", "2", *(row.id for row in last.rows)]
    assert len(listed.asked) == 3


@pytest.mark.parametrize("last", [CursorPage(rows(3), "a", 4), CursorPage(rows(), "c", 3)])
def test_ends_before_its_total(last: CursorPage[Row]) -> None:
    """A list that ends with a cursor for more is not believed where its total says that there is more."""
    listed = pages(first=CursorPage(rows(1), "a", 4), a=CursorPage(rows(2), "b"), b=last)
    with pytest.raises(InvalidResponseError, match="rows, and total_count says"):
        listed.walked()


@pytest.mark.parametrize("total", [0, 3, 100])
def test_a_total_beside_an_end(total: int) -> None:
    """Where no cursor is left, no total makes the list longer or shorter."""
    listed = pages(first=CursorPage(rows(1, 2), "a", total), a=CursorPage(rows(3), "", total))
    assert listed.walked() == ["1", "2", "3"]


def test_each_row_once() -> None:
    """A row that moved to a later page while the list was read is given out once, however much later that page is."""
    listed = List(
        lambda after: (
            CursorPage(rows("first", *range(int(after or 0), int(after or 0) + 8)), str(int(after or 0) + 5))
            if int(after or 0) < 5000
            else CursorPage(rows("first"), "")
        )
    )
    assert listed.walked() == ["first", *map(str, range(5003))]


def test_a_list_that_repeats_itself() -> None:
    """Ever new cursors to the same rows are an error after ten pages, not a walk without end."""
    listed = List(lambda after: CursorPage(rows(1, 2), str(int(after or 0) + 1)))
    with pytest.raises(InvalidResponseError, match="10 pages in a row had no new rows"):
        listed.walked()
    assert len(listed.asked) == 11


@pytest.mark.parametrize(("limit", "value", "requests"), [("MAX_ROWS", 50, 6), ("MAX_PAGES", 7, 7)])
def test_endless(monkeypatch: pytest.MonkeyPatch, limit: str, value: int, requests: int) -> None:
    """A list of ever new rows under ever new cursors is given up, and the error says where."""
    monkeypatch.setattr(cursor, limit, value)
    listed = List(lambda after: CursorPage(rows(*[None] * 10), str(int(after or 0) + 1)))
    with pytest.raises(InvalidResponseError, match="the list did not end after"):
        listed.walked()
    assert len(listed.asked) == requests


class TestPageSize:
    @staticmethod
    def walk(most: int, size: int, kind: type[PollError] = InvalidResponseError, status: int = 400) -> list[str]:
        """Ask a server that gives at most so many rows a page, and return what was asked."""
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

    def test_fewer(self) -> None:
        """Where a page is refused as too large, smaller ones are asked for, and all that follow are as small."""
        assert self.walk(60, 1000) == ["per_page=1000", "per_page=100", "per_page=50", "per_page=50&cursor=a"]
        assert self.walk(1000, 1000) == ["per_page=1000", "per_page=1000&cursor=a"]
        assert self.walk(60, 1000, NotFoundError)[-1] == "per_page=50&cursor=a"

    def test_none_is_small_enough(self) -> None:
        """A server that refuses every size is not asked for ever, and none that is larger than configured."""
        assert self.walk(1, 1000) == ["per_page=1000", "per_page=100", "per_page=50", "per_page=20", "failed"]
        assert self.walk(1, 70) == ["per_page=70", "per_page=50", "per_page=20", "failed"]
        assert self.walk(1, 5) == ["per_page=5", "failed"]

    @pytest.mark.parametrize(("kind", "status"), [(AuthError, 400), (InvalidResponseError, 403), (NotFoundError, 404)])
    def test_another_refusal(self, kind: type[PollError], status: int) -> None:
        """What is refused for another reason is asked for once."""
        assert self.walk(1, 1000, kind, status) == ["per_page=1000", "failed"]

    def test_a_later_page(self) -> None:
        """A later page that is refused fails the walk: with another size the cursor might pass over rows."""
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
    """A result_info that is missing, or a cursor that is none, is that of a last page."""
    assert CursorPage.of(rows(1), info) == CursorPage(rows(1), "")
    assert CursorPage.of(rows(1), {"cursor": "a", "total_count": None}) == CursorPage(rows(1), "a")
    assert CursorPage.of(rows(1), {"cursor": "a", "total_count": 5}) == CursorPage(rows(1), "a", 5)


def test_memory() -> None:
    """To tell which rows were there before takes some ten bytes for each."""
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
