"""The tables of flags in docs/flags.md, with the same flags as `--help`."""

import re

from access_exporter.options import GROUPS, Flag
from benchmarks.documents import replaced
from docs.generate.markdown import code, table

_HEAD = ("Flag", "Value", "Default", "Meaning")


def update(document: str) -> str:
    """Return docs/flags.md with updated tables."""
    groups = (f"## {title}\n\n{table(_HEAD, map(_row, flags))}" for title, flags in GROUPS.items())
    return replaced(document, "flags", "\n".join(groups))


def _row(flag: Flag) -> tuple[str, ...]:
    value = code(flag.metavar) or ", ".join(map(code, flag.choices))
    default = flag.default if " " in flag.default else code(flag.default)  # a default in words is not a literal value
    return (
        code(flag.name),
        value,
        default,
        re.sub(r"--[a-z.-]+|[A-Z]+ /\S+", lambda match: code(match[0]), flag.text),
    )
