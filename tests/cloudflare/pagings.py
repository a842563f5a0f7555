"""Simulated servers that split a list into pages and state right, wrong or no totals."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.collectors.cloudflare import EMPTY, Row, answer

NULL = answer(None)


@dataclass(frozen=True)
class Paging:
    """How a server splits a list into pages, and which totals it states; `anything` holds random totals.

    `numbers` says how the server numbers the pages. `beyond` is its response after the last page.
    """

    size: int
    repeats: int
    style: str
    anything: dict[str, int | None]
    numbers: str = "absent"
    beyond: str = EMPTY

    def starts(self, rows: int) -> list[int]:
        starts = [0]
        while starts[-1] + self.size < rows:
            starts.append(starts[-1] + self.size - self.repeats)
        return starts

    def answers(self, rows: list[Row]) -> list[str]:
        starts = self.starts(len(rows))
        return [
            answer(rows[start : start + self.size], **self.numbered(number, self.result_info(len(rows), len(starts))))
            for number, start in enumerate(starts, start=1)
        ]

    def numbered(self, number: int, more: dict[str, Any]) -> dict[str, Any]:
        said = {"right": number, "from 0": number - 1, "always 1": 1, "offset": (number - 1) * self.size, "text": "1"}
        if self.numbers not in said or not more.get("result_info"):
            return more
        return {"result_info": more["result_info"] | {"page": said[self.numbers]}}

    def announced(self, rows: int) -> int | None:
        """Return the total_count that the server states."""
        total: int | None = (self.result_info(rows, len(self.starts(rows))).get("result_info") or {}).get("total_count")
        return total

    def result_info(self, rows: int, pages: int) -> dict[str, Any]:
        size, with_repeats = self.size, rows + (pages - 1) * self.repeats
        styles: dict[str, Any] = {
            "honest": {"per_page": size, "total_count": rows, "total_pages": -(-rows // size)},
            "repeats": {"per_page": size, "total_count": with_repeats, "total_pages": -(-with_repeats // size)},
            "half": {"per_page": size, "total_count": rows // 2, "total_pages": pages},
            "capped": {"per_page": size, "total_count": min(rows, 2 * size), "total_pages": min(2, -(-rows // size))},
            "one hidden": {"per_page": size, "total_count": rows + 1, "total_pages": -(-(rows + 1) // size)},
            "no pages": {"per_page": size, "total_count": rows},
            "no page size": {"per_page": 0, "total_count": rows, "total_pages": -(-rows // size)},
            "twice": {"per_page": size, "total_count": rows * 2, "total_pages": pages * 2},
            "anything": {"per_page": size, **self.anything},
            "page size as asked": {"per_page": 1000, "total_count": rows, "total_pages": -(-rows // 1000)},
            "page size only": {"per_page": 1000},
            "documented example": {"count": 1, "page": 1, "per_page": 100, "total_count": 1, "total_pages": 100},
            "null": None,
        }
        return {"result_info": styles[self.style]} if self.style in styles else {}


STYLES = (
    "honest",
    "repeats",
    "half",
    "capped",
    "one hidden",
    "no pages",
    "no page size",
    "twice",
    "anything",
    "page size as asked",
    "page size only",
    "documented example",
    "null",
    "nothing",
)


@st.composite
def pagings(draw: st.DrawFn) -> Paging:
    """Draw a server with any page size and any number of repeated rows, with right or wrong totals."""
    size = draw(st.integers(1, 12))
    repeats = draw(st.sampled_from([repeats for repeats in (0, 0, 1, 2, size - 1) if repeats < size]))
    whole = st.one_of(st.none(), st.integers(0, 40), st.just(10**18))
    anything = draw(st.fixed_dictionaries({"total_count": whole, "total_pages": whole}))
    numbers = draw(st.sampled_from(["right", "from 0", "always 1", "offset", "text", "absent"]))
    return Paging(size, repeats, draw(st.sampled_from(STYLES)), anything, numbers, draw(st.sampled_from([EMPTY, NULL])))


# These styles can state a total_count above 0 for an empty list.
SUGGESTIVE = ("anything", "twice", "one hidden", "documented example")
