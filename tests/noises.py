"""Valid but unusual responses of Cloudflare, which the exporter must accept."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from access_exporter.simulator import Handler, Response
from tests.faults import CHUNKED, MEGABYTE, OK, says_after, says_first, sends


@dataclass(frozen=True)
class Noise:
    """An unusual form of a correct response, which must not change the result."""

    name: str
    happen: Callable[[Handler], None]


def with_headers(*lines: str) -> Callable[[Handler], None]:
    """Send the correct body with other headers, and close the connection."""
    return lambda handler: sends(OK, *lines, "", handler.response().body.decode())(handler)


def in_chunks(handler: Handler) -> None:
    """Send the correct response in chunks of one byte, with extensions and a trailer."""
    chunks = b"".join(b"1;planted=x\r\n%c\r\n" % byte for byte in handler.response().body)
    sends(OK, CHUNKED, "Content-Length: 3", "", "")(handler)
    handler.wfile.write(chunks + b"0\r\nX-Planted: planted\r\n\r\n")
    handler.close_connection = False


def compressed_twice(handler: Handler) -> None:
    """Send the correct response, compressed twice."""
    answer = handler.response()
    body = gzip.compress(gzip.compress(answer.body))
    handler.send(replace(answer, body=body, headers={"Content-Encoding": "gzip, gzip"}))


def compressed_in_pieces(handler: Handler) -> None:
    """Send the correct response in several gzip members, followed by zeros that fill a block."""
    answer = handler.response()
    pieces = [answer.body[start : start + 100] for start in range(0, len(answer.body), 100)]
    body = b"".join(map(gzip.compress, pieces)) + bytes(512)
    handler.send(replace(answer, body=body, headers={"Content-Encoding": "X-GZIP"}))


def with_bom(handler: Handler) -> None:
    """Send the correct response after a byte order mark."""
    answer = handler.response()
    handler.send(replace(answer, body=b"\xef\xbb\xbf" + answer.body))


def with_info(info: Callable[[dict[str, Any]], object]) -> Callable[[Handler], None]:
    """Send the correct response with another `result_info`, if the list has numbered pages."""

    def send(handler: Handler) -> None:
        answer = handler.response()
        data = json.loads(answer.body)
        if "page" in (data.get("result_info") or {}):
            data["result_info"] = info(data["result_info"])
        handler.send(replace(answer, body=json.dumps(data).encode()))

    return send


def null_for_an_empty_list(handler: Handler) -> None:
    """Send the correct response with `null` instead of an empty list, like a nil slice of Go."""
    answer = handler.response()
    handler.send(replace(answer, body=answer.body.replace(b'"result": []', b'"result": null')))


def refused_beyond_the_end(status: int) -> Callable[[Handler], None]:
    """Send the correct response, but answer with an error status instead of an empty page."""

    def send(handler: Handler) -> None:
        answer = handler.response()
        handler.send(Response(status, b"{}", {}) if b'"result": []' in answer.body else answer)

    return send


NEVER = "Thu, 01 Jan 99999 00:00:00 GMT"
NOISES = [
    Noise("100 Continue", says_first(*["HTTP/1.1 100 Continue", "X-Planted: planted", ""] * 20, "")),
    Noise("103 Early Hints", says_first("HTTP/1.1 103 Early Hints", "Link: </planted>; rel=preload", "", "")),
    Noise("102 and 103", says_first("HTTP/1.1 102 Processing", "", "HTTP/1.1 103 Early Hints", "", "")),
    Noise("an unrequested second response", says_after(b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"result": []}')),
    Noise("garbage after the response", says_after(MEGABYTE)),
    Noise("no Content-Length", with_headers("Connection: close")),
    Noise("an invalid Content-Length", with_headers("Content-Length: planted")),
    Noise("a negative Content-Length", with_headers("Content-Length: -1")),
    Noise("a Content-Length of 5000 digits", with_headers("Content-Length: " + "9" * 5000)),
    Noise("an invalid header line", with_headers("planted planted")),
    Noise("a header with control characters", with_headers("X-Pl\x01anted: \x00\x1b[31m")),
    Noise("invalid cookies", with_headers('Set-Cookie: =; max-age=x; expires="; domain=\xff; port=""; version=9')),
    Noise(
        "an expiry date of the year 99999", with_headers(f"Set-Cookie2: a=b; expires={NEVER}", "Set-Cookie: deflate")
    ),
    Noise(
        "an invalid Ratelimit", with_headers('Ratelimit: "default";r=99999999999999999999;t=-5', "Ratelimit-Policy: q")
    ),
    Noise("chunks of one byte", in_chunks),
    Noise("compressed twice", compressed_twice),
    Noise("several gzip members", compressed_in_pieces),
    Noise("a byte order mark", with_bom),
    Noise("page numbers from 0", with_info(lambda info: info | {"page": info["page"] - 1})),
    Noise("always page number 1", with_info(lambda info: info | {"page": 1})),
    Noise("offsets as page numbers", with_info(lambda info: info | {"page": (info["page"] - 1) * info["per_page"]})),
    Noise("no totals", with_info(lambda _: None)),
    Noise("null for an empty list", null_for_an_empty_list),
    *(Noise(f"{status} after the last page", refused_beyond_the_end(status)) for status in (400, 404, 416, 422)),
]
