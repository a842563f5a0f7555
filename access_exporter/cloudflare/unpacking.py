"""Decompresses the body of a response as it arrives.

It limits the bytes before and after decompression, the number of gzip members, and the time. Otherwise a small response
could use up memory or CPU: a few bytes of gzip can become gigabytes, and four megabytes can be 200,000 empty members.
Other threads run while zlib decompresses.
"""

import io
import zlib
from time import monotonic

import requests

MAX_MEMBERS = 50  # servers send one, or a few if they compress a body in pieces
MAX_LAYERS = 2  # a proxy may compress a compressed body again
_PIECE_BYTES = 256 * 1024
_GZIP = ("gzip", "x-gzip")  # RFC 9110, section 8.4.1.3
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_FIRST_BYTE = b"\x1f"


class UnpackingError(Exception):
    """Raised if a body cannot be decompressed, or exceeds a limit; the message gives the reason."""


def read(response: requests.Response, most: int, deadline: float) -> bytes:
    """Return the decompressed body, truncated one byte above `most` bytes.

    Raises UnpackingError if the body cannot be decompressed, and TimeoutError after the `deadline`, a time of the
    monotonic clock. Passes on the errors of the libraries for a broken connection.
    """
    layers = [_Gzip(most) for _ in range(_layers(response.headers.get("Content-Encoding", "")))]
    body, left = io.BytesIO(), most + 1
    while left and (piece := response.raw.read1(min(left, _PIECE_BYTES), decode_content=False)):
        for layer in layers:
            piece = layer.unpack(piece, left if layer is layers[-1] else most + 1)
        left -= body.write(piece)
        if monotonic() > deadline:
            raise TimeoutError
    if left:
        for layer in layers:
            layer.finish()
    return body.getvalue()


def _layers(encodings: str) -> int:
    """Return how often the body was compressed with gzip; 0 if it has an encoding that the request did not accept."""
    named = [encoding.strip().lower() for encoding in encodings.split(",")]
    if not all(encoding in _GZIP for encoding in named):
        return 0
    if len(named) > MAX_LAYERS:
        raise UnpackingError(f"compressed more than {MAX_LAYERS} times")
    return len(named)


class _Gzip:
    """Decompresses gzip members, one after the other (RFC 1952), and ignores other bytes after the last member."""

    def __init__(self, most_packed: int) -> None:
        self._packed_left = most_packed
        self._members = 0
        self._member = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._is_over = False

    def unpack(self, piece: bytes, most: int) -> bytes:
        """Decompress a piece of the body, and return at most `most` bytes; the rest is dropped."""
        self._packed_left -= len(piece)
        if self._packed_left < 0:
            raise UnpackingError("too large even before decompression")
        unpacked = b""
        while piece and len(unpacked) < most and not self._is_over:
            if not self._members or self._member.eof:
                self._begin(piece)
                continue
            try:
                unpacked += self._member.decompress(piece, most - len(unpacked))
            except zlib.error:
                raise UnpackingError("invalid gzip data") from None
            piece = self._member.unused_data
        return unpacked

    def finish(self) -> None:
        """Raise UnpackingError if the body ends in the middle of a gzip member."""
        if self._members and not self._member.eof:
            raise UnpackingError("invalid gzip data")

    def _begin(self, piece: bytes) -> None:
        self._is_over = self._members > 0 and not piece.startswith(_FIRST_BYTE)
        if self._is_over:
            return
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise UnpackingError(f"more than {MAX_MEMBERS} gzip members")
        self._member = zlib.decompressobj(_WITH_GZIP_HEADER)
