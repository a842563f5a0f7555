"""What can go wrong between Cloudflare and the exporter, and what the exporter makes of it.

Each fault has the reason it is counted under, and words that the one log line about it must hold. It is given the
connection of a request, as the simulator hands it out.
"""

import gzip
import json
import select
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from access_exporter.simulator import Handler, Response

WITH_TOTALS = ("users", "apps", "policies")
LISTS = (*WITH_TOTALS, "policy_test_users")  # whose pages have numbers
PAGED = (*LISTS, "devices")
ALL = (*PAGED, "policy_test")

MEGABYTE = b"planted " * (1 << 17)
HTML = b"<!DOCTYPE html><title>planted page</title>"
OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: chunked"
NOT_HTTP = "the response was not HTTP or ended early"
TOO_LARGE = "is larger than"
REFUSED = "HTTP/1.1 429 Too Many Requests"
HALF = ("Content-Length: 100", "", '{"success": false, ')
QUOTE = '\\"'


@dataclass(frozen=True)
class Fault:
    """Something that happens to a request for one of the endpoints, or `from_there_on` to that page and all after.

    `needs_totals`: without totals that were right at the last poll, nothing tells it from a good answer on every page.
    """

    name: str
    reason: str
    words: str
    happen: Callable[[Handler], None]
    endpoints: Sequence[str] = ALL
    from_there_on: bool = False
    needs_totals: bool = False


def answers(status: int, body: bytes | str = HTML, **headers: str) -> Callable[[Handler], None]:
    """Give a whole answer; `Retry_After` is the header Retry-After."""
    content = body if isinstance(body, bytes) else body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(Response(status, content, named))


def refuses(status: int, code: int, **headers: str) -> Callable[[Handler], None]:
    """Give an answer that says no, with this error code."""
    errors = [{"code": code, "message": "planted message"}]
    body = json.dumps({"success": False, "errors": errors, "messages": [], "result": None})
    return answers(status, body, **headers)


def listed(rows: object, page: int) -> Callable[[Handler], None]:
    """Give a page of these rows, and a cursor for one more where pages are asked for by a cursor."""
    return answers(200, json.dumps({"success": True, "result": rows, "result_info": {"cursor": f"page-{page + 1}"}}))


def result(value: str) -> Callable[[Handler], None]:
    """Give an answer whose result is this JSON."""
    return answers(200, f'{{"success": true, "errors": [], "messages": [], "result": {value}}}')


def sends(*lines: str) -> Callable[[Handler], None]:
    """Send these lines, and hang up."""
    content = "\r\n".join(lines).encode()

    def send(handler: Handler) -> None:
        handler.wfile.write(content)

    return send


def resets(*lines: str) -> Callable[[Handler], None]:
    """Send these lines, and reset the connection."""

    def reset(handler: Handler) -> None:
        sends(*lines)(handler)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return reset


def drips(*lines: str, drop: bytes = b"") -> Callable[[Handler], None]:
    """Send these lines, and then a drop every now and then, or nothing, until the other side hangs up."""

    def drip(handler: Handler) -> None:
        sends(*lines)(handler)
        while not select.select([handler.connection], [], [], 0.02)[0]:
            handler.wfile.write(drop)

    return drip


def pours(*lines: str, drop: bytes = MEGABYTE) -> Callable[[Handler], None]:
    """Send these lines, and then 200 times a drop."""

    def pour(handler: Handler) -> None:
        sends(*lines)(handler)
        for _ in range(200):
            handler.wfile.write(drop)

    return pour


def explodes(status: int) -> Callable[[Handler], None]:
    """Give an answer with a gzip bomb: 200 MB in 200 KB."""
    return answers(status, gzip.compress(b" " * (1 << 20)) * 200, Content_Encoding="gzip")


EMPTY_MEMBER = gzip.compress(b"")


def packs(body: bytes, times: int = 1) -> Callable[[Handler], None]:
    """Give an answer with this compressed body, which is said to be compressed so many times."""
    return answers(200, body, Content_Encoding=", ".join(["gzip"] * times))


def breaks_off(handler: Handler) -> None:
    """Send the proper answer but for its end, under the length of the whole."""
    body = handler.response().body
    sends(OK, f"Content-Length: {len(body)}", "", body[:-5].decode())(handler)


def breaks_off_in_gzip(handler: Handler) -> None:
    """Send a compressed answer whose end is missing, under the length of what is there."""
    body = gzip.compress(handler.response().body)
    handler.send(Response(200, body[: len(body) // 2], {"Content-Encoding": "gzip"}))


def is_changed_in_gzip(handler: Handler) -> None:
    """Send a compressed answer of which one byte changed on the way, so that its check sum is wrong."""
    body = bytearray(gzip.compress(handler.response().body))
    body[-6] ^= 1
    handler.send(Response(200, bytes(body), {"Content-Encoding": "gzip"}))


def lists_more(handler: Handler) -> None:
    """Answer with a full page of rows nobody has seen before."""
    page = handler.arrival.page or 0
    listed([{"id": f"{page}-{number}"} for number in range(1000)], page)(handler)


def lists_the_same(handler: Handler) -> None:
    """Answer each page with the same full page of rows."""
    listed([{"id": str(number)} for number in range(1000)], handler.arrival.page or 0)(handler)


def lacks_rows(kept: int) -> Callable[[Handler], None]:
    """Give the proper answer but for its rows, of which only the first few are left, whatever its totals say."""

    def lack(handler: Handler) -> None:
        answer = json.loads(handler.response().body)
        answers(200, json.dumps(answer | {"result": answer["result"][:kept]}))(handler)

    return lack


def lacks_rows_and_totals(handler: Handler) -> None:
    """Give the first row of the proper answer, and say nothing of the length of the list."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result": answer["result"][:1], "result_info": None}))(handler)


def is_null_beside_totals(handler: Handler) -> None:
    """Give `null` for the rows of the proper answer, whatever its totals say."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result": None}))(handler)


def claims_another_page(handler: Handler) -> None:
    """Give the proper rows, and say that they are those of another page."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result_info": answer["result_info"] | {"page": 7}}))(handler)


def says_first(*lines: str) -> Callable[[Handler], None]:
    """Send these lines before the proper answer."""

    def say(handler: Handler) -> None:
        sends(*lines)(handler)
        handler.send(handler.response())

    return say


def says_after(content: bytes) -> Callable[[Handler], None]:
    """Send this right behind the proper answer, on a connection that claims to stay open."""

    def say(handler: Handler) -> None:
        body = handler.response().body
        handler.wfile.write(f"{OK}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + content)
        handler.close_connection = False

    return say
