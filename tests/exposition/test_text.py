"""The text of metric families in both formats; prometheus-client writes the lines."""

import pytest

from access_exporter.exposition.families import counter, gauge
from access_exporter.exposition.text import Encoded, Format, Rendered, encode, render

SIZE = gauge("size_seconds", "A size.\nOr\\two.", [({"x": "#"}, 1), ({"x": "a\nb"}, 2.5)])
EVENTS = counter("events_total", "Events.", [({}, 3)])
LINES = b'size_seconds{x="#"} 1.0\nsize_seconds{x="a\\nb"} 2.5\n'


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (
            Format.TEXT,
            (
                b"# HELP size_seconds A size.\\nOr\\\\two.\n# TYPE size_seconds gauge\n",
                b"# HELP events_total Events.\n# TYPE events_total counter\n",
            ),
        ),
        (
            Format.OPENMETRICS,
            (
                b"# HELP size_seconds A size.\\nOr\\\\two.\n# TYPE size_seconds gauge\n# UNIT size_seconds seconds\n",
                b"# HELP events Events.\n# TYPE events counter\n",
            ),
        ),
    ],
)
def test_headers_and_samples(form: Format, headers: tuple[bytes, ...]) -> None:
    """The HELP and TYPE lines are separate from the samples, and a family without samples is omitted."""
    encoded = encode([SIZE, gauge("empty", "Nothing.", []), EVENTS], form)
    assert encoded == Encoded(headers, (LINES, b"events_total 3.0\n"))
    assert list(encoded.pairs()) == list(zip(headers, encoded.samples, strict=True))


def test_equal_text_is_kept_once() -> None:
    """Targets share their header lines, and both formats share the samples that are equal in both."""
    known: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}
    first, second = render([SIZE, EVENTS], known), render(iter([SIZE, EVENTS]), known)
    for form in Format:
        assert first.of(form) == second.of(form) == encode([SIZE, EVENTS], form)
        assert first.of(form).headers is second.of(form).headers
    for text, openmetrics in zip(first.text.samples, first.openmetrics.samples, strict=True):
        assert text is openmetrics


def test_nothing() -> None:
    """Without families there is no text."""
    assert render([], {}) == Rendered()
