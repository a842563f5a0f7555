"""Limits of the numbers in a stored summary. Another program may have changed the file, so the exporter checks them."""

from collections.abc import Iterable, Mapping
from typing import Annotated, TypeAlias

from msgspec import Meta

MOST = 10**12  # far above any number of users, devices or rows

Count: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
Moment: TypeAlias = Annotated[float, Meta(ge=0, le=1e11)]  # in seconds since the epoch, up to the year 5138
Ratio: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Digest: TypeAlias = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]  # a SHA-256


def are_parts(counts: Mapping[str, int] | None, names: Iterable[str], most: float) -> bool:
    """Return whether all counts have known names, and none is above `most`."""
    found = counts or {}
    return found.keys() <= set(names) and max(found.values(), default=0) <= most


def add_up(counts: Mapping[str, int] | None, names: Iterable[str], most: float) -> bool:
    """Return whether all counts have known names, and their sum is not above `most`."""
    found = counts or {}
    return found.keys() <= set(names) and sum(found.values()) <= most
