"""Counts phrases that often make a reader stop: python -m docs.plain_english [--check].

A phrase is a warning sign, not a fault. Rewrite the sentence, or keep it within the maximum of its kind of text.
With `--check`, more than a maximum is an error, and so is a maximum that is too high: it may only shrink.
"""

import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Each phrase, and what often reads better.
PHRASES = {
    r"nobody|no one": "say who: no client, no shard, no user",
    r"whose": "two sentences, or `with`",
    r"tells?|told|telling": "says, shows, reports, logs",
    r"mistakes?": "error",
    r"mend(?:s|ed|ing)?": "fix",
    r"afresh|anew": "again",
    r"lest": "so that … not",
    r"(?:by|of|to|from|with|for) whom": "start with the person",
    r"(?:of|by|from|in|with|to|for) which": "two sentences",
    r"for the sake of": "for, because of",
    r"questionable": "name the warning",
    r"odd": "unusual, unexpected",
    r"whatever": "any, or name it",
    r"whoever": "the person or the program that",
    r"is (?:as good|to be) \w+ed": "say who does it",
    r"not known": "unknown",
    r"gives? up|given up": "stops, abandons",
}
_PATTERNS = {re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE): phrase for phrase in PHRASES}

# Of each kind of text: its files, and how many phrases it has at most.
KINDS: dict[str, tuple[tuple[str, ...], int]] = {
    "documents": (("*.md", "docs/*.md", "deploy/**/*.md", "config.yaml"), 7),
    "alerts": (("deploy/rules/*.yaml",), 0),
    "package": (("access_exporter/**/*.py",), 8),
    "tests and scripts": (
        ("tests/**/*.py", "docs/**/*.py", "benchmarks/*.py", "deploy/**/*.py", "Makefile", ".ci/run"),
        15,
    ),
}


def main(arguments: list[str]) -> int:
    """Print how many phrases each file has; return 1 with `--check` if a maximum is not the number of phrases."""
    wrong = 0
    for kind, (globs, most) in KINDS.items():
        counts = Counter({path: sum(1 for _ in found(path)) for path in _files(globs)})
        total = counts.total()
        wrong += total != most
        advice = "" if total >= most else f": lower the maximum in {Path(__file__).name}"
        print(f"{kind}: {total} phrases, at most {most}{advice}")  # noqa: T201 – the result of the command
        for path, number in counts.most_common(10):
            if number and total > most:
                print(f"  {number:4} {path.relative_to(ROOT)}")  # noqa: T201 – the result of the command
    for path in map(Path, arguments):
        if path.is_file():
            for line, phrase, text in found(path.resolve()):
                print(f"{path}:{line}: {phrase}: {text}")  # noqa: T201 – the result of the command
    return int(bool(wrong) and "--check" in arguments)


def found(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line number, phrase and line for each phrase in the text that people read."""
    text = path.read_text(encoding="utf-8")
    lines = _comments_and_strings(text) if path.suffix == ".py" else _prose(text)
    for number, line in lines:
        for pattern in _PATTERNS:
            for match in pattern.finditer(line):
                yield number, match[0], line.strip()


def _files(globs: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted({path for glob in globs for path in ROOT.glob(glob)}):
        if "node_modules" not in path.parts and path != Path(__file__).resolve():
            yield path


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document without its blocks of code."""
    is_code = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_code = not is_code
        elif not is_code:
            yield number, line


def _comments_and_strings(text: str) -> Iterator[tuple[int, str]]:
    """Yield the comments and strings of a program, in lines."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING) or "FSTRING_MIDDLE" in _name(token):
            for at, line in enumerate(token.string.splitlines()):
                yield token.start[0] + at, line


def _name(token: tokenize.TokenInfo) -> str:
    """Return the name of a kind of token; Python 3.12 and later read the text in an f-string as one of its own."""
    return tokenize.tok_name[token.type]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
