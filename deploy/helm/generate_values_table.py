"""Writes the table of values into the README of the chart, from the comments in values.yaml: make docs.

A comment above a key says what the key does. The table has no row for a key without a comment: the comments of its
parent or of its children explain it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).resolve().parent / "cloudflare-access-exporter"
README = CHART / "README.md"
LONGEST = 50  # characters of a default; the table links to values.yaml instead of a longer default
_MARKED = re.compile(r"(?<=<!-- values: begin -->\n).*(?=<!-- values: end -->)", re.DOTALL)
_KEY = re.compile(r"( *)(\w+):")
_COMMENT = re.compile(r" *# (.*)")


class Value(NamedTuple):
    """A key with a comment: its path, its meaning and its default."""

    path: str
    meaning: str
    default: Any  # Any: a YAML value


def documented(text: str) -> Iterator[Value]:
    """Yield the keys of a values.yaml that have a comment."""
    values = yaml.safe_load(text)
    path: list[str] = []
    meaning: list[str] = []
    for line in text.splitlines():
        if comment := _COMMENT.fullmatch(line):
            meaning.append(comment[1])
            continue
        if key := _KEY.match(line):
            path = [*path[: len(key[1]) // 2], key[2]]
            if meaning:
                yield Value(".".join(path), " ".join(meaning), _at(values, path))
        meaning = []


def rendered(readme: str, text: str) -> str:
    """Return the README with a new table from the text of values.yaml."""
    rows = "".join(
        f"| `{value.path}` | {_shown(value)} | {value.meaning.replace('|', chr(92) + '|')} |\n"
        for value in documented(text)
    )
    return _MARKED.sub(lambda _: f"\n| Key | Default | Meaning |\n|---|---|---|\n{rows}\n", readme)


def _at(values: Any, path: list[str]) -> Any:  # Any: a YAML value
    for key in path:
        values = values[key]
    return values


def _shown(value: Value) -> str:
    text = json.dumps(value.default, ensure_ascii=False)
    if value.default == "":
        return ""
    return f"`{text}`" if len(text) <= LONGEST else "see [values.yaml](values.yaml)"


if __name__ == "__main__":
    texts = (path.read_text(encoding="utf-8") for path in (README, CHART / "values.yaml"))
    README.write_text(rendered(*texts), encoding="utf-8")
