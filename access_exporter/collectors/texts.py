"""Texts that are kept and shown, such as names and moments."""

from datetime import UTC, datetime


def kept(text: str, most: int) -> str:
    """Return so many characters of a text; `?` stands for half of a surrogate pair, which nothing can write."""
    return text[:most].encode(errors="replace").decode()


def moment(seconds: float) -> str:
    """Return a moment in seconds since the epoch, as `2026-01-31 at 09:30 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d at %H:%M} UTC"
