"""The table of flags in docs/flags.md: what `--help` lists."""

import re

from access_exporter.options import FLAGS, Flag
from benchmarks.documents import replaced
from docs.generate.markdown import code, table


def update(document: str) -> str:
    """Return docs/flags.md with its table written again."""
    return replaced(document, "flags", table(("Flag", "Value", "Default", "Meaning"), map(_row, FLAGS)))


def _row(flag: Flag) -> tuple[str, ...]:
    value = code(flag.metavar) or ", ".join(map(code, flag.choices))
    default = flag.default if " " in flag.default else code(flag.default)  # words are not typed as they stand
    return (
        code(flag.name),
        value,
        default,
        re.sub(r"--[a-z.-]+|[A-Z]+ /\S+", lambda match: code(match[0]), flag.meaning),
    )
