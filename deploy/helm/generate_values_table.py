"""Writes the table of values into the README of the chart, from the comments in its values.yaml: make docs.

A comment above a key says what the key does. A key without a comment is explained by those of its parts, or by the key
that it is a part of.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

CHART = Path(__file__).resolve().parent / "cloudflare-access-exporter"
README = CHART / "README.md"
LONGEST = 50  # characters of a default; a longer one is worth a look at the file
_MARKED = re.compile(r"(?<=<!-- values: begin -->\n).*(?=<!-- values: end -->)", re.DOTALL)
_KEY = re.compile(r"( *)(\w+):")
_COMMENT = re.compile(r" *# (.*)")


class Value(NamedTuple):
    """A key with a comment: its path, what it means, and its default."""

    path: str
    meaning: str
    default: Any  # Any: whatever YAML can say


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
    """Return the README with the table of a values.yaml."""
    rows = "".join(
        f"| `{value.path}` | {_shown(value)} | {value.meaning.replace('|', chr(92) + '|')} |\n"
        for value in documented(text)
    )
    return _MARKED.sub(lambda _: f"\n| Key | Default | Meaning |\n|---|---|---|\n{rows}\n", readme)


def _at(values: Any, path: list[str]) -> Any:  # Any: whatever YAML can say
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
