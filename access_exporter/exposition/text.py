"""Writes metric families as exposition text, in pieces that the exporter caches and combines.

prometheus-client writes every line. This package only groups them, because all samples of a family must stand together
(https://prometheus.io/docs/instrumenting/exposition_formats/), and many targets have samples of the same family.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import Enum
from typing import NamedTuple

from prometheus_client import Metric
from prometheus_client.exposition import generate_latest as encode_text
from prometheus_client.openmetrics.exposition import generate_latest as encode_openmetrics

END = b"# EOF\n"  # the last line of a page in OpenMetrics
_NAME = re.compile(rb"[^ {]+")
_SEVERAL_NAMES = re.compile(rb"^# TYPE \S+ (?:histogram|gaugehistogram|summary)$", re.MULTILINE)


class Format(Enum):
    """The two exposition formats of Prometheus. A page does not name its format, so each format has its own page."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"


class Encoded(NamedTuple):
    """Families as text: for each family a header (HELP, TYPE and UNIT), and the samples."""

    headers: tuple[bytes, ...] = ()
    samples: tuple[bytes, ...] = ()

    def pairs(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the header and the samples of each family."""
        return zip(self.headers, self.samples, strict=True)

    def restricted(self, names: Collection[str]) -> "Encoded":
        """Return only the samples with these names."""
        chosen = [(header, only(header, samples, names)) for header, samples in self.pairs()]
        left = [(header, samples) for header, samples in chosen if samples]
        return Encoded(tuple(header for header, _ in left), tuple(samples for _, samples in left))


class _Family:
    """A registry with a single family, as the encoders of prometheus-client need it."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def encode(families: Iterable[Metric], form: Format) -> Encoded:
    """Return the text of each family that has samples."""
    write: Callable[..., bytes] = encode_openmetrics if form is Format.OPENMETRICS else encode_text
    texts = [write(_Family(family)).removesuffix(END) for family in families if family.samples]
    pairs = [_split(text) for text in texts]
    return Encoded(tuple(header for header, _ in pairs), tuple(samples for _, samples in pairs))


def only(header: bytes, samples: bytes, names: Collection[str]) -> bytes:
    """Return the samples of a family with these names. Copy them only if the family has several sample names."""
    if not _SEVERAL_NAMES.search(header):
        return samples if _name(samples) in names else b""
    # Label values contain no raw newlines, so each line is one sample.
    lines = samples.split(b"\n")[:-1]
    return b"".join(line + b"\n" for line in lines if _name(line) in names)


def _name(samples: bytes) -> str:
    """Return the name of the first sample."""
    found = _NAME.match(samples)
    return found[0].decode() if found else ""


def _split(text: bytes) -> tuple[bytes, bytes]:
    start = 0
    while text.startswith(b"#", start):
        start = text.index(b"\n", start) + 1
    return text[:start], text[start:]


class Rendered(NamedTuple):
    """The text of families in both formats."""

    text: Encoded = Encoded()
    openmetrics: Encoded = Encoded()

    def of(self, form: Format) -> Encoded:
        """Return the text in this format."""
        return self.text if form is Format.TEXT else self.openmetrics


def render(families: Iterable[Metric], known: dict[tuple[bytes, ...], tuple[bytes, ...]]) -> Rendered:
    """Return the text of families in both formats. `known` holds all headers so far, so equal ones share memory."""
    families = tuple(families)
    text, openmetrics = encode(families, Format.TEXT), encode(families, Format.OPENMETRICS)
    pairs = zip(text.samples, openmetrics.samples, strict=True)  # most samples are the same in both
    samples = tuple(one if one == other else other for one, other in pairs)
    return Rendered(
        Encoded(known.setdefault(text.headers, text.headers), text.samples),
        Encoded(known.setdefault(openmetrics.headers, openmetrics.headers), samples),
    )
