"""The shape of Cloudflare's tokens and keys, to find one that somebody pasted in place of an id, a name or a flag.

https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/ lists the prefixes of new tokens. An older
token has 40 characters (letters, digits, `-` and `_`). An older key has 37 hexadecimal digits.
"""

import re
from collections.abc import Iterator

PART, _STEP = 16, 4  # characters; so every part of 19 characters or more is found
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:cf[a-z]{1,4}_[A-Za-z0-9_-]{16,}"  # cfut_, cfat_, cfk_
    r"|v1\.0-[0-9a-f]{24}-[0-9a-f-]{40,}"  # a key of an Origin CA
    r"|eyJ[A-Za-z0-9_-]{30,})"  # a JSON Web Token or the token of a tunnel
)
_RUN = re.compile(r"[A-Za-z0-9_-]{37,}")
_PIECE = re.compile(r"[A-Za-z0-9]+")
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_KEY_DIGITS = 37  # no id has this many digits
_SHORTEST_MIX = 10  # no part of a name is this long and mixes upper case, lower case and digits


def has_token(text: str) -> bool:
    """Return whether the text may contain a token or key."""
    return _KNOWN.search(text) is not None or any(_is_random(run[0]) for run in _RUN.finditer(text))


def without_tokens(text: str) -> str:
    """Return the text with `<hidden>` in place of everything that may be a token or key."""
    hidden = _KNOWN.sub("<hidden>", text)
    return _RUN.sub(lambda run: "<hidden>" if _is_random(run[0]) else run[0], hidden)


def parts(secret: str) -> Iterator[str]:
    """Yield the parts of a token that are in no other text by chance: with capitals, small letters and digits."""
    every = (secret[start : start + PART] for start in range(0, len(secret) - PART + 1, _STEP))
    return (part for part in every if _is_mixed(part))


def _is_random(run: str) -> bool:
    """Return whether a long run of letters, digits, dashes and underscores looks random: neither words nor an id."""
    return any(_is_key(piece) or _is_mixed(piece) for piece in _PIECE.findall(run))


def _is_key(piece: str) -> bool:
    if len(piece) < _KEY_DIGITS or piece.isalpha() or piece.isdigit():
        return False
    return len(piece) == _KEY_DIGITS or not _HEXADECIMAL.fullmatch(piece)


def _is_mixed(piece: str) -> bool:
    has_all = all(re.search(kind, piece) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(piece) >= _SHORTEST_MIX and has_all
