"""How answers are put: the envelope around each, and lists cut into pages."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from access_exporter.simulator.account import PolicyTestUser, Registration, Row, User, members


@dataclass(frozen=True)
class Response:
    """A whole answer; its Content-Type is JSON unless `headers` say otherwise."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def success(result: object, **more: object) -> Response:
    """The envelope around a good result; `more` goes beside it, as `result_info` does."""
    return Response(200, _json({"success": True, "errors": [], "messages": [], "result": result, **more}))


def error(status: int, code: int, message: str, **more: object) -> Response:
    """The envelope around one error; `more` goes into the error, as `error_chain` does."""
    errors = [{"code": code, "message": message, **more}]
    return Response(status, _json({"success": False, "errors": errors, "messages": [], "result": None}))


def _json(value: object) -> bytes:
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime):  # in UTC, without trailing zeros: 2014-01-01T05:20:00.12345Z
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat()
        return (text.rstrip("0") if value.microsecond else text) + "Z"
    if isinstance(value, User | PolicyTestUser | Registration | Mapping):
        return members(value)
    raise TypeError(f"a row cannot hold a {type(value).__name__}")


# Turns an honest result_info into what the envelope gets: {"result_info": …}, or nothing.
Paging: TypeAlias = Callable[[dict[str, int]], Mapping[str, object]]


def honest_paging(info: dict[str, int]) -> Mapping[str, object]:
    """Tell the truth."""
    return {"result_info": info}


def no_result_info(_info: dict[str, int]) -> Mapping[str, object]:
    """Leave result_info out, as the page of policy test users does."""
    return {}


def null_result_info(_info: dict[str, int]) -> Mapping[str, object]:
    """Send result_info as null."""
    return {"result_info": None}


def cursor_paging(info: dict[str, int]) -> Mapping[str, object]:
    """Send a cursor that asks for the next page, which is empty on the last; the number of rows is not told."""
    cursor = f"page-{info['page'] + 1}" if info["page"] < info["total_pages"] else ""
    return {
        "result_info": {"count": info["count"], "per_page": info["per_page"], "total_count": None, "cursor": cursor}
    }


def contradictory_totals(info: dict[str, int]) -> Mapping[str, object]:
    """Claim on each page what the documented example claims: one user, on a hundred pages."""
    return {"result_info": info | {"total_count": 1, "total_pages": 100}}


def totals_too_small(info: dict[str, int]) -> Mapping[str, object]:
    """Halve the number of rows, but not that of pages: totals that are wrong and agree look like the truth."""
    return {"result_info": info | {"total_count": info["total_count"] // 2}}


def totals_too_large(info: dict[str, int]) -> Mapping[str, object]:
    """Double the totals and add one, so that even an empty list claims a user."""
    return {"result_info": info | {name: info[name] * 2 + 1 for name in ("total_count", "total_pages")}}


class Listing:
    """The pages of some rows, each rendered once: with many users, rendering costs far more than sending.

    The last `repeat` rows of a page come again at the start of the next one.
    """

    def __init__(self, rows: tuple[Row, ...], repeat: int, paging: Paging) -> None:
        self.rows = rows
        self._repeat = repeat
        self._paging = paging
        self._pages: dict[tuple[int, int], Response] = {}

    def page(self, page: int, per_page: int) -> Response:
        """One page, counted from 1; a page past the end is empty."""
        key = page, per_page
        if key not in self._pages:
            self._pages[key] = self._render(page, per_page)
        return self._pages[key]

    def _render(self, page: int, per_page: int) -> Response:
        step = max(1, per_page - self._repeat)
        pages = 1 + max(0, math.ceil((len(self.rows) - per_page) / step)) if self.rows else 0
        first = (page - 1) * step
        rows = self.rows[first : first + per_page] if page <= pages else ()
        # Repeated rows are counted again: a server that repeats rows does not know that it does.
        total = len(self.rows) + (per_page - step) * max(0, pages - 1)
        info = {"count": len(rows), "page": page, "per_page": per_page, "total_count": total, "total_pages": pages}
        return success(rows, **self._paging(info))
