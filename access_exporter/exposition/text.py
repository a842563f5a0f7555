"""Metric families to exposition text, in pieces that can be kept and put together again.

prometheus-client writes every line; this module only arranges them: all samples of a family must stand together
(https://prometheus.io/docs/instrumenting/exposition_formats/), and they come from many targets.
"""

import struct
import zlib
from collections.abc import Callable, Collection, Iterable
from enum import Enum
from functools import cached_property, reduce
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as encode_text
from prometheus_client.openmetrics.exposition import generate_latest as encode_openmetrics

_END = b"# EOF\n"
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # without a name and a time


class Format(Enum):
    """The two exposition formats of Prometheus; the first line of a page tells a scraper nothing, so they differ."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


class Block(NamedTuple):
    """One family as text: the HELP and TYPE above its samples, and the samples."""

    header: bytes
    samples: bytes


class _Family:
    """What the encoders ask of a registry, for a single family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def blocks(families: Iterable[Metric], form: Format) -> tuple[Block, ...]:
    """Write each family that has samples."""
    encode: Callable[..., bytes] = encode_openmetrics if form is Format.OPENMETRICS else encode_text
    return tuple(_block(encode(_Family(family)).removesuffix(_END)) for family in families if family.samples)


def _block(text: bytes) -> Block:
    start = 0
    while text.startswith(b"#", start):
        start = text.index(b"\n", start) + 1
    return Block(text[:start], text[start:])


class Rendered(NamedTuple):
    """Families written once in each format."""

    text: tuple[Block, ...]
    openmetrics: tuple[Block, ...]

    def blocks(self, form: Format) -> tuple[Block, ...]:
        """Return the families in this format."""
        return self.text if form is Format.TEXT else self.openmetrics


def render(families: Iterable[Metric], known: dict[bytes, bytes]) -> Rendered:
    """Write families in both formats; `known` holds the headers seen so far, so that each is kept once."""
    families = tuple(families)
    samples: dict[bytes, bytes] = {}  # the formats differ in few of them

    def kept(form: Format) -> tuple[Block, ...]:
        return tuple(
            Block(known.setdefault(block.header, block.header), samples.setdefault(block.samples, block.samples))
            for block in blocks(families, form)
        )

    return Rendered(kept(Format.TEXT), kept(Format.OPENMETRICS))


class _Deflated(NamedTuple):
    block: Block
    data: bytes


class Part:
    """The part of a page that stays the same from scrape to scrape: joined once, and compressed once.

    A family that is the same as in the part before it is not even compressed once more.
    """

    def __init__(self, parts: Iterable[Iterable[Block]], before: "Part | None" = None) -> None:
        """Put the samples of each family together, in the order in which families and parts come."""
        samples: dict[bytes, list[bytes]] = {}
        for part in parts:
            for block in part:
                samples.setdefault(block.header, []).append(block.samples)
        self.blocks = [Block(header, b"".join(lines)) for header, lines in samples.items()]
        self._deflated: dict[bytes, _Deflated] = before._deflated if before else {}

    @cached_property
    def text(self) -> bytes:
        """The part as it is served."""
        return b"".join(piece for block in self.blocks for piece in block)

    def gzip_with(self, rest: bytes) -> tuple[bytes, ...]:
        """Return this part and the rest of the page as one gzip member (RFC 1952); only the rest is compressed anew."""
        checksum, size = self._checked
        trailer = struct.pack("<II", zlib.crc32(rest, checksum), (size + len(rest)) % (1 << 32))
        return _GZIP_HEADER, *self._compressed, zlib.compress(rest, level=1, wbits=-zlib.MAX_WBITS), trailer

    @cached_property
    def _checked(self) -> tuple[int, int]:
        pieces = [piece for block in self.blocks for piece in block]
        return reduce(lambda checksum, piece: zlib.crc32(piece, checksum), pieces, 0), sum(map(len, pieces))

    @cached_property
    def _compressed(self) -> list[bytes]:
        for block in self.blocks:
            known = self._deflated.get(block.header)
            data = known.data if known and known.block == block else _deflate(block)
            self._deflated[block.header] = _Deflated(block, data)
        return [self._deflated[block.header].data for block in self.blocks]


def _deflate(pieces: Iterable[bytes]) -> bytes:
    """Compress a part of a stream that is not its end, without a look at what comes before."""
    compressor = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
    return b"".join([*map(compressor.compress, pieces), compressor.flush(zlib.Z_SYNC_FLUSH)])


def page(own: Iterable[Block], form: Format) -> bytes:
    """Return the end of a page: the blocks that change with every scrape."""
    text = b"".join(piece for block in own for piece in block)
    return text + _END if form is Format.OPENMETRICS else text


def restrict(parts: Iterable[Block], names: Collection[str]) -> list[Block]:
    """Keep only the samples with these names, as the query parameter `name[]` asks."""
    wanted = {name.encode() for name in names}
    kept = (Block(block.header, _only(block.samples, wanted)) for block in parts)
    return [block for block in kept if block.samples]


def _only(samples: bytes, names: Collection[bytes]) -> bytes:
    # A label value holds no raw newline, so a line is a sample.
    lines = samples.split(b"\n")[:-1]
    return b"".join(line + b"\n" for line in lines if line.partition(b" ")[0].partition(b"{")[0] in names)
