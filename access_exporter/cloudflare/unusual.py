"""A row that is not as documented in, a row that costs no more than the fields that are wrong out.

"" stands for a missing value, a time without a zone is in UTC, and a value of a wrong type is not known. Only the `id`
must be right: without it, a row that is listed twice would be counted twice.
"""

import re
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from access_exporter.cloudflare import lenient_json
from access_exporter.errors import describe


@runtime_checkable
class LosesFields(Protocol):
    """A row that cannot treat an invalid field like a missing one."""

    def lose(self, fields: set[str]) -> None:
        """Note which fields of the row were invalid."""


T = TypeVar("T")

_NEEDED = "id"
_TIME_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")


def decode(raw: msgspec.Raw) -> object:
    """Decode the bytes of a row; None for what is not JSON."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return lenient_json.decode(bytes(raw))


def tidy(row: object) -> object:
    """Drop the fields that are empty strings, and read times without a zone as UTC."""
    if not isinstance(row, dict):
        return row
    return {
        name: f"{value}Z" if isinstance(value, str) and _TIME_WITHOUT_ZONE.fullmatch(value) else value
        for name, value in row.items()
        if value != ""
    }


def convert(row: object, kind: type[T]) -> tuple[T, bool]:
    """Return the row, and whether any of its fields was lost because it is invalid.

    Raises msgspec.ValidationError where nothing can be made of it.
    """
    data: Any = tidy(row)  # Any: decoded JSON
    lost: set[str] = set()
    while True:
        try:
            converted = msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            field = describe(error)[0]
            if field == _NEEDED or not isinstance(data, dict) or field not in data:
                raise
            lost.add(field)
            del data[field]
        else:
            break
    if lost and isinstance(converted, LosesFields):
        converted.lose(lost)
    return converted, bool(lost)
