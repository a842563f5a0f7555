"""The text of `--help`: the flags in groups, within 80 columns."""

import textwrap
from collections.abc import Iterator

from access_exporter.options.table import GROUPS, Flag

DOCUMENTATION = "https://github.com/cloudflare-access-exporter/cloudflare-access-exporter"
_INTRODUCTION = f"""\
Usage: cloudflare-access-exporter [--flag=value ...]

Prometheus exporter for Cloudflare Access: seats, devices and policy tests.
Polls and serves until SIGTERM or Ctrl-C, unless a flag says otherwise.

Documentation:
{DOCUMENTATION}
"""
_WIDTH = 80
_COLUMN = 34  # the meanings of the flags begin here


def help_text() -> str:
    """Return what `--help` prints."""
    groups = (f"\n{title}:\n{''.join(map(_lines, flags))}" for title, flags in GROUPS.items())
    return _INTRODUCTION + "".join(groups)


def _lines(flag: Flag) -> str:
    value = flag.metavar or "|".join(flag.choices)
    name = f"  {flag.name}={value}" if value else f"  {flag.name}"
    meaning = f"{flag.text} (default: {flag.default})" if flag.default else flag.text
    return "".join(f"{line}\n" for line in _columns(name, meaning))


def _columns(name: str, meaning: str) -> Iterator[str]:
    """Yield the lines of a flag: its name, and its meaning beside the name, or below a long name."""
    # No word is broken: a reader could not search for a flag that is broken at its hyphen.
    lines = textwrap.wrap(meaning, _WIDTH - _COLUMN, break_long_words=False, break_on_hyphens=False)
    if len(name) > _COLUMN - 2:
        yield name
        name = ""
    for line in lines:
        yield name.ljust(_COLUMN) + line
        name = ""
