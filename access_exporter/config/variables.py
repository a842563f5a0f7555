"""`${NAME}` and `${NAME:-default}` in the strings of a configuration, replaced from the environment as a shell does.

A default may be empty, and may hold more of them. It is used where the variable is not set or is empty.
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
    """A string that holds values of the environment, and says of which variables."""

    source: str


class Missing(NamedTuple):
    """A variable that must be set, or several of which one must be, and the first place that asks for it."""

    names: tuple[str, ...]
    where: str

    def __str__(self) -> str:
        shown = [named("", name).strip() or "one with a name that may be a secret" for name in self.names]
        return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


class MissingError(DocumentError):
    """Variables that must be set are not set, or are empty; names all of them at once."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        """Keep them, for whoever has a better word for their places."""
        self.missing = missing
        if len(missing) == len(missing[0].names) == 1:
            ((name,), where) = missing[0]
            super().__init__(where, f"{named('the environment variable', name)} is not set or is empty")
        else:
            listed = "; ".join(f"{each} ({each.where})" for each in missing)
            super().__init__("", f"environment variables are not set or are empty: {listed}")


class Variables:
    """Replaces variables, and remembers which are missing.

    `unset` has, by its place, the name of each variable that need not be set and left its place empty.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Read nothing yet."""
        self._environ = environ
        self._missing: dict[str, str] = {}
        self.unset: dict[str, str] = {}

    @property
    def missing(self) -> list[Missing]:
        """What must be set."""
        return [Missing((name,), where) for name, where in self._missing.items()]

    def expand(self, text: str, where: str) -> str | None:
        """Return the text with the values, or None if nothing is left; raises DocumentError for a wrong `${`."""
        if "${" not in text:
            return text
        expansion = _Expansion(text, self._environ, where)
        expanded = expansion.run()
        for name in expansion.missing:
            self._missing.setdefault(name, where)
        if not expanded and not expansion.missing:
            self.unset[where] = expansion.unset[-1]  # of nested ones the outermost
            return None
        if not expansion.used:
            return expanded
        told = Expanded(expanded)
        told.source = f"environment variable {' and '.join(expansion.used)}"
        return told


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
        """Return the text from here to its end or, in braces, to the brace that closes them."""
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
        """Return what a variable stands for; the position moves behind its last brace."""
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
