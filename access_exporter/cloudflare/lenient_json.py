"""Decodes JSON with the faults that servers make: broken characters, a byte order mark, control characters."""

import json
import re
from itertools import accumulate

# A page of 1,000 rows has 0.4 MB, 2,000 brackets and 40,000 quotes. The limits keep the decoding short, because no
# other thread runs meanwhile.
MAX_BYTES, MAX_BRACKETS, MAX_QUOTES = 1024 * 1024, 50_000, 200_000
# A response has three levels. Deep nesting fills Python's stack, and the garbage collector needs the stack, too: it
# may run at any moment.
MAX_LEVELS = 100
MAX_DIGITS = 400


def decode(body: bytes) -> object:
    """Decode JSON, even with the faults above; return None if the text is not JSON, too large, or nested too deep."""
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
    """Convert a whole number. A number with too many digits becomes a float, because Python may refuse an int."""
    return int(text) if len(text) <= MAX_DIGITS else float(text)


_LENIENT = json.JSONDecoder(strict=False, parse_int=_whole)
_OBJECT_IN_OBJECT = re.compile(rb":\s*\{")
# A string without a closing quote matches up to the end of the text. Otherwise the search would start again at each of
# its quotes.
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[^"\[\]{}]++', re.DOTALL)
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _is_too_deep(body: bytes) -> bool:
    # An object is the outermost value, an item of a list, or a value of another object. So this sum is never less than
    # the number of levels, and it is quick to compute.
    if 1 + 2 * body.count(b"[") + len(_OBJECT_IN_OBJECT.findall(body)) <= MAX_LEVELS:
        return False
    brackets = _NO_BRACKETS.sub(b"", body)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > MAX_LEVELS
