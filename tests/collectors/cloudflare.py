"""Prepared responses of Cloudflare, and a record of the requests."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import responses
from requests import PreparedRequest

from tests.exporter import ACCOUNT_ID

_ACCOUNT_URL = f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT_ID}"
_URL = f"{_ACCOUNT_URL}/access"
_DEVICES_URL = f"{_ACCOUNT_URL}/devices/registrations"
DEVICES = "devices"  # the name of device requests in Cloudflare.asked

Row: TypeAlias = dict[str, Any]
Body: TypeAlias = str | bytes

EMPTY = '{"success": true, "errors": [], "messages": [], "result": []}'


def answer(result: object, **more: object) -> str:
    """Return an envelope with this result; `more` adds fields such as `result_info`."""
    return json.dumps({"success": True, "errors": [], "messages": [], "result": result, **more})


def pages(rows: Sequence[Row], size: int = 1000, **more: object) -> list[str]:
    """Return the pages of a list; `more` adds the same fields to each page."""
    return [answer(rows[first : first + size], **more) for first in range(0, len(rows), size)]


def honest_pages(rows: Sequence[Row], size: int = 1000) -> list[str]:
    """Return the pages of a list, each with a correct `result_info`."""
    totals = {"per_page": size, "total_count": len(rows), "total_pages": -(-len(rows) // size)}
    return [
        answer(
            rows[first : first + size], result_info={"count": len(rows[first : first + size]), "page": number, **totals}
        )
        for number, first in enumerate(range(0, max(1, len(rows)), size), start=1)
    ]


def registrations(rows: Sequence[Row], size: int = 1000) -> list[str]:
    """Return the pages of a list of registrations; each page except the last has the cursor of the next page."""
    parts = [rows[first : first + size] for first in range(0, max(1, len(rows)), size)]
    cursors = [*(f"after {number}" for number in range(1, len(parts))), ""]
    return [answer(part, result_info={"cursor": cursor}) for part, cursor in zip(parts, cursors, strict=True)]


class Cloudflare:
    """Sends prepared responses; `asked` records the path below `access/` and the query of each request."""

    def __init__(self, mock: responses.RequestsMock) -> None:
        """Prepare no lists, and refuse the organization and the devices, as Cloudflare does for most tokens."""
        self._mock = mock
        mock.add("GET", _DEVICES_URL, '{"success": false, "errors": [{"code": 10000}]}', status=403)
        mock.add("GET", f"{_URL}/organizations", status=403)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.headers: dict[str, str] = {}
        self.status_beyond = 200

    def lists(self, path: str, *bodies: Body, beyond: Body = EMPTY, beyond_status: int = 200) -> None:
        """Send these bodies as the first pages of a list, and `beyond` as every later page."""

        def page(request: PreparedRequest) -> tuple[int, dict[str, str], Body]:
            asked: dict[str, str] = request.params  # type: ignore[attr-defined]  # responses puts it there
            self.asked.append((path, asked))
            number = int(asked["page"])
            if number > len(bodies):
                return beyond_status if beyond_status != 200 else self.status_beyond, self.headers, beyond
            return 200, self.headers, bodies[number - 1]

        self._mock.remove("GET", f"{_URL}/{path}")
        self._mock.add_callback("GET", f"{_URL}/{path}", page)

    def registers(self, *bodies: Body) -> None:
        """Send these bodies as the pages of devices, for any cursor, and then the last body forever."""
        pages = itertools.chain(bodies, itertools.repeat(bodies[-1]))
        self.on_devices(lambda _: (200, next(pages)))

    def on_devices(self, reply: Callable[[dict[str, str]], tuple[int, Body]]) -> None:
        """Send the result of `reply` for each request for devices; `reply` gets the query."""

        def page(request: PreparedRequest) -> tuple[int, dict[str, str], Body]:
            asked: dict[str, str] = request.params  # type: ignore[attr-defined]  # responses puts it there
            self.asked.append((DEVICES, asked))
            status, body = reply(asked)
            return status, {}, body

        self._mock.remove("GET", _DEVICES_URL)
        self._mock.add_callback("GET", _DEVICES_URL, page)

    def says(self, path: str, body: Body, status: int = 200) -> None:
        """Send the same response to every request for this path."""

        def reply(request: PreparedRequest) -> tuple[int, dict[str, str], Body]:
            self.asked.append((path, request.params))  # type: ignore[attr-defined]  # responses puts it there
            return status, {}, body

        self._mock.remove("GET", f"{_URL}/{path}")
        self._mock.add_callback("GET", f"{_URL}/{path}", reply)

    def pages_asked(self) -> list[int]:
        """Return the numbers of the requested pages."""
        return [int(asked["page"]) for _, asked in self.asked if "page" in asked]
