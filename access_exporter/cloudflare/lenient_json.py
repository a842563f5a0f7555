"""JSON as servers write it: also with broken characters, a byte order mark, or control characters in strings."""

import json
import re
from itertools import accumulate

# A page of 1,000 rows has 0.4 MB, 2,000 brackets and 40,000 quotes. No other thread runs while Python decodes a text.
MAX_BYTES, MAX_BRACKETS, MAX_QUOTES = 1024 * 1024, 50_000, 200_000
# An answer has three levels. Where there is no end of them, decoding leaves the garbage collector, which may run at any
# moment, too little of Python's stack.
MAX_LEVELS = 100
MAX_DIGITS = 400


def decode(body: bytes) -> object:
    """Decode JSON, and what is nearly JSON; return None for what is neither, too large, or nested too deep."""
    if _is_too_large(body) or _is_too_deep(body):
        return None
    try:
        return _LENIENT.decode(body.decode("utf-8-sig", "surrogateescape"))
    except ValueError:
        return None


def _is_too_large(body: bytes) -> bool:
    if len(body) > MAX_BYTES:
        return True
    return body.count(b"[") + body.count(b"{") > MAX_BRACKETS or body.count(b'"') > MAX_QUOTES


def _whole(text: str) -> int | float:
    """Return a whole number; one that no field can hold, and Python may refuse to read, as the nearest float."""
    return int(text) if len(text) <= MAX_DIGITS else float(text)


_LENIENT = json.JSONDecoder(strict=False, parse_int=_whole)
_OBJECT_IN_OBJECT = re.compile(rb":\s*\{")
# A string that does not end goes to the end of the text: were it no match, each of its quotes would be tried again.
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[^"\[\]{}]++', re.DOTALL)
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _is_too_deep(body: bytes) -> bool:
    # An object is the outermost, or in a list, or in an object: counting the possible levels is quick.
    if 1 + 2 * body.count(b"[") + len(_OBJECT_IN_OBJECT.findall(body)) <= MAX_LEVELS:
        return False
    brackets = _NO_BRACKETS.sub(b"", body)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > MAX_LEVELS
