"""Contradictions between the rows of a list, its totals and its page numbers, and which of them are new."""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from access_exporter.cloudflare.pages import Page, Row
from access_exporter.errors import InvalidResponseError

_SHARE = 100  # a list changes from one poll to the next: so does what it lacks, by one row in so many


class Found(msgspec.Struct, frozen=True):
    """The result of a walk: the number of rows, and whether the totals of the list agree with it.

    `announced` is the latest `total_count`. `is_contradicted` says that no total was the number of rows, not even
    with those that were listed twice. `numbers_were_right` says that the pages gave their numbers, and
    `invalid_rows` lost a field that could not be read.
    """

    rows: Annotated[int, Meta(ge=0)] = 0
    totals_agreed: bool = False
    announced: Annotated[int, Meta(ge=0)] | None = None
    is_contradicted: bool = False
    numbers_were_right: bool = False
    invalid_rows: Annotated[int, Meta(ge=0)] = 0

    @property
    def missing(self) -> int:
        """The number of rows that the totals count and the list lacks."""
        return max(0, (self.announced or 0) - self.rows) if self.is_contradicted else 0


NOTHING_FOUND = Found()


class Doubt(NamedTuple):
    """A reason to doubt a list: its kind, a number, and words."""

    kind: str
    size: int
    words: str


class Doubts:
    """The doubts of the last walk over a list. A doubt that repeats unchanged is no reason to fail."""

    def __init__(self) -> None:
        """Start without doubts."""
        self._last: Sequence[Doubt] = ()

    def settle(self, doubts: Sequence[Doubt], listed: int) -> None:
        """Raise InvalidResponseError for doubts that the last walk did not have; `listed` rows were seen."""
        before, self._last = self._last, doubts
        if not _are_alike(before, doubts, listed):
            raise InvalidResponseError(doubts[0].words)


def _are_alike(before: Sequence[Doubt], doubts: Sequence[Doubt], listed: int) -> bool:
    if not doubts:
        return True
    if [doubt.kind for doubt in before] != [doubt.kind for doubt in doubts]:
        return False
    return all(abs(one.size - other.size) <= listed // _SHARE for one, other in zip(before, doubts, strict=True))


class _Range:
    """The numbers between the lowest and the highest that were stated."""

    def __init__(self) -> None:
        self.lowest, self.highest = float("inf"), -1.0

    def add(self, number: int) -> None:
        self.lowest, self.highest = min(self.lowest, number), max(self.highest, number)

    def has_any(self, first: int, last: int) -> bool:
        return first <= self.highest and self.lowest <= last

    def __bool__(self) -> bool:
        return self.highest >= 0


class Totals:
    """What the pages say about the length of the list, which may change during the walk."""

    def __init__(self, before: Found) -> None:
        """`before` is what the last walk found."""
        self.announced: int | None = None
        self._before = before
        self._last: int | None = None
        self._stated, self._consistent = _Range(), _Range()

    def have_fallen_to(self, page: Page[Row]) -> bool:
        """Return whether rows were removed since the page before, so that one may have moved there unseen."""
        total_count = page.info.total_count
        is_first = self.announced is None
        if total_count is None or (total_count == 0 and not page.rows and not is_first):
            return False  # beyond the end of a list some servers count nothing
        self.announced = total_count
        self._stated.add(total_count)
        if page.total is None:
            return False
        before, self._last = self._last, page.total
        self._consistent.add(page.total)
        return self._before.totals_agreed and before is not None and page.total < before

    def doubts(self, listed: int) -> Iterator[Doubt]:
        """Yield reasons why rows may be missing: totals that agreed in the last walk no longer do."""
        before = self._before
        if not before.totals_agreed and not before.is_contradicted:
            return
        stated = self._consistent or self._stated
        missing = stated.lowest - listed if stated else 0
        if missing > before.missing + (listed // _SHARE if before.missing else 0):
            told = f"the list has {listed} rows but total_count says {self._last or self.announced}"
            yield Doubt("total", int(missing), told)
        elif listed < before.rows and not (self._consistent if before.totals_agreed else self._stated):
            told = f"the list has {listed} rows and no total_count; the last poll got {before.rows} rows with totals"
            yield Doubt("no total", before.rows - listed, told)

    def found(self, listed: int, repeated: int, *, numbers_were_right: bool, invalid_rows: int) -> Found:
        """Return the result of a walk with this many rows, and this many repeated rows."""
        return Found(
            listed,
            totals_agreed=self._consistent.has_any(listed, listed),
            announced=self.announced,
            is_contradicted=bool(self._stated) and not self._stated.has_any(listed, listed + repeated),
            numbers_were_right=numbers_were_right,
            invalid_rows=invalid_rows,
        )


class PageNumbers:
    """The page numbers in the answers: some APIs count from 0, or give the same number on every page."""

    def __init__(self) -> None:
        """No page was seen yet."""
        self._said: dict[int, int] = {}

    def note(self, number: int, said: int | None) -> None:
        """Note the number in the answer to a request for this page."""
        if said is not None:
            self._said[number] = said

    @property
    def are_right(self) -> bool:
        """Whether each page with a number has the requested one."""
        return bool(self._said) and all(number == said for number, said in self._said.items())

    def doubts(self) -> Iterator[Doubt]:
        """Yield the first page with the number of another page, unless all pages use another numbering."""
        offsets = {said - number for number, said in self._said.items()}
        if min(len(offsets), len(set(self._said.values()))) > 1:
            number, said = next(each for each in self._said.items() if each[0] != each[1])
            yield Doubt("page number", 0, f"requested page {number}, got page {said}")
