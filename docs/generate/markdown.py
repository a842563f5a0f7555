"""Markdown for the generated tables."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table with these heads."""
    lines = [f"| {' | '.join(cells)} |\n" for cells in (heads, *rows)]
    return "".join([lines[0], "|---" * len(heads), "|\n", *lines[1:]])


def code(text: str) -> str:
    """Return text in the font of code, and nothing for no text."""
    return f"`{text}`" if text else ""
