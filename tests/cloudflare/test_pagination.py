"""Lists are read to their end, each row once, whatever the server says about them."""

from collections.abc import Callable
from concurrent.futures import Future

import pytest

from access_exporter.cloudflare.pagination import Found, Page, PageInfo, Walk
from access_exporter.collectors.users_summary import User
from access_exporter.errors import InvalidResponseError, ServerError


class Server:
    """Pages of so many users, and what is asked of it by a walk, both directly and in the background."""

    def __init__(self, users: int, **totals: int) -> None:
        self._users = users
        self._info = PageInfo(**{"per_page": 1000, "total_count": users, "total_pages": -(-users // 1000), **totals})
        self.asked: list[int] = []
        self.farthest_ahead = 0
        self.removed_before: dict[int, list[int]] = {}  # by the page before whose request they are
        self.added_before: dict[int, int] = {}  # as many users, in front of all others
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
        """Walk over all pages and return the number of rows."""
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
    """Pages without totals, whatever number is asked for."""

    def __init__(self, answer: Callable[[int], list[User]]) -> None:
        super().__init__(0)
        self._answer = answer

    def fetch(self, number: int) -> Page[User]:
        return Page(self._answer(number), PageInfo())


class TestRequests:
    @pytest.mark.parametrize(
        ("users", "requests"), [(0, 1), (1, 1), (999, 1), (1001, 2), (2500, 3), (4999, 5), (49_999, 50)]
    )
    def test_honest_totals(self, users: int, requests: int) -> None:
        """With honest totals each page is asked for once, and nothing else."""
        server = Server(users)
        assert server.walk() == users
        assert server.asked == list(range(1, requests + 1))

    @pytest.mark.parametrize(("users", "requests"), [(1000, 2), (2000, 3), (5000, 6)])
    def test_full_last_page(self, users: int, requests: int) -> None:
        """A full page never ends a list, however right its totals were before: one more request tells."""
        server = Server(users)
        for _ in range(2):
            server.asked.clear()
            assert server.walk() == users
            assert len(server.asked) == requests
            assert server.were_right

    @pytest.mark.parametrize("users", [0, 999, 1000, 2000, 2500])
    def test_right_totals(self, users: int) -> None:
        """Whether the totals of a list were right is known at its end, however it ends."""
        for total, right in ((users, True), (users + 1, False), (users // 2, users == 0)):
            server = Server(users, total_count=total, total_pages=-(-total // 1000))
            if users or not total:
                server.walk()
                assert server.were_right is right

    @pytest.mark.parametrize("users", [2999, 3000, 3500])
    @pytest.mark.parametrize("concurrency", [1, 4])
    @pytest.mark.parametrize("removed", [{2: [7]}, {3: [7, 1500]}, {2: [0], 3: [1]}, {2: [5], 3: [1999]}, {2: [2500]}])
    def test_rows_removed_meanwhile(self, users: int, concurrency: int, removed: dict[int, list[int]]) -> None:
        """Whoever is there from the first page to the last is counted, also where others are removed in between."""
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
    def test_rows_added_meanwhile(
        self, users: int, concurrency: int, added: dict[int, int], removed: dict[int, list[int]]
    ) -> None:
        """Users who come in front of the others while the list is read fail nothing, and nobody else is missed."""
        server = Server(users)
        server.were_right = True
        server.added_before, server.removed_before = dict(added), dict(removed)
        gone, come = sum(map(len, removed.values())), sum(added.values())
        assert users - gone <= server.walk(concurrency) <= users + come
        assert server.were_right

    def test_too_few_rows(self) -> None:
        """A list that is shorter than totals which were right until now is no list; with others it is one."""
        server = Server(2500, total_count=2600, total_pages=3)
        assert server.walk() == 2500
        server.were_right = True
        with pytest.raises(InvalidResponseError, match="has 2500 rows but total_count says 2600"):
            server.walk()

    def test_no_rows(self) -> None:
        """A first page without a row, whose totals count some, is no empty list."""
        with pytest.raises(InvalidResponseError, match="the list has no rows, and its total is 5"):
            Server(0, total_count=5, total_pages=1).walk()

    @pytest.mark.parametrize("users", [1, 2000, 2500])
    @pytest.mark.parametrize("concurrency", [1, 4, 7])
    @pytest.mark.parametrize("total", [0, 1, 1500, 1250, 2499, 2501, 5001, 10**9])
    def test_wrong_totals(self, users: int, concurrency: int, total: int) -> None:
        """A total that lies wastes no more requests than may be in flight, and one to see that there is no more."""
        server = Server(users, total_count=total, total_pages=-(-total // 1000))
        assert server.walk(concurrency) == users
        assert len(server.asked) <= -(-users // 1000) + 1 + concurrency

    @pytest.mark.parametrize("concurrency", [1, 4, 7])
    def test_ahead(self, concurrency: int) -> None:
        """Beside the page at hand, those surely there are fetched ahead: as many as may be in flight, not one more."""
        server = Server(19_999)
        assert server.walk(concurrency) == 19_999
        assert server.farthest_ahead == 1 + concurrency

    @pytest.mark.parametrize("users", [1, 999, 1001, 2500, 4999, 19_999])
    @pytest.mark.parametrize("change", [-900, -1, 0, 1, 5000])
    def test_as_expected(self, users: int, change: int) -> None:
        """Where about as many rows are expected as there are, each page is asked for once, and nothing else."""
        server = Server(users)
        assert server.walk(expected=users - change) == users
        assert server.asked == list(range(1, -(-users // 1000) + 1))

    @pytest.mark.parametrize(
        ("users", "totals"),
        [(0, {}), *((users, totals) for users in (1, 2000, 2500) for totals in ({}, {"total_pages": 100}))],
    )
    @pytest.mark.parametrize("expected", [5000, 10**308])
    def test_fewer_than_expected(self, users: int, totals: dict[str, int], expected: int) -> None:
        """Rows that are gone waste no more requests than may be in flight, and one to see that there is no more."""
        server = Server(users, **totals)
        assert server.walk(expected=expected) == users
        assert len(server.asked) <= -(-users // 1000) + 1 + 4

    def test_first_pages_at_once(self) -> None:
        """Pages that are expected do not wait for the first one."""
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
    def test_not_ahead(self, totals: dict[str, int]) -> None:
        """Where the totals contradict each other or the page, nothing is fetched ahead."""
        server = Server(4999, **totals)
        assert server.walk() == 4999
        assert server.farthest_ahead == 1

    def test_failure(self) -> None:
        """A page that fails, even one fetched ahead, fails the walk when its turn comes, and nothing more is asked."""

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

    def test_abandoned(self) -> None:
        """A walk that nobody follows any more asks for nothing more."""
        server = Server(20_000)
        pages = iter(Walk(server, 1000, 2, Found()))
        assert len(next(pages)) == 1000
        assert len(next(pages)) == 1000
        assert server.asked == [1, 2, 3, 4]


class TestRepeats:
    @pytest.mark.parametrize("repeats", [9, 10])
    def test_patience(self, repeats: int) -> None:
        """Up to nine pages in a row may bring nothing new, as they do while a list grows at its start."""
        pages = [[User(id="a")], *([[User(id="a")]] * repeats), [User(id="b")], []]
        assert Canned(lambda number: pages[number - 1]).walk(1) == (2 if repeats < 10 else 1)

    def test_message(self) -> None:
        """The error of a list that repeats itself says so."""
        full = [User(id=str(number)) for number in range(10)]
        with pytest.raises(InvalidResponseError, match="the list repeats itself: 10 pages in a row had no new rows"):
            list(Walk(Canned(lambda _: full), 10, 1, Found()))
