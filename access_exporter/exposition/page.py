"""The page with the metrics of all targets. It is assembled and compressed once, and served until a number changes."""

import struct
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import chain, groupby
from operator import attrgetter
from typing import NamedTuple

from access_exporter.exposition.text import END, Encoded, Format, only

# A header without file name and time. A page is a single gzip member. RFC 1952 allows several members, but Chromium
# shows only the first, and curl 7.88 fails at the second.
_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"


class Family(NamedTuple):
    """The samples of a family, and the compressed family, which fits anywhere in a deflate stream (RFC 1951)."""

    samples: bytes
    deflated: bytes


class Page(NamedTuple):
    """The families of all targets in one format, by their headers, with the CRC-32 and the size of the text."""

    form: Format
    families: Mapping[bytes, Family]
    checksum: int
    size: int

    def text_with(self, own: Encoded) -> tuple[bytes, ...]:
        """Return the text of the page, with the exporter's own families at the end, which change with each scrape."""
        pieces = ((header, family.samples) for header, family in self.families.items())
        return *chain.from_iterable(pieces), self._end(own)

    def gzip_with(self, own: Encoded) -> tuple[bytes, ...]:
        """Return the same text as one gzip member (RFC 1952). Only the exporter's own families are compressed now."""
        end = self._end(own)
        trailer = struct.pack("<II", zlib.crc32(end, self.checksum), (self.size + len(end)) % (1 << 32))
        deflated = (family.deflated for family in self.families.values())
        return _GZIP_HEADER, *deflated, zlib.compress(end, level=1, wbits=-zlib.MAX_WBITS), trailer

    def restricted(self, names: Collection[str]) -> "Page":
        """Return a page with only the samples of these names, for the query parameter `name[]`.

        It shares the bytes of this page, so many such pages need no more memory than one.
        """
        families: dict[bytes, Family] = {}
        checksum = size = 0
        for header, family in self.families.items():
            if chosen := only(header, family.samples, names):
                same = chosen is family.samples
                families[header] = family if same else Family(chosen, _deflate(header, chosen))
                checksum, size = zlib.crc32(chosen, zlib.crc32(header, checksum)), size + len(header) + len(chosen)
        return Page(self.form, families, checksum, size)

    def _end(self, own: Encoded) -> bytes:
        text = b"".join(chain.from_iterable(own.pairs()))
        return text + END if self.form is Format.OPENMETRICS else text


def assemble(form: Format, parts: Iterable[Encoded], before: Page | None = None) -> Page:
    """Return a page with the samples of all parts, grouped by family. Reuse unchanged families of the page before."""
    samples: defaultdict[bytes, list[bytes]] = defaultdict(list)
    # Most parts have the same families as the part before. The loop combines such parts in their order in memory. With
    # 1,000 accounts, that needs a quarter of the time.
    for headers, alike in groupby(parts, attrgetter("headers")):
        pieces = list(chain.from_iterable(part.samples for part in alike))
        for number, header in enumerate(headers):
            samples[header] += pieces[number :: len(headers)]
    known = before.families if before else {}
    families: dict[bytes, Family] = {}
    checksum = size = 0
    for header, found in samples.items():
        lines = b"".join(found)
        same = known.get(header)
        families[header] = same if same and same.samples == lines else Family(lines, _deflate(header, lines))
        checksum, size = zlib.crc32(lines, zlib.crc32(header, checksum)), size + len(header) + len(lines)
    return Page(form, families, checksum, size)


def _deflate(*pieces: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS)
    return b"".join([*map(compressor.compress, pieces), compressor.flush(zlib.Z_SYNC_FLUSH)])
