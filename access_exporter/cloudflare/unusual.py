"""A row that is not as documented in, a row that costs no more than the fields that are wrong out.

"" stands for a missing value, a time without a zone is in UTC, and a value of a wrong type is unknown. Only the `id`
must be right: without it, a row that is listed twice would be counted twice.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
import msgspec.inspect

from access_exporter.cloudflare import lenient_json

T = TypeVar("T")

_NEEDED = "id"
_STYLE_BYTES = 1000  # of an answer, which show whether its keys are followed by a blank


def decode(raw: msgspec.Raw) -> object:
    """Decode the bytes of a row; None for what is not JSON."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return lenient_json.decode(bytes(raw))


def tidy(row: object, kind: Any) -> object:  # Any: mypy knows no fields of a type that is passed in
    """Drop the fields that are empty strings, and read times without a zone as UTC."""
    if not isinstance(row, dict):
        return row
    read: dict[str, Any] = row  # Any: decoded JSON
    if "" in row.values():
        read = {name: row[name] for name in kind.__struct_encode_fields__ if row.get(name, "") != ""}
    for name in _times(kind):
        time = read.get(name)
        # What is no time all the same is refused where it is converted.
        if isinstance(time, str) and time[-1] != "Z" and time[16:17] == ":" and not time[19:].strip(".0123456789"):
            read[name] = f"{time}Z"
    return read


def without_empty(body: bytes, kind: Any) -> bytes:  # Any: as above
    """Return an answer with `null` in place of each empty value, where rows hold nothing but plain values.

    Within a text, JSON puts a backslash before a quote, so these bytes are a value. `split` takes half the time of
    `replace`.
    """
    key_ends = b'": ' if b'": ' in body[:_STYLE_BYTES] else b'":'
    return (key_ends + b"null").join(body.split(key_ends + b'""')) if _is_flat(kind) else body


@lru_cache
def with_any_zone(kind: Any) -> Any:  # Any: as above
    """Return the type of the same rows whose times may have no zone; the type itself where that changes nothing."""
    names = [each.name for each in _fields(kind) if each.encode_name in _times(kind)]
    if not names or kind.__struct_config__.frozen or any(each.default is not None for each in _fields(kind)):
        return kind
    times = [(name, datetime | None, None) for name in names]
    return msgspec.defstruct(kind.__name__, times, bases=(kind,), gc=kind.__struct_config__.gc)


def add_zones(rows: Iterable[Any], kind: Any) -> None:  # Any: as above
    """Take the times without a zone for UTC."""
    for name in _times(kind):
        for row in rows:
            time = getattr(row, name)
            if time is not None and time.tzinfo is None:
                setattr(row, name, time.replace(tzinfo=UTC))


@lru_cache
def _is_flat(kind: Any) -> bool:  # Any: as above
    """Return whether the fields are texts, numbers, flags and times only."""
    plain = ("StrType", "BoolType", "IntType", "FloatType", "DateTimeType", "NoneType")
    of_field = (getattr(field.type, "types", (field.type,)) for field in _fields(kind))
    return all(type(each).__name__ in plain for types in of_field for each in types)


@lru_cache
def _times(kind: Any) -> tuple[str, ...]:  # Any: as above
    """Return the names of the fields that are times."""
    return tuple(each.encode_name for each in _fields(kind) if "DateTimeType" in repr(each.type))


def _fields(kind: Any) -> tuple[msgspec.inspect.Field, ...]:  # Any: as above
    found: Any = msgspec.inspect.type_info(kind)  # Any: that of a struct, which the stubs do not know
    return tuple(found.fields)


def convert(row: object, kind: type[T]) -> tuple[T, bool]:
    """Return the tidied row, and whether any of its fields was lost because it is invalid.

    A row that treats an invalid field unlike a missing one has a method `lose`, which gets their names.
    Raises msgspec.ValidationError where nothing can be made of it.
    """
    data: Any = row  # Any: decoded JSON
    lost: set[str] = set()
    while True:
        try:
            converted = msgspec.convert(data, kind)
            break
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            invalid = _invalid(error, data) - {_NEEDED}
            if not invalid:
                raise
            lost |= invalid
            data = {name: value for name, value in data.items() if name not in invalid}
    lose = getattr(converted, "lose", None) if lost else None
    if lose:
        lose(lost)
    return converted, bool(lost)


def _invalid(error: Exception, data: object) -> set[str]:
    """Return the fields that an error is about; nothing where it is about the whole row."""
    if not isinstance(data, dict):
        return set()
    if isinstance(error, UnicodeEncodeError):  # of a time, and it does not say which one
        return {name for name, value in data.items() if isinstance(value, str) and _is_broken(value)}
    return data.keys() & {str(error).rpartition(" - at `$.")[2].rstrip("`")}


def _is_broken(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
