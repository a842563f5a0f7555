"""Each row counts once, even if the list changes between two walks."""

from concurrent.futures import Future

from hypothesis import given
from hypothesis import strategies as st

from access_exporter.cloudflare.known_lists import KnownList
from access_exporter.cloudflare.pagination import NOTHING_FOUND, Page, PageInfo, Walk
from access_exporter.collectors.users_summary import User

Ids = tuple[str | None, ...]
PAGES: st.SearchStrategy[Ids] = st.lists(st.sampled_from([*"abcdef", None]), min_size=1, max_size=3).map(tuple)


class Pages:
    """Pages with rows of these ids, followed by empty pages."""

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
    """Count the rows: each id once, each row without an id, and no page that repeats the one before."""
    before: Ids = ()
    ids: set[str] = set()
    without_id = 0
    for page in pages:
        if page != before or not any(page):
            ids.update(each for each in page if each)
            without_id += page.count(None)
        before = page
    return len(ids) + without_id


@given(data=st.data())
def test_walks_over_one_list(data: st.DataObject) -> None:
    """A row counts once, even if earlier walks read the same pages in another order or only some of them."""
    some = data.draw(st.lists(PAGES, min_size=1, max_size=5))
    lists = data.draw(st.lists(st.lists(st.sampled_from(some), max_size=6), min_size=2, max_size=5))
    known = KnownList()
    for pages in lists:
        walk = Walk(Pages(pages), 3, 1, NOTHING_FOUND, known)
        assert sum(map(len, walk)) == rows(pages)
