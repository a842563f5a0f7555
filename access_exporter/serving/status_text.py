"""What the status page is written with: text of others as text, spans of time, and ages that keep counting."""

import re
from datetime import UTC, datetime
from html import escape

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MOST_CHARACTERS = 500
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def text(words: str) -> str:
    """Return somebody else's text as HTML that is nothing but text, and cannot turn round what stands beside it."""
    shown = words if len(words) <= _MOST_CHARACTERS else f"{words[:_MOST_CHARACTERS]}…"
    return f"<bdi>{escape(_UNPRINTABLE.sub('�', shown))}</bdi>"


def span(seconds: float) -> str:
    """Return a number of seconds in words, in the largest unit of which there are at least two."""
    number, unit = _in_units(seconds)
    return f"{number} {unit}"


def _in_units(seconds: float) -> tuple[int, str]:
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return round(seconds / size), unit
    return max(0, round(seconds)), "s"


def moment(seconds: float) -> str:
    """Return a moment in seconds since the epoch."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(then: float, now: float) -> str:
    """Return how long ago something was; seconds and minutes go on counting in the browser, by the style alone.

    The style cannot be given a number, since the policy of the page forbids styles of single elements. So classes give
    it the tens and the ones.
    """
    number, unit = _in_units(now - then)
    shown = f"{datetime.fromtimestamp(then, UTC):%Y-%m-%dT%H:%M:%SZ}"
    attributes = f'datetime="{shown}" title="{moment(then)}"'
    if unit not in ("s", "min"):
        return f"<time {attributes}>{number:,} {unit} ago</time>"
    tens, ones = divmod(number, 10)
    counting = f'class="{unit} t{tens} u{ones}"'
    return f"<time {counting} {attributes}><span>{number}</span> {unit} ago</time>"
