"""The documents, and the text in them that readers copy: fenced blocks and commands within a sentence."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.processes import ROOT

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/**/*.md", "benchmarks/**/*.md", ".github/**/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"(?m)^[ >]*(?:```|~~~)")
_BLOCK = re.compile(r"(?ms)^```(\w*)\n(.*?)^```$")
_PROGRAMS = "make|pip|docker|kubectl|helm|curl|systemctl|python3?|promtool|amtool|cloudflare-access-exporter"
_INLINE = re.compile(rf"(?<!`)`((?:{_PROGRAMS})\s[^`]+)`(?!`)")


class Snippet(NamedTuple):
    """A text to copy: its place as `file:line`, its language and its content."""

    place: str
    language: str
    text: str


def _found(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield f"{path.relative_to(ROOT)}:{line}", match


BLOCKS = [Snippet(place, match[1], match[2]) for place, match in _found(_BLOCK)]
INLINE = [Snippet(place, "sh", " ".join(match[1].split())) for place, match in _found(_INLINE)]
YAML = [snippet for snippet in BLOCKS if snippet.language == "yaml"]
COMMANDS = [snippet for snippet in BLOCKS + INLINE if snippet.language == "sh"]
