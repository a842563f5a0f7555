"""A list for standard output, line by line: as CSV, as JSON, or as a table for people.

A cell may contain any text. It cannot become a formula in a spreadsheet, send commands to a terminal or break a column.
"""

import csv
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from types import SimpleNamespace
from typing import TypeAlias

Cell: TypeAlias = str | float | None
Row: TypeAlias = Sequence[Cell]

# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_WIDEST = 64  # columns of a terminal for one cell; CSV and JSON do not truncate cells
_GAP = "  "
_SURROGATE = re.compile("[\ud800-\udfff]")  # Python cannot write a surrogate as UTF-8


def writable(text: str | None) -> str | None:
    """Return the text of a cell. Return None if the text is missing or empty."""
    return _SURROGATE.sub("\ufffd", text) if text else None


def as_csv(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield lines as in RFC 4180. A text that looks like a formula gets an apostrophe before it."""
    writer = csv.writer(SimpleNamespace(write=str))  # `writerow` returns what `write` returns: the line
    for row in chain([columns], rows):
        yield str(writer.writerow([_harmless(cell) for cell in row]))


def _harmless(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_json(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield a JSON array in ASCII, with one object on each line. Unknown values are null."""
    before = "["
    for row in rows:
        yield before + "\n" + escaped(dict(zip(columns, row, strict=True)))
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def escaped(value: object) -> str:
    """Return JSON in ASCII, without control characters."""
    return json.dumps(value).replace("\x7f", "\\u007f")  # JSON does not escape this control character


def as_table(columns: Sequence[str], rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table. Long cells are truncated, and unknown values are empty.

    The function iterates twice over `rows`: first to find the width of each column.
    """
    widths = [0] * len(columns)
    for row in chain([columns], rows):
        widths = [max(width, _width(fitted(cell))) for width, cell in zip(widths, row, strict=True)]
    for row in chain([columns], rows):
        cells = (fitted(cell) for cell in row)
        padded = (cell + " " * (width - _width(cell)) for width, cell in zip(widths, cells, strict=True))
        yield _GAP.join(padded).rstrip() + "\n"


def fitted(cell: Cell) -> str:
    """Return a cell as text for a terminal, truncated to 64 columns."""
    whole = "" if cell is None else str(cell)
    if len(whole) <= _WIDEST and whole.isascii() and whole.isprintable():
        return whole  # the fast path for nearly every cell
    text = "".join(map(_visible, unicodedata.normalize("NFC", whole[:_WIDEST])))
    if len(whole) <= _WIDEST and _width(text) <= _WIDEST:
        return text
    while _width(text) >= _WIDEST:
        text = text[:-1]
    return text + "…"


def _visible(character: str) -> str:
    """Return a printable character as it is. Return the escape of a control, direction or invisible character."""
    if character.isprintable():
        return character
    return " " if unicodedata.category(character) == "Zs" else character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    """Return the number of columns of a terminal that a text fills."""
    return sum(map(_columns, text)) if not text.isascii() else len(text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


FORMATS: dict[str, Callable[[Sequence[str], Iterable[Row]], Iterator[str]]] = {
    "table": as_table,
    "csv": as_csv,
    "json": as_json,
}
