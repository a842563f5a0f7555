"""What the benchmarks write into documents: tables, between two marks that stay."""

from collections.abc import Iterable, Sequence
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown; columns of numbers, all but the first, are aligned to the right."""
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def replaced(text: str, mark: str, content: str) -> str:
    """Return a document with what stands between the two marks of this name replaced."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    assert found, f"there is no place for {mark}"
    return f"{before}{begin}\n{content}\n{end}{after}"


def write(path: Path, contents: dict[str, str]) -> None:
    """Replace what stands between the marks in a file."""
    text = path.read_text(encoding="utf-8")
    for mark, content in contents.items():
        text = replaced(text, mark, content)
    path.write_text(text, encoding="utf-8")
