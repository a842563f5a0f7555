"""Finds contradictions between the rows of a list, its totals and its page numbers, and remembers known ones."""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from access_exporter.cloudflare.pages import Page, Row
from access_exporter.errors import InvalidResponseError

_SHARE = 100  # the number of missing rows may change between two polls by 1 % of the rows


class Found(msgspec.Struct, frozen=True):
    """The result of a walk: the number of rows, and whether the totals of the list agree with it.

    `announced` is the latest `total_count`. `is_contradicted` is True if no total equals the number of rows, with or
    without duplicate rows. `numbers_were_right` is True if each page had the page number that was requested.
    `invalid_rows` counts rows with a field that could not be read.
    """

    rows: Annotated[int, Meta(ge=0)] = 0
    totals_agreed: bool = False
    announced: Annotated[int, Meta(ge=0)] | None = None
    is_contradicted: bool = False
    numbers_were_right: bool = False
    invalid_rows: Annotated[int, Meta(ge=0)] = 0

    @property
    def missing(self) -> int:
        """The number of rows that the total counts but the list does not have."""
        return max(0, (self.announced or 0) - self.rows) if self.is_contradicted else 0


NOTHING_FOUND = Found()


class Doubt(NamedTuple):
    """A reason to doubt a list: its kind, the number of rows it is about, and an error message."""

    kind: str
    size: int
    words: str


class Doubts:
    """The doubts of the last walk over a list. The same doubt twice in a row is no error."""

    def __init__(self) -> None:
        """Start without doubts."""
        self._last: Sequence[Doubt] = ()

    def settle(self, doubts: Sequence[Doubt], listed: int) -> None:
        """Raise InvalidResponseError for doubts, unless the last walk had the same; `listed` is the number of rows."""
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
    """The range from the lowest to the highest number that was added."""

    def __init__(self) -> None:
        self.lowest, self.highest = float("inf"), -1.0

    def add(self, number: int) -> None:
        self.lowest, self.highest = min(self.lowest, number), max(self.highest, number)

    def has_any(self, first: int, last: int) -> bool:
        return first <= self.highest and self.lowest <= last

    def __bool__(self) -> bool:
        return self.highest >= 0


class Totals:
    """The totals that the pages of a list state. The list may change during the walk."""

    def __init__(self, before: Found) -> None:
        """Start a walk; `before` is the result of the last walk."""
        self.announced: int | None = None
        self._before = before
        self._last: int | None = None
        self._stated, self._consistent = _Range(), _Range()

    def have_fallen_to(self, page: Page[Row]) -> bool:
        """Return whether the total fell since the page before. If so, a row may have moved to that earlier page."""
        total_count = page.info.total_count
        is_first = self.announced is None
        if total_count is None or (total_count == 0 and not page.rows and not is_first):
            return False  # some servers state a total of 0 beyond the end of a list
        self.announced = total_count
        self._stated.add(total_count)
        if page.total is None:
            return False
        before, self._last = self._last, page.total
        self._consistent.add(page.total)
        return self._before.totals_agreed and before is not None and page.total < before

    def doubts(self, listed: int) -> Iterator[Doubt]:
        """Yield doubts if rows may be missing, judged by the totals of this walk and of the last."""
        before = self._before
        if not before.totals_agreed and not before.is_contradicted:
            return
        stated = self._consistent or self._stated
        missing = stated.lowest - listed if stated else 0
        if missing > before.missing + (listed // _SHARE if before.missing else 0):
            words = f"the list has {listed} rows but total_count says {self._last or self.announced}"
            yield Doubt("total", int(missing), words)
        elif listed < before.rows and not (self._consistent if before.totals_agreed else self._stated):
            words = f"the list has {listed} rows and no total_count; the last poll got {before.rows} rows with totals"
            yield Doubt("no total", before.rows - listed, words)

    def found(self, listed: int, repeated: int, *, numbers_were_right: bool, invalid_rows: int) -> Found:
        """Return the result of a walk that listed this many rows, and this many duplicate rows."""
        return Found(
            listed,
            totals_agreed=self._consistent.has_any(listed, listed),
            announced=self.announced,
            is_contradicted=bool(self._stated) and not self._stated.has_any(listed, listed + repeated),
            numbers_were_right=numbers_were_right,
            invalid_rows=invalid_rows,
        )


class PageNumbers:
    """The page numbers in the responses. Some APIs count pages from 0, or state the same number on every page."""

    def __init__(self) -> None:
        """Start a walk without pages."""
        self._stated: dict[int, int] = {}

    def note(self, number: int, stated: int | None) -> None:
        """Record the page number that the response to the request for page `number` stated."""
        if stated is not None:
            self._stated[number] = stated

    @property
    def are_right(self) -> bool:
        """Whether every stated page number is the requested page number."""
        return bool(self._stated) and all(number == stated for number, stated in self._stated.items())

    def doubts(self) -> Iterator[Doubt]:
        """Yield a doubt for the first page with a wrong number.

        There is no doubt if all numbers differ from the requested ones by the same offset, or if all are the same.
        """
        offsets = {stated - number for number, stated in self._stated.items()}
        if min(len(offsets), len(set(self._stated.values()))) > 1:
            number, stated = next(each for each in self._stated.items() if each[0] != each[1])
            yield Doubt("page number", 0, f"requested page {number}, got page {stated}")
