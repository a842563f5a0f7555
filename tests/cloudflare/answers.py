"""HTTP responses, valid and invalid, that a test server sends over a real connection."""

import gzip
from collections.abc import Callable

from access_exporter.simulator import Handler, Response

OK = "HTTP/1.1 200 OK"
CHUNKED = "Transfer-Encoding: chunked"


def sends(*lines: str) -> Callable[[Handler], None]:
    """Return a handler that sends these lines and then nothing."""

    def send(handler: Handler) -> None:
        handler.wfile.write("\r\n".join(lines).encode())

    return send


def answers(body: bytes, encoding: str = "identity") -> Callable[[Handler], None]:
    """Return a handler that sends a complete response with this body."""
    return lambda handler: handler.send(Response(200, body, {"Content-Encoding": encoding}))


MEGABYTE = b"planted " * (1 << 17)
GZIP_HEADER = gzip.compress(b"")[:10]
EMPTY_BLOCK = b"\0\0\0\xff\xff"  # a block of a gzip body that decompresses to no bytes


def endless_body(handler: Handler) -> None:
    """Send a response of 200 MB."""
    sends(OK, f"Content-Length: {200 * len(MEGABYTE)}", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)


def endless_chunks(handler: Handler) -> None:
    """Send 200 MB in chunks, without a Content-Length."""
    sends(OK, CHUNKED, "", "")(handler)
    for _ in range(200):
        handler.wfile.write(b"100000\r\n" + MEGABYTE + b"\r\n")


def gzip_bomb(status: str = "200 OK", *lines: str) -> Callable[[Handler], None]:
    """Return a handler that sends 200 MB compressed to 200 KB."""
    body = gzip.compress(b" " * (200 << 20), compresslevel=1)

    def send(handler: Handler) -> None:
        sends(f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Encoding: gzip", *lines, "", "")(handler)
        handler.wfile.write(body)

    return send


def redirect_with_endless_body(handler: Handler) -> None:
    """Send a redirect with a body of 200 MB."""
    sends("HTTP/1.1 302 Found", f"Content-Length: {200 * len(MEGABYTE)}", "Location: /client/v4", "", "")(handler)
    for _ in range(200):
        handler.wfile.write(MEGABYTE)
