"""Markdown for the generated tables."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with these column titles."""
    lines = [f"| {' | '.join(cells)} |\n" for cells in (heads, *rows)]
    return "".join([lines[0], "|---" * len(heads), "|\n", *lines[1:]])


def code(text: str) -> str:
    """Return a text as inline code, or an empty string for an empty text."""
    return f"`{text}`" if text else ""
