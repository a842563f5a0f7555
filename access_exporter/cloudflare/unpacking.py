"""The body of an answer, unpacked as it arrives: bounded in bytes before and after, in gzip members, and in time.

A few bytes of gzip stand for gigabytes, and four megabytes for 200,000 members without any content. zlib lets other
threads run while it unpacks.
"""

import io
import zlib
from time import monotonic

import requests

MAX_MEMBERS = 50  # servers send one; what compresses in pieces sends some
MAX_LAYERS = 2  # a proxy may compress what is compressed already
_PIECE_BYTES = 256 * 1024
_GZIP = ("gzip", "x-gzip")  # RFC 9110, section 8.4.1.3
_WITH_GZIP_HEADER = 16 + zlib.MAX_WBITS
_FIRST_BYTE = b"\x1f"


class UnpackingError(Exception):
    """Raised if a body cannot be decompressed, or exceeds a limit; the message gives the reason."""


def read(response: requests.Response, most: int, deadline: float) -> bytes:
    """Return the unpacked body, at most one byte more than `most`, up to a monotonic moment.

    Raises UnpackingError, TimeoutError, and what the libraries raise for a connection that breaks.
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
    """Return how often a body was compressed; 0 where an encoding was used that was not asked for."""
    named = [encoding.strip().lower() for encoding in encodings.split(",")]
    if not all(encoding in _GZIP for encoding in named):
        return 0
    if len(named) > MAX_LAYERS:
        raise UnpackingError(f"compressed more than {MAX_LAYERS} times")
    return len(named)


class _Gzip:
    """Unpacks gzip members, one after the other (RFC 1952); what follows them and is none is passed over."""

    def __init__(self, most_packed: int) -> None:
        self._packed_left = most_packed
        self._members = 0
        self._member = zlib.decompressobj(_WITH_GZIP_HEADER)
        self._is_over = False

    def unpack(self, piece: bytes, most: int) -> bytes:
        """Return at most so many bytes; what is more than those is dropped."""
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
        """Raise UnpackingError where the body ends in the middle of a member."""
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
