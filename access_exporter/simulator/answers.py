"""The JSON responses of the simulator: the envelope around a result or an error, and lists in pages."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

from access_exporter.simulator.account import PolicyTestUser, Registration, Row, User, members


@dataclass(frozen=True)
class Response:
    """A complete response. Its Content-Type is JSON, unless `headers` has another one."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def success(result: object, **more: object) -> Response:
    """Return the envelope of a successful result. `more` are further members beside `result`, such as `result_info`."""
    return Response(200, _json({"success": True, "errors": [], "messages": [], "result": result, **more}))


def error(status: int, code: int, message: str, **more: object) -> Response:
    """Return the envelope of one error. `more` are further members of the error, such as `error_chain`."""
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


# Turns a correct result_info into members of the envelope: {"result_info": …}, or none.
Paging: TypeAlias = Callable[[dict[str, int]], Mapping[str, object]]


def honest_paging(info: dict[str, int]) -> Mapping[str, object]:
    """Send the correct result_info."""
    return {"result_info": info}


def no_result_info(_info: dict[str, int]) -> Mapping[str, object]:
    """Omit result_info, as Cloudflare does in the list of policy test users."""
    return {}


def null_result_info(_info: dict[str, int]) -> Mapping[str, object]:
    """Send result_info as null."""
    return {"result_info": None}


def cursor_paging(info: dict[str, int]) -> Mapping[str, object]:
    """Send the cursor of the next page, or an empty cursor on the last page. The total number of rows is null."""
    cursor = f"page-{info['page'] + 1}" if info["page"] < info["total_pages"] else ""
    return {
        "result_info": {"count": info["count"], "per_page": info["per_page"], "total_count": None, "cursor": cursor}
    }


def contradictory_totals(info: dict[str, int]) -> Mapping[str, object]:
    """Send on each page the totals of the example in Cloudflare's documentation: one user, a hundred pages."""
    return {"result_info": info | {"total_count": 1, "total_pages": 100}}


def totals_too_small(info: dict[str, int]) -> Mapping[str, object]:
    """Halve the number of rows but not the number of pages, because wrong totals that agree cannot be detected."""
    return {"result_info": info | {"total_count": info["total_count"] // 2}}


def totals_too_large(info: dict[str, int]) -> Mapping[str, object]:
    """Double the totals and add one, so that even an empty list has one user by its totals."""
    return {"result_info": info | {name: info[name] * 2 + 1 for name in ("total_count", "total_pages")}}


class Listing:
    """The pages of a list, cached: with many users, rendering a page takes much longer than sending it.

    The last `repeat` rows of a page are repeated at the start of the next page.
    """

    def __init__(self, rows: tuple[Row, ...], repeat: int, paging: Paging) -> None:
        self.rows = rows
        self._repeat = repeat
        self._paging = paging
        self._pages: dict[tuple[int, int], Response] = {}

    def page(self, page: int, per_page: int) -> Response:
        """Return a page, counted from 1. A page after the last one is empty."""
        key = page, per_page
        if key not in self._pages:
            self._pages[key] = self._render(page, per_page)
        return self._pages[key]

    def _render(self, page: int, per_page: int) -> Response:
        step = max(1, per_page - self._repeat)
        pages = 1 + max(0, math.ceil((len(self.rows) - per_page) / step)) if self.rows else 0
        first = (page - 1) * step
        rows = self.rows[first : first + per_page] if page <= pages else ()
        # The total includes repeated rows, because a server that repeats rows by error also counts them.
        total = len(self.rows) + (per_page - step) * max(0, pages - 1)
        info = {"count": len(rows), "page": page, "per_page": per_page, "total_count": total, "total_pages": pages}
        return success(rows, **self._paging(info))
