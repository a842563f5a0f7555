"""What a token or key of Cloudflare looks like, to find one that was pasted where an id, a name or a flag belongs.

The known beginnings are those of https://developers.cloudflare.com/fundamentals/api/get-started/token-formats/. Older
tokens are 40 letters, digits, `-` and `_`, and older keys 37 hexadecimal digits.
"""

import re
from collections.abc import Iterator

PART, _STEP = 16, 4  # characters; so every part of 19 characters or more is found
_KNOWN = re.compile(
    r"(?<![A-Za-z0-9])(?:cf[a-z]{1,4}_[A-Za-z0-9_-]{16,}"  # cfut_, cfat_, cfk_
    r"|v1\.0-[0-9a-f]{24}-[0-9a-f-]{40,}"  # of an Origin CA
    r"|eyJ[A-Za-z0-9_-]{30,})"  # a JSON Web Token, or the token of a tunnel
)
_RUN = re.compile(r"[A-Za-z0-9_-]{37,}")
_PIECE = re.compile(r"[A-Za-z0-9]+")
_HEXADECIMAL = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_KEY_DIGITS = 37  # no id has so many
_SHORTEST_MIX = 10  # words and numbers joined by dashes, as in names, have no piece that long and that mixed


def has_token(text: str) -> bool:
    """Tell whether a token or key may stand in a text."""
    return _KNOWN.search(text) is not None or any(_is_random(run[0]) for run in _RUN.finditer(text))


def without_tokens(text: str) -> str:
    """Return a text with everything replaced that may be a token or key."""
    hidden = _KNOWN.sub("<hidden>", text)
    return _RUN.sub(lambda run: "<hidden>" if _is_random(run[0]) else run[0], hidden)


def parts(secret: str) -> Iterator[str]:
    """Yield the parts of a token that are in no other text by chance: with capitals, small letters and digits."""
    every = (secret[start : start + PART] for start in range(0, len(secret) - PART + 1, _STEP))
    return (part for part in every if _is_mixed(part))


def _is_random(run: str) -> bool:
    """Tell whether a long run of letters, digits, dashes and underscores is none of people's words, and no id."""
    return any(_is_key(piece) or _is_mixed(piece) for piece in _PIECE.findall(run))


def _is_key(piece: str) -> bool:
    if len(piece) < _KEY_DIGITS or piece.isalpha() or piece.isdigit():
        return False
    return len(piece) == _KEY_DIGITS or not _HEXADECIMAL.fullmatch(piece)


def _is_mixed(piece: str) -> bool:
    has_all = all(re.search(kind, piece) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    return len(piece) >= _SHORTEST_MIX and has_all
