"""Helpers that write tables into documents, between two marks."""

from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns except the first are numbers, aligned to the right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def replaced(text: str, mark: str, content: str) -> str:
    """Return a document with new content between the two marks of this name; fail if the document lacks the marks."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"the document has no marks {mark}: begin and {mark}: end"
    return f"{before}{begin}\n{content}\n{end}{after}"


def write(path: Path, contents: dict[str, str]) -> None:
    """Replace the text between the marks of a file; `contents` has the new text of each mark."""
    text = path.read_text(encoding="utf-8")
    for mark, content in contents.items():
        text = replaced(text, mark, content)
    path.write_text(text, encoding="utf-8")
