"""Page-number pagination: the exporter reads a list to its end and counts each row once."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from access_exporter.cloudflare.pagination import Found, Page, PageInfo, Walk
from access_exporter.collectors.users_summary import User
from access_exporter.errors import InvalidResponseError, ServerError


class Server:
    """A list of users in pages, with a record of the pages that a walk requests."""

    def __init__(self, users: int, **totals: int) -> None:
        self._users = users
        self._info = PageInfo(**{"per_page": 1000, "total_count": users, "total_pages": -(-users // 1000), **totals})
        self.asked: list[int] = []
        self.farthest_ahead = 0
        self.removed_before: dict[int, list[int]] = {}  # users to remove before the request for a page
        self.added_before: dict[int, int] = {}  # number of users to add before the request for a page
        self.were_right = False
        self._given = 0
        self._removed: set[int] = set()
        self._added = 0

    def fetch(self, number: int) -> Page[User]:
        self.asked.append(number)
        self.farthest_ahead = max(self.farthest_ahead, number - self._given)
        self._removed.update(self.removed_before.pop(number, []))
        self._added += self.added_before.pop(number, 0)
        users = [user for user in range(-self._added, self._users) if user not in self._removed]
        rows = [User(id=str(user)) for user in users[(number - 1) * 1000 : number * 1000]]
        if not self._removed and not self._added:
            return Page(rows, self._info)
        info = PageInfo(per_page=1000, total_count=len(users), total_pages=-(-len(users) // 1000))
        return Page(rows, info)

    def start(self, number: int) -> Future[Page[User]]:
        future: Future[Page[User]] = Future()
        try:
            future.set_result(self.fetch(number))
        except ServerError as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.is_closed = True

    def walk(self, concurrency: int = 4, expected: int = 0) -> int:
        """Read all pages and return the number of rows."""
        rows = 0
        walk = Walk(self, 1000, concurrency, Found(expected, self.were_right))
        for page in walk:
            rows += len(page)
            self._given += 1
        assert walk.found.rows == rows
        assert self.is_closed
        self.were_right = walk.found.totals_agreed
        return rows


class Canned(Server):
    """A list of prepared pages, without totals."""

    def __init__(self, page_of: Callable[[int], list[User]]) -> None:
        super().__init__(0)
        self._page_of = page_of

    def fetch(self, number: int) -> Page[User]:
        return Page(self._page_of(number), PageInfo())


class TestRequests:
    @pytest.mark.parametrize(
        ("users", "requests"), [(0, 1), (1, 1), (999, 1), (1001, 2), (2500, 3), (4999, 5), (49_999, 50)]
    )
    def test_correct_totals(self, users: int, requests: int) -> None:
        """With correct totals, the exporter requests each page once, and no other page."""
        server = Server(users)
        assert server.walk() == users
        assert server.asked == list(range(1, requests + 1))

    @pytest.mark.parametrize(("users", "requests"), [(1000, 2), (2000, 3), (5000, 6)])
    def test_full_last_page(self, users: int, requests: int) -> None:
        """After a full last page, the exporter requests one more page, even if all earlier totals were correct."""
        server = Server(users)
        for _ in range(2):
            server.asked.clear()
            assert server.walk() == users
            assert len(server.asked) == requests
            assert server.were_right

    @pytest.mark.parametrize("users", [0, 999, 1000, 2000, 2500])
    def test_totals_are_checked(self, users: int) -> None:
        """At the end of a list, the exporter compares the totals with the number of rows."""
        for total, right in ((users, True), (users + 1, False), (users // 2, users == 0)):
            server = Server(users, total_count=total, total_pages=-(-total // 1000))
            if users or not total:
                server.walk()
                assert server.were_right is right

    @pytest.mark.parametrize("users", [2999, 3000, 3500])
    @pytest.mark.parametrize("concurrency", [1, 4])
    @pytest.mark.parametrize("removed", [{2: [7]}, {3: [7, 1500]}, {2: [0], 3: [1]}, {2: [5], 3: [1999]}, {2: [2500]}])
    def test_rows_removed_during_a_poll(self, users: int, concurrency: int, removed: dict[int, list[int]]) -> None:
        """A user who stays in the list is counted, even if other users are removed during the poll."""
        server = Server(users)
        server.were_right = True
        server.removed_before = dict(removed)
        gone = sum(map(len, removed.values()))
        assert users - gone <= server.walk(concurrency) <= users
        assert server.were_right

    @pytest.mark.parametrize("users", [2999, 3000, 3500])
    @pytest.mark.parametrize("concurrency", [1, 4])
    @pytest.mark.parametrize("added", [{2: 1}, {2: 3, 3: 700}, {3: 1500}])
    @pytest.mark.parametrize("removed", [{}, {2: [7]}, {3: [7, 1500]}])
    def test_rows_added_during_a_poll(
        self, users: int, concurrency: int, added: dict[int, int], removed: dict[int, list[int]]
    ) -> None:
        """Users added at the start of the list during a poll cause no error and no missing user."""
        server = Server(users)
        server.were_right = True
        server.added_before, server.removed_before = dict(added), dict(removed)
        gone, come = sum(map(len, removed.values())), sum(added.values())
        assert users - gone <= server.walk(concurrency) <= users + come
        assert server.were_right

    def test_too_few_rows(self) -> None:
        """A list with fewer rows than total_count is an error only if the totals were correct in the last poll."""
        server = Server(2500, total_count=2600, total_pages=3)
        assert server.walk() == 2500
        server.were_right = True
        with pytest.raises(InvalidResponseError, match="has 2500 rows but total_count says 2600"):
            server.walk()

    def test_no_rows(self) -> None:
        """An empty list with a total_count greater than 0 is an error."""
        with pytest.raises(InvalidResponseError, match="the list has no rows, and its total is 5"):
            Server(0, total_count=5, total_pages=1).walk()

    @pytest.mark.parametrize("users", [1, 2000, 2500])
    @pytest.mark.parametrize("concurrency", [1, 4, 7])
    @pytest.mark.parametrize("total", [0, 1, 1500, 1250, 2499, 2501, 5001, 10**9])
    def test_wrong_totals(self, users: int, concurrency: int, total: int) -> None:
        """Wrong totals cause few extra requests: at most the concurrency, plus one for the end of the list."""
        server = Server(users, total_count=total, total_pages=-(-total // 1000))
        assert server.walk(concurrency) == users
        assert len(server.asked) <= -(-users // 1000) + 1 + concurrency

    @pytest.mark.parametrize("concurrency", [1, 4, 7])
    def test_pages_ahead(self, concurrency: int) -> None:
        """While one page is processed, the exporter fetches the next pages, as many as the configured concurrency."""
        server = Server(19_999)
        assert server.walk(concurrency) == 19_999
        assert server.farthest_ahead == 1 + concurrency

    @pytest.mark.parametrize("users", [1, 999, 1001, 2500, 4999, 19_999])
    @pytest.mark.parametrize("change", [-900, -1, 0, 1, 5000])
    def test_expected_number_of_rows(self, users: int, change: int) -> None:
        """If the list is about as long as expected, the exporter requests each page once, and no other page."""
        server = Server(users)
        assert server.walk(expected=users - change) == users
        assert server.asked == list(range(1, -(-users // 1000) + 1))

    @pytest.mark.parametrize(
        ("users", "totals"),
        [(0, {}), *((users, totals) for users in (1, 2000, 2500) for totals in ({}, {"total_pages": 100}))],
    )
    @pytest.mark.parametrize("expected", [5000, 10**308])
    def test_fewer_than_expected(self, users: int, totals: dict[str, int], expected: int) -> None:
        """If the list is shorter than expected, the number of extra requests is at most the concurrency plus one."""
        server = Server(users, **totals)
        assert server.walk(expected=expected) == users
        assert len(server.asked) <= -(-users // 1000) + 1 + 4

    def test_first_pages_at_once(self) -> None:
        """The exporter requests all expected pages without waiting for the first page."""
        pages: list[Future[Page[User]]] = []

        class Waiting(Server):
            def start(self, number: int) -> Future[Page[User]]:
                pages.append(Future())
                if number == 4:
                    for each, future in enumerate(pages, start=1):
                        future.set_result(self.fetch(each))
                return pages[-1] if number <= 4 else super().start(number)

        server = Waiting(9999)
        assert server.walk(expected=8000) == 9999
        assert server.asked == list(range(1, 11))

    @pytest.mark.parametrize("totals", [{"total_pages": 100}, {"total_count": 1}, {"per_page": 0}, {"per_page": 2000}])
    def test_contradictory_totals(self, totals: dict[str, int]) -> None:
        """The exporter fetches no page ahead if the totals contradict each other or the page."""
        server = Server(4999, **totals)
        assert server.walk() == 4999
        assert server.farthest_ahead == 1

    def test_failure(self) -> None:
        """If a page fails, even one fetched ahead, the poll fails at that page and requests no more pages."""

        class Failing(Server):
            def fetch(self, number: int) -> Page[User]:
                page = super().fetch(number)
                if number == 3:
                    raise ServerError("no third page")
                return page

        server = Failing(20_000)
        with pytest.raises(ServerError, match="no third page"):
            server.walk()
        assert server.asked == [1, 2, 3, 4, 5, 6]

    def test_abandoned_walk(self) -> None:
        """When the poll stops reading a list, the exporter requests no more pages."""
        server = Server(20_000)
        pages = iter(Walk(server, 1000, 2, Found()))
        assert len(next(pages)) == 1000
        assert len(next(pages)) == 1000
        assert server.asked == [1, 2, 3, 4]


class TestRepeats:
    @pytest.mark.parametrize("repeats", [9, 10])
    def test_pages_without_new_rows(self, repeats: int) -> None:
        """The exporter accepts nine pages in a row without new rows, because a list can grow during the poll."""
        pages = [[User(id="a")], *([[User(id="a")]] * repeats), [User(id="b")], []]
        assert Canned(lambda number: pages[number - 1]).walk(1) == (2 if repeats < 10 else 1)

    def test_repeated_list(self) -> None:
        """If ten pages in a row have no new rows, the error says that the list repeats itself."""
        full = [User(id=str(number)) for number in range(10)]
        with pytest.raises(InvalidResponseError, match="the list repeats itself: 10 pages in a row had no new rows"):
            list(Walk(Canned(lambda _: full), 10, 1, Found()))
