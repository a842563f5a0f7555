"""What a message may repeat of a configuration: names, but nothing that could be a secret in the wrong place."""

import re

# The shortest secrets of Cloudflare have 37 letters and digits, names that long have no digit; no name holds an @.
_NAME = r"(?:[A-Za-z_-]{1,36}|[\w.-]{1,24})"
_NAME_OR_PATH = re.compile(rf"/?{_NAME}(?:/{_NAME})*", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def named(what: str, name: str) -> str:
    """Return what it is, followed by its name or path unless that could be a secret."""
    return f"{what} `{name}`" if _NAME_OR_PATH.fullmatch(name) or _VARIABLE.fullmatch(name) else what
