"""Each row is counted once, walk after walk over the same list, whatever changed in between."""

from concurrent.futures import Future

from hypothesis import given
from hypothesis import strategies as st

from access_exporter.cloudflare.known_lists import KnownList
from access_exporter.cloudflare.pagination import NOTHING_FOUND, Page, PageInfo, Walk
from access_exporter.collectors.users_summary import User

Ids = tuple[str | None, ...]
PAGES: st.SearchStrategy[Ids] = st.lists(st.sampled_from([*"abcdef", None]), min_size=1, max_size=3).map(tuple)


class Pages:
    """Pages with rows of these ids, and empty ones after them."""

    def __init__(self, pages: list[Ids]) -> None:
        self._pages = pages

    def fetch(self, number: int) -> Page[User]:
        ids = self._pages[number - 1] if number <= len(self._pages) else ()
        return Page([User(id=each) for each in ids], PageInfo())

    def start(self, number: int) -> Future[Page[User]]:
        future: Future[Page[User]] = Future()
        future.set_result(self.fetch(number))
        return future

    def close(self) -> None:
        pass


def rows(pages: list[Ids]) -> int:
    """Count the rows one by one: each id once, each row without one, and a page that is repeated not at all."""
    before: Ids = ()
    ids: set[str] = set()
    nameless = 0
    for page in pages:
        if page != before or not any(page):
            ids.update(each for each in page if each)
            nameless += page.count(None)
        before = page
    return len(ids) + nameless


@given(data=st.data())
def test_walks_over_one_list(data: st.DataObject) -> None:
    """A row counts once although earlier walks saw the same pages, in this order or another, whole or in part."""
    some = data.draw(st.lists(PAGES, min_size=1, max_size=5))
    lists = data.draw(st.lists(st.lists(st.sampled_from(some), max_size=6), min_size=2, max_size=5))
    known = KnownList()
    for pages in lists:
        walk = Walk(Pages(pages), 3, 1, NOTHING_FOUND, known)
        assert sum(map(len, walk)) == rows(pages)
