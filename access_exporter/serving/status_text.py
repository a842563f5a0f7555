"""Texts of the status page: escaped text from outside, durations, and ages that keep counting in the browser."""

import re
from datetime import UTC, datetime
from html import escape

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_MOST_CHARACTERS = 500
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def text(words: str) -> str:
    """Return a text from outside the exporter, escaped and truncated for HTML.

    Right-to-left characters in it do not change the text around it.
    """
    shown = words if len(words) <= _MOST_CHARACTERS else f"{words[:_MOST_CHARACTERS]}…"
    return f"<bdi>{escape(_UNPRINTABLE.sub('�', shown))}</bdi>"


def span(seconds: float) -> str:
    """Return a duration in words, in the largest unit that gives at least 2: 90 s, 2 min, 2 h or 2 d."""
    number, unit = _in_units(seconds)
    return f"{number} {unit}"


def _in_units(seconds: float) -> tuple[int, str]:
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return round(seconds / size), unit
    return max(0, round(seconds)), "s"


def moment(seconds: float) -> str:
    """Return a time, given in seconds since the epoch, as date and time in UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def age(then: float, now: float) -> str:
    """Return how long ago a time was. CSS alone keeps the seconds and minutes counting in the browser.

    The Content-Security-Policy of the page forbids inline styles. So classes pass the tens and the ones of the age to
    the CSS.
    """
    number, unit = _in_units(now - then)
    shown = f"{datetime.fromtimestamp(then, UTC):%Y-%m-%dT%H:%M:%SZ}"
    attributes = f'datetime="{shown}" title="{moment(then)}"'
    if unit not in ("s", "min"):
        return f"<time {attributes}>{number:,} {unit} ago</time>"
    tens, ones = divmod(number, 10)
    counting = f'class="{unit} t{tens} u{ones}"'
    return f"<time {counting} {attributes}><span>{number}</span> {unit} ago</time>"
