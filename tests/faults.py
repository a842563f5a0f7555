"""Faults of Cloudflare or of the network.

Each fault has its reason in the error counter, and words that its one log line must contain. Its function `happen`
gets the simulator's handler of a request.
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
LISTS = (*WITH_TOTALS, "policy_test_users")  # lists with numbered pages
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
    """Something that happens to a request for one of the endpoints, or with `from_there_on` to all later pages too.

    `needs_totals`: the exporter detects the fault on every page only if the totals were correct at the last poll.
    """

    name: str
    reason: str
    words: str
    happen: Callable[[Handler], None]
    endpoints: Sequence[str] = ALL
    from_there_on: bool = False
    needs_totals: bool = False


def answers(status: int, body: bytes | str = HTML, **headers: str) -> Callable[[Handler], None]:
    """Send a complete response; `Retry_After` is the header Retry-After."""
    content = body if isinstance(body, bytes) else body.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: handler.send(Response(status, content, named))


def refuses(status: int, code: int, **headers: str) -> Callable[[Handler], None]:
    """Send an error response with this code."""
    errors = [{"code": code, "message": "planted message"}]
    body = json.dumps({"success": False, "errors": errors, "messages": [], "result": None})
    return answers(status, body, **headers)


def listed(rows: object, page: int) -> Callable[[Handler], None]:
    """Send a page of these rows, and a cursor for the next page for lists that have cursors."""
    return answers(200, json.dumps({"success": True, "result": rows, "result_info": {"cursor": f"page-{page + 1}"}}))


def result(value: str) -> Callable[[Handler], None]:
    """Send a response with this JSON as its result."""
    return answers(200, f'{{"success": true, "errors": [], "messages": [], "result": {value}}}')


def sends(*lines: str) -> Callable[[Handler], None]:
    """Send these lines and close the connection."""
    content = "\r\n".join(lines).encode()

    def send(handler: Handler) -> None:
        handler.wfile.write(content)

    return send


def resets(*lines: str) -> Callable[[Handler], None]:
    """Send these lines and reset the connection."""

    def reset(handler: Handler) -> None:
        sends(*lines)(handler)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return reset


def drips(*lines: str, drop: bytes = b"") -> Callable[[Handler], None]:
    """Send these lines, then keep sending `drop`, if any, until the client closes the connection."""

    def drip(handler: Handler) -> None:
        sends(*lines)(handler)
        while not select.select([handler.connection], [], [], 0.02)[0]:
            handler.wfile.write(drop)

    return drip


def pours(*lines: str, drop: bytes = MEGABYTE) -> Callable[[Handler], None]:
    """Send these lines, then `drop` 200 times."""

    def pour(handler: Handler) -> None:
        sends(*lines)(handler)
        for _ in range(200):
            handler.wfile.write(drop)

    return pour


def explodes(status: int) -> Callable[[Handler], None]:
    """Send a response with a gzip bomb: 200 MB in 200 KB."""
    return answers(status, gzip.compress(b" " * (1 << 20)) * 200, Content_Encoding="gzip")


EMPTY_MEMBER = gzip.compress(b"")


def packs(body: bytes, times: int = 1) -> Callable[[Handler], None]:
    """Send a response with this compressed body, and a header that says how many times it is compressed."""
    return answers(200, body, Content_Encoding=", ".join(["gzip"] * times))


def breaks_off(handler: Handler) -> None:
    """Send the correct response without its last bytes, but with the length of the complete one."""
    body = handler.response().body
    sends(OK, f"Content-Length: {len(body)}", "", body[:-5].decode())(handler)


def breaks_off_in_gzip(handler: Handler) -> None:
    """Send a compressed response without its second half, with the length of the part that is sent."""
    body = gzip.compress(handler.response().body)
    handler.send(Response(200, body[: len(body) // 2], {"Content-Encoding": "gzip"}))


def is_changed_in_gzip(handler: Handler) -> None:
    """Send a compressed response with one changed byte, so that its checksum is wrong."""
    body = bytearray(gzip.compress(handler.response().body))
    body[-6] ^= 1
    handler.send(Response(200, bytes(body), {"Content-Encoding": "gzip"}))


def lists_more(handler: Handler) -> None:
    """Answer each page with a full page of new rows."""
    page = handler.arrival.page or 0
    listed([{"id": f"{page}-{number}"} for number in range(1000)], page)(handler)


def lists_the_same(handler: Handler) -> None:
    """Answer each page with the same full page of rows."""
    listed([{"id": str(number)} for number in range(1000)], handler.arrival.page or 0)(handler)


def lacks_rows(kept: int) -> Callable[[Handler], None]:
    """Send the correct response with only the first few of its rows, and unchanged totals."""

    def lack(handler: Handler) -> None:
        answer = json.loads(handler.response().body)
        answers(200, json.dumps(answer | {"result": answer["result"][:kept]}))(handler)

    return lack


def lacks_rows_and_totals(handler: Handler) -> None:
    """Send the first row of the correct response, without the length of the list."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result": answer["result"][:1], "result_info": None}))(handler)


def is_null_beside_totals(handler: Handler) -> None:
    """Send `null` instead of the rows of the correct response, with unchanged totals."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result": None}))(handler)


def claims_another_page(handler: Handler) -> None:
    """Send the correct rows with a wrong page number."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result_info": answer["result_info"] | {"page": 7}}))(handler)


def says_first(*lines: str) -> Callable[[Handler], None]:
    """Send these lines before the correct response."""

    def say(handler: Handler) -> None:
        sends(*lines)(handler)
        handler.send(handler.response())

    return say


def says_after(content: bytes) -> Callable[[Handler], None]:
    """Send this directly after the correct response, on a connection that should stay open."""

    def say(handler: Handler) -> None:
        body = handler.response().body
        handler.wfile.write(f"{OK}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + content)
        handler.close_connection = False

    return say
