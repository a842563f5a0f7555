"""Suggestions for an unknown flag or value: the most similar flag or value that exists."""

import difflib
import re
from collections.abc import Mapping, Sequence

from access_exporter.options.table import FLAGS

_DASHES = ("-", "\N{EN DASH}", "\N{EM DASH}")  # a word processor turns two hyphens into a dash
_FILE = re.compile(r"[\w./-]+\.ya?ml", re.ASCII)


def unknown(argument: str) -> str:
    """Return a message about an argument that is not a flag, with the most similar flag."""
    name = argument.partition("=")[0]
    if not name.startswith(_DASHES):
        meant = f"--config.file={argument}" if _FILE.fullmatch(argument) else _closest_flag(name)
        problem = f"unexpected argument {argument!r}"
    else:
        meant = _closest_flag(name)
        problem = f"unknown flag {name}" if name.isascii() and name.isprintable() else f"unknown flag {name!r}"
    return f"{problem}; did you mean {meant}?" if meant else f"{problem}; --help lists the flags"


def no_choice(text: str, choices: Sequence[str]) -> str:
    """Return a message about a value that is not one of the choices, with the most similar choice."""
    problem = f"expected {', '.join(choices[:-1])} or {choices[-1]}, got {text!r}"
    meant = _closest(text, {choice: choice for choice in choices})
    return f"{problem}; did you mean {meant}?" if meant else problem


def _closest_flag(name: str) -> str | None:
    return _closest(name.strip("".join(_DASHES)), {flag.name.strip("-"): flag.name for flag in FLAGS})


def _closest(text: str, known: Mapping[str, str]) -> str | None:
    """Return the value for the key that is most similar to a text, or for the only key that contains the text."""
    text = text.lower()
    if alike := difflib.get_close_matches(text, known, n=1):
        return known[alike[0]]
    containing = [key for key in known if text and text in key]
    return known[containing[0]] if len(containing) == 1 else None
