"""Replaces `${NAME}` and `${NAME:-default}` in the strings of a configuration with environment variables, like a shell.

The default replaces a variable that is not set or is empty. It may be empty, and may contain more variables.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from access_exporter.errors import DocumentError, named

_BEGINNING = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(:-|\})")
_MARK = re.compile(r"\$\{|\}")
_MOST_LEVELS = 20
_EXPECTED = "expected ${NAME} or ${NAME:-default} with the name of an environment variable"


class Expanded(str):
    """A string with values of environment variables. `source` names the variables."""

    source: str


class Missing(NamedTuple):
    """A variable that must be set, or several variables if one of them must be set. `where` is their first place."""

    names: tuple[str, ...]
    where: str

    def __str__(self) -> str:
        shown = [named("", name).strip() or "a variable (its name may be a secret)" for name in self.names]
        return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


class MissingError(DocumentError):
    """Raised if required variables are not set or are empty. The message names all of them."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        """Keep `missing`, so that a caller can write another message."""
        self.missing = missing
        if len(missing) == len(missing[0].names) == 1:
            ((name,), where) = missing[0]
            super().__init__(where, f"{named('the environment variable', name)} is not set or is empty")
        else:
            listed = "; ".join(f"{each} ({each.where})" for each in missing)
            super().__init__("", f"environment variables are not set or are empty: {listed}")


class Variables:
    """Replaces variables, and remembers the missing ones.

    `unset` maps each empty place to the optional variable that left it empty.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Use the variables of this environment."""
        self._environ = environ
        self._missing: dict[str, str] = {}
        self.unset: dict[str, str] = {}

    @property
    def missing(self) -> list[Missing]:
        """The required variables that are not set or are empty."""
        return [Missing((name,), where) for name, where in self._missing.items()]

    def expand(self, text: str, where: str) -> str | None:
        """Return the text with the values, or None if the result is empty.

        Raises DocumentError for an invalid `${`.
        """
        if "${" not in text:
            return text
        expansion = _Expansion(text, self._environ, where)
        expanded = expansion.run()
        for name in expansion.missing:
            self._missing.setdefault(name, where)
        if not expanded and not expansion.missing:
            self.unset[where] = expansion.unset[-1]  # the outermost of nested variables
            return None
        if not expansion.used:
            return expanded
        result = Expanded(expanded)
        result.source = f"environment variable {' and '.join(expansion.used)}"
        return result


class _Expansion:
    """Replaces the variables of one string."""

    def __init__(self, text: str, environ: Mapping[str, str], where: str) -> None:
        self._text = text
        self._environ = environ
        self._where = where
        self._position = 0
        self.used: list[str] = []
        self.unset: list[str] = []
        self.missing: list[str] = []

    def run(self) -> str:
        return self._until_the_end(0, wanted=True)

    def _until_the_end(self, level: int, *, wanted: bool) -> str:
        """Return the text from here to its end. Within braces, return the text up to the closing brace."""
        parts: list[str] = []
        while mark := _MARK.search(self._text, self._position):
            parts.append(self._text[self._position : mark.start()])
            self._position = mark.end()
            if mark[0] == "${":
                parts.append(self._variable(mark.start(), level, wanted=wanted))
            elif level:
                return "".join(parts)
            else:
                parts.append("}")
        if level:
            raise DocumentError(self._where, _EXPECTED)
        return "".join([*parts, self._text[self._position :]])

    def _variable(self, start: int, level: int, *, wanted: bool) -> str:
        """Return the value of the variable at `start`, and move the position behind its closing brace."""
        beginning = _BEGINNING.match(self._text, start)
        if beginning is None or level == _MOST_LEVELS:
            raise DocumentError(self._where, _EXPECTED)
        self._position = beginning.end()
        name, has_default = beginning[1], beginning[2] == ":-"
        value = self._environ.get(name) or ""
        default = self._until_the_end(level + 1, wanted=wanted and not value) if has_default else ""
        if wanted:
            (self.used if value else self.unset if has_default else self.missing).append(name)
        return value or default
