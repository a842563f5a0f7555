"""Prepares texts for storage and for the status page, such as names and times."""

from datetime import UTC, datetime


def kept(text: str, most: int) -> str:
    """Return the first `most` characters of a text. `?` replaces lone surrogates, which cannot be encoded as UTF-8."""
    return text[:most].encode(errors="replace").decode()


def moment(seconds: float) -> str:
    """Format a time in seconds since the epoch, such as `2026-01-31 at 09:30 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d at %H:%M} UTC"
