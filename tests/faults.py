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
from dataclasses import dataclass, replace
from email.utils import formatdate

from access_exporter.simulator import Handler, Response

LISTS = ("users", "policy_test_users")
ALL = (*LISTS, "policy_test")

MEGABYTE = b"planted " * (1 << 17)
HTML = b"<!DOCTYPE html><title>planted page</title>"
OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: chunked"
NOT_HTTP = "the answer was not HTTP or broke off"
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
    result(json.dumps([{"id": f"{page}-{number}"} for number in range(1000)]))(handler)


def lists_the_same(handler: Handler) -> None:
    """Answer each page with the same full page of rows."""
    result(json.dumps([{"id": str(number)} for number in range(1000)]))(handler)


def lacks_rows(kept: int) -> Callable[[Handler], None]:
    """Give the proper answer but for its rows, of which only the first few are left, whatever its totals say."""

    def lack(handler: Handler) -> None:
        answer = json.loads(handler.response().body)
        answers(200, json.dumps(answer | {"result": answer["result"][:kept]}))(handler)

    return lack


def claims_another_page(handler: Handler) -> None:
    """Give the proper rows, and say that they are those of another page."""
    answer = json.loads(handler.response().body)
    answers(200, json.dumps(answer | {"result_info": answer["result_info"] | {"page": 7}}))(handler)


DEEP = 300_000
NOT_JSON = "is not JSON"
ODD = "is not as documented"

ANSWERS = [
    Fault("400 malformed token", "auth", "check its value", refuses(400, 6003)),
    Fault("400 bad request", "not_found", "check the ids in the configuration", refuses(400, 12130)),
    Fault("400 of no known kind", "invalid_response", "not an answer this API gives", refuses(400, 1), ["users"]),
    Fault("401", "auth", "check its value", refuses(401, 10000)),
    Fault("403", "permission", "needs the permission", refuses(403, 10000)),
    Fault("403 HTML", "permission", "needs the permission", answers(403)),
    Fault("404", "not_found", "check the ids in the configuration", refuses(404, 7003)),
    Fault("404 no Zero Trust", "not_found", "Zero Trust is not set up", refuses(404, 9999)),
    Fault("408", "timeout", "did not arrive in time", answers(408)),
    Fault("429", "rate_limited", "too many requests", refuses(429, 971)),
    Fault("429 for seconds", "rate_limited", "too many requests", refuses(429, 971, Retry_After="7")),
    Fault("429 for ages", "rate_limited", "too many requests", refuses(429, 971, Retry_After="9" * 15)),
    Fault("429 until long ago", "rate_limited", "too many", refuses(429, 971, Retry_After=formatdate(0, usegmt=True))),
    Fault("429 for less than no time", "rate_limited", "too many requests", refuses(429, 971, Retry_After="-5")),
    Fault("429 for garbage", "rate_limited", "too many requests", refuses(429, 971, Retry_After="planted")),
    Fault("429 HTML", "rate_limited", "too many requests", answers(429)),
    Fault("500", "server", "trouble at Cloudflare", refuses(500, 1)),
    Fault("503 for ages", "server", "trouble at Cloudflare", answers(503, Retry_After="86400")),
    *(
        Fault(f"{status} HTML", "server", f"{status} from /access/", answers(status))
        for status in (500, 502, 503, 504, *range(520, 527), 599)
    ),
    Fault("204", "invalid_response", "204 from", sends("HTTP/1.1 204 No Content", "", "")),
    Fault("206", "invalid_response", "206 from", answers(206, '{"success": true, "result": []}')),
    Fault("HTML with 200", "invalid_response", NOT_JSON, answers(200)),
    Fault("empty body", "invalid_response", NOT_JSON, answers(200, "")),
    Fault("half of the JSON", "invalid_response", NOT_JSON, answers(200, '{"success": true, "result": [{"id": "')),
    Fault("UTF-16", "invalid_response", NOT_JSON, answers(200, '{"result": []}'.encode("utf-16"))),
    Fault("nested too deep", "invalid_response", NOT_JSON, result("[" * DEEP + "]" * DEEP)),
    Fault("nested without end", "invalid_response", "more than a page", answers(200, '{"result":' * DEEP)),
    Fault("nested too deep beside the result", "invalid_response", NOT_JSON, result("[]," + '"x":' + "[" * DEEP)),
    Fault("success: false", "invalid_response", "Cloudflare says that it failed", answers(200, '{"success": false}')),
    Fault("success: false with a code", "permission", "needs the permission", refuses(200, 10000)),
    Fault("errors", "permission", "(code 10000)", answers(200, '{"errors": [{"code": 10000}], "result": []}'), LISTS),
    Fault(
        "errors as an object",
        "invalid_response",
        "it failed",
        answers(200, '{"errors": {"a": 1}, "result": []}'),
        LISTS,
    ),
    Fault("a million rows", "invalid_response", "more than a page", result(f"[{'{},' * 1_000_000}{{}}]"), LISTS),
    Fault("a string without end", "invalid_response", NOT_JSON, answers(200, f'{"[" * 60}"{QUOTE * 1_900_000}')),
    Fault("a string without end in a refusal", "permission", "403", answers(403, f'{"[" * 60}"{QUOTE * 30_000}')),
    Fault("result: null", "invalid_response", "has no result", result("null")),
    Fault("no result", "invalid_response", "has no result", answers(200, '{"success": true}')),
    Fault("result: text", "invalid_response", ODD, result('"planted"')),
    Fault("result: number", "invalid_response", ODD, result("17")),
    Fault("an object for a list", "invalid_response", ODD, result("{}"), LISTS),
    Fault("a list for an object", "invalid_response", ODD, result("[]"), ["policy_test"]),
    Fault("rows of text", "invalid_response", ODD, result('["planted"]')),
    Fault("a row of a wrong type", "invalid_response", ODD, result('[{"id": "1"}, {"id": 5}]')),
    Fault("a date of no day", "invalid_response", ODD, result('[{"created_at": "2026-02-30T00:00:00Z"}]'), ["users"]),
    Fault("a share of text", "invalid_response", ODD, result('{"total_users": "planted"}'), ["policy_test"]),
    Fault("a share above all", "invalid_response", ODD, result('{"percent_users_processed": 101}'), ["policy_test"]),
    Fault("fewer than none", "invalid_response", ODD, result('{"total_users": -1}'), ["policy_test"]),
    Fault("a list for the envelope", "invalid_response", ODD, answers(200, '["planted"]')),
    Fault("gzip of nothing", "invalid_response", NOT_JSON, answers(200, b"", Content_Encoding="gzip")),
    Fault("gzip that is none", "invalid_response", "cannot be unpacked", answers(200, HTML, Content_Encoding="gzip")),
    Fault("gzip that breaks off", "invalid_response", NOT_JSON, breaks_off_in_gzip),
    Fault("gzip that changed", "invalid_response", "cannot be unpacked", is_changed_in_gzip),
    Fault("an encoding nobody asked for", "invalid_response", NOT_JSON, answers(200, HTML, Content_Encoding="br")),
    Fault("200 MB", "invalid_response", TOO_LARGE, pours(OK, f"Content-Length: {200 << 20}", "", "")),
    Fault("200 MB without a length", "invalid_response", TOO_LARGE, pours(OK, "", "")),
    Fault(
        "200 MB in chunks",
        "invalid_response",
        TOO_LARGE,
        pours(OK, CHUNKED, "", "", drop=b"100000\r\n" + MEGABYTE + b"\r\n"),
    ),
    Fault("gzip bomb", "invalid_response", TOO_LARGE, explodes(200)),
    Fault("gzip bomb in a refusal", "server", "500 from", explodes(500)),
    Fault(
        "200 MB in a refusal",
        "permission",
        "403 from",
        pours("HTTP/1.1 403 Forbidden", f"Content-Length: {200 << 20}", "", ""),
    ),
    Fault("more rows than a page has", "invalid_response", ODD, result("[" + "[]," * 300_000 + "[]]"), ["users"]),
    Fault("no rows", "invalid_response", "no rows", lacks_rows(0), LISTS, needs_totals=True),
    Fault("half of the rows", "invalid_response", "rows of a list of 6", lacks_rows(1), ["users"], needs_totals=True),
    Fault(
        "another page",
        "invalid_response",
        ", got page 7",
        claims_another_page,
        ["users"],
        needs_totals=True,
    ),
    Fault("fresh rows for ever", "invalid_response", "the list did not end", lists_more, LISTS, from_there_on=True),
    Fault("the same rows for ever", "invalid_response", "repeats itself", lists_the_same, LISTS, from_there_on=True),
]

CONNECTIONS = [
    Fault("hangs up at once", "network", "the connection was reset", sends()),
    Fault("reset at once", "network", "the connection was reset", resets()),
    Fault("reset in the headers", "network", "the connection was reset", resets(OK, "X-Planted: planted")),
    Fault("reset in the body", "network", "the connection was reset", resets(OK, "Content-Length: 1000", "", "{")),
    Fault("hangs up in the headers", "network", NOT_HTTP, sends(OK, "X-Planted: planted")),
    Fault("body too short", "network", "the answer broke off", breaks_off),
    Fault("a 429 that breaks off", "rate_limited", "again in 7 s", sends(REFUSED, "Retry-After: 7", *HALF)),
    Fault("a 401 that breaks off", "auth", "check its value", sends("HTTP/1.1 401 Unauthorized", *HALF)),
    Fault("a 503 that breaks off", "server", "503 from", sends("HTTP/1.1 503 Service Unavailable", *HALF)),
    Fault("a 403 that cannot be unpacked", "permission", "403 from", answers(403, HTML, Content_Encoding="gzip")),
    Fault("no body", "network", "the answer broke off", sends(OK, "Content-Length: 100", "", "")),
    Fault("a chunk of garbage", "network", NOT_HTTP, sends(OK, CHUNKED, "", "planted", "")),
    Fault("a chunk that breaks off", "network", NOT_HTTP, sends(OK, CHUNKED, "", "64", '{"result": [')),
    Fault("chunks without an end", "network", NOT_HTTP, sends(OK, CHUNKED, "", "2", "{}", "")),
    Fault("a chunk of less than nothing", "network", NOT_HTTP, sends(OK, CHUNKED, "", "-5", "{}", "0", "", "")),
    Fault("200 MB in a chunk of -1", "network", NOT_HTTP, pours(OK, CHUNKED, "", "-1", "")),
    Fault(
        "two lengths", "network", NOT_HTTP, sends(OK, "Content-Length: 2", "Content-Length: 14", "", '{"result": []}')
    ),
    Fault("garbage", "network", NOT_HTTP, sends("planted planted", "planted")),
    Fault("TLS on a plain port", "network", NOT_HTTP, sends("\x15\x03\x01\0\x02\x02\x28")),
    Fault("another HTTP", "network", NOT_HTTP, sends("HTTP/2.0 200 OK", "", "")),
    Fault("a status that is none", "network", NOT_HTTP, sends("HTTP/1.1 planted OK", "", "")),
    Fault("thousands of headers", "network", NOT_HTTP, sends(OK, *["X-Planted: planted"] * 5000, "", "")),
    Fault("a header of a megabyte", "network", NOT_HTTP, sends(OK, "X: " + "planted " * (1 << 17), "", "")),
    Fault("silence", "timeout", "no whole answer", drips()),
    Fault("silence in the headers", "timeout", "no whole answer", drips(OK, "X-Planted: ")),
    Fault("silence after the headers", "timeout", "no whole answer", drips(OK, "Content-Length: 100", "", "")),
    Fault("headers byte by byte", "timeout", "no whole answer", drips(OK, "X-Planted: ", drop=b"x")),
    Fault("headers without end", "timeout", "no whole answer", drips("HTTP/1.1 100 Continue", drop=b"\r\nX: x")),
    Fault("100 Continue for ever", "timeout", "no whole answer", drips(drop=b"HTTP/1.1 100 Continue\r\n\r\n")),
    Fault("103 Early Hints for ever", "timeout", "no whole answer", drips(drop=b"HTTP/1.1 103 Early Hints\r\n\r\n")),
    Fault("body byte by byte", "timeout", "no whole answer", drips(OK, "Content-Length: 9999", "", "", drop=b"x")),
    Fault("chunk by chunk", "timeout", "no whole answer", drips(OK, CHUNKED, "", "", drop=b"1\r\nx\r\n")),
    Fault("trailers for ever", "timeout", "no whole answer", drips(OK, CHUNKED, "", "0", "", drop=b"X: x\r\n")),
]

FAULTS = ANSWERS + CONNECTIONS


@dataclass(frozen=True)
class Noise:
    """Something odd about a good answer, that must make no difference."""

    name: str
    happen: Callable[[Handler], None]


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


def with_headers(*lines: str) -> Callable[[Handler], None]:
    """Send the proper body under other headers, and hang up."""
    return lambda handler: sends(OK, *lines, "", handler.response().body.decode())(handler)


def in_chunks(handler: Handler) -> None:
    """Send the proper answer in chunks of one byte, with extensions and a trailer."""
    chunks = b"".join(b"1;planted=x\r\n%c\r\n" % byte for byte in handler.response().body)
    sends(OK, CHUNKED, "Content-Length: 3", "", "")(handler)
    handler.wfile.write(chunks + b"0\r\nX-Planted: planted\r\n\r\n")
    handler.close_connection = False


def compressed_twice(handler: Handler) -> None:
    """Send the proper answer compressed twice."""
    answer = handler.response()
    body = gzip.compress(gzip.compress(answer.body))
    handler.send(replace(answer, body=body, headers={"Content-Encoding": "gzip, gzip"}))


def with_bom(handler: Handler) -> None:
    """Send the proper answer behind a byte order mark."""
    answer = handler.response()
    handler.send(replace(answer, body=b"\xef\xbb\xbf" + answer.body))


NEVER = "Thu, 01 Jan 99999 00:00:00 GMT"
NOISES = [
    Noise("100 Continue", says_first(*["HTTP/1.1 100 Continue", "X-Planted: planted", ""] * 20, "")),
    Noise("103 Early Hints", says_first("HTTP/1.1 103 Early Hints", "Link: </planted>; rel=preload", "", "")),
    Noise("102 and 103", says_first("HTTP/1.1 102 Processing", "", "HTTP/1.1 103 Early Hints", "", "")),
    Noise("an answer nobody asked for", says_after(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"result": []}')),
    Noise("garbage after the answer", says_after(MEGABYTE)),
    Noise("no length", with_headers("Connection: close")),
    Noise("a length of garbage", with_headers("Content-Length: planted")),
    Noise("a length of less than nothing", with_headers("Content-Length: -1")),
    Noise("a length nobody can count", with_headers("Content-Length: " + "9" * 5000)),
    Noise("a line that is no header", with_headers("planted planted")),
    Noise("a header of control characters", with_headers("X-Pl\x01anted: \x00\x1b[31m")),
    Noise("odd cookies", with_headers('Set-Cookie: =; max-age=x; expires="; domain=\xff; port=""; version=9')),
    Noise("cookies too odd for Python", with_headers(f"Set-Cookie2: a=b; expires={NEVER}", "Set-Cookie: deflate")),
    Noise("an odd Ratelimit", with_headers('Ratelimit: "default";r=99999999999999999999;t=-5', "Ratelimit-Policy: q")),
    Noise("chunks of a byte", in_chunks),
    Noise("compressed twice", compressed_twice),
    Noise("a byte order mark", with_bom),
]
