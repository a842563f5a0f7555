"""Decodes a response of Cloudflare: returns its rows, or raises an error that says why there are none."""

import contextlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from time import monotonic
from typing import Any, Generic, TypeVar, get_args, get_origin

import msgspec

from access_exporter.cloudflare import lenient_json, unusual
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.refusals import refusal
from access_exporter.errors import InvalidResponseError, PollError, PollTimeoutError, describe

# A page has up to 1000 rows of 11 values each. A response with many more values would need a hundred times its size in
# memory, and the slow way to decode it would leave Python's memory fragmented. Policy rules need these limits most,
# because they may have any content.
MAX_OBJECTS, MAX_VALUES, MAX_ROWS, MAX_UNUSUAL_VALUES = 100_000, 400_000, 20_000, 50_000
# The values of larger responses are counted first. A page of 1000 rows takes about 400 KB, and 512 KB of `[],` takes
# 30 ms to decode.
COUNTED_BYTES = 512 * 1024
# Some numbers take 10 µs to decode, a hundred times as long as others: those with an exponent or with many digits.
# Cloudflare sends no such numbers. A key takes 0.4 µs if it may be any key.
MAX_SLOW_NUMBERS, MAX_DIGITS, MAX_KEYS = 4000, 1000, 110_000
_SLOW_NUMBER = re.compile(rb"[\[:,]\s*-?[0-9](?:[0-9.]{16,}|[0-9.]*[eE])")
MANY_ROWS, _PIECE_BYTES = 5000, 64 * 1024
# A result that is not a list is small, and so are the fields beside a list. They may have any content. The limit keeps
# the decoding short, because no other thread runs meanwhile.
MAX_OBJECT_BYTES = 128 * 1024

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T]):
    """The outer object of a response. Any field can be missing. Fields that may have any type stay undecoded."""

    success: bool | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")
    result: T | msgspec.UnsetType | None = msgspec.UNSET
    result_info: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def has_failed(self) -> bool:
        """Whether `success` is false, or the response lists errors and `success` is missing."""
        errors = bytes(self.errors)
        lists_some = errors.startswith((b"[", b"{")) and bool(errors[1:-1].strip())
        return self.success is False or (not self.success and lists_some)


@dataclass(frozen=True)
class Decoded(Generic[T]):
    """The content of a successful response. `result` is None for a list that is `null` with `success: true`.

    `invalid_rows` counts rows with a field that could not be read. `size` is the size of the response in bytes.
    """

    result: T | None
    result_info: msgspec.Raw
    invalid_rows: int = 0
    size: int = 0

    @property
    def some(self) -> T:
        """The result of a response that is not a list; `decode` checked that there is one."""
        assert self.result is not None  # noqa: S101 – `decode` raises an error if there is no result
        return self.result

    @property
    def info(self) -> object:
        """The decoded `result_info`, of any type; None if it cannot be decoded."""
        info = bytes(self.result_info)
        return lenient_json.decode(info) if len(info) <= MAX_OBJECT_BYTES else None


def decode(endpoint: Endpoint, body: bytes, result: type[T], deadline: float = math.inf) -> Decoded[T]:
    """Decode a response the fast way, straight from its bytes, or the slow way if it has unusual values.

    Raises PollTimeoutError if the slow way takes longer than the `deadline`, a time of the monotonic clock. Raises
    another PollError if the response reports a failure, has no result, is too large or is not as documented.
    """
    if len(body) > COUNTED_BYTES and _has_too_much(body):
        raise _too_much(endpoint)
    is_list = get_origin(result) is list
    if _is_slow(body, result):
        raise _too_much(endpoint)
    if not is_list and len(body) > MAX_OBJECT_BYTES:
        _check_object(endpoint, body)
    kind: Any = Envelope[result]  # type: ignore[valid-type]  # Any: mypy cannot use a variable as a type
    invalid_rows = 0
    try:
        envelope = _decoder(kind).decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        envelope, invalid_rows = _decode_unusual(endpoint, body, result, deadline)
    if envelope.has_failed:
        raise refusal(endpoint, 200, {}, body)
    is_empty_list = envelope.result is None and envelope.success and is_list
    if envelope.result in (None, msgspec.UNSET) and not is_empty_list:
        raise InvalidResponseError(f"the response from {endpoint.place} has no result")
    if is_list and len(envelope.result or ()) > MAX_ROWS:
        raise _too_much(endpoint)
    return Decoded(envelope.result, envelope.result_info, invalid_rows, len(body))


def _has_too_much(body: bytes) -> bool:
    """Return whether the response has too many objects, lists or values. This takes half the time of decoding."""
    return body.count(b"{") + body.count(b"[") > MAX_OBJECTS or body.count(b",") > MAX_VALUES


def _is_slow(body: bytes, result: Any) -> bool:  # Any: the type of a result
    """Return whether numbers and keys of a response would take too long. No other thread runs while they are decoded.

    Only fractions and values of any type matter. A usual page of users has too few of them, so it is not searched.
    """
    if get_origin(result) is list:
        row = get_args(result)[0]
        with _MAKING:
            has_any, has_floats = (unusual.has_values_of(row, name) for name in ("AnyType", "FloatType"))
        is_large = len(body) > COUNTED_BYTES
        if has_any and is_large and body.count(b'":') > MAX_KEYS:
            return True
        if not has_any and not (has_floats and (is_large or body.count(b"{") > MANY_ROWS)):
            return False
    numbers = 0
    for start in range(0, len(body), _PIECE_BYTES):  # in pieces, so that other threads run in between
        for found in _SLOW_NUMBER.finditer(body, start, start + _PIECE_BYTES):
            numbers += 1
            if numbers > MAX_SLOW_NUMBERS or found.end() - found.start() > MAX_DIGITS:
                return True
    return False


class _Outside(msgspec.Struct):
    """A response with its result as undecoded bytes."""

    result: msgspec.Raw = msgspec.Raw(b"null")


def _check_object(endpoint: Endpoint, body: bytes) -> None:
    """Raise InvalidResponseError if a result that should not be a list is too large."""
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):  # `decode` reports these errors
        if len(bytes(_decoder(_Outside).decode(body).result)) > MAX_OBJECT_BYTES:
            raise _too_much(endpoint)


_MAKING = Lock()  # msgspec has a race condition: it crashes if two threads inspect a new type at the same time


def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # Any: a decoder of any type
    with _MAKING:
        return _made_decoder(kind)


@lru_cache
def _made_decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # Any: a decoder of any type
    return msgspec.json.Decoder(kind)


def _decode_unusual(
    endpoint: Endpoint, body: bytes, result: type[T], deadline: float
) -> tuple[Envelope[Any], int]:  # Any: an envelope of any type
    """Decode unusual values: broken characters in a name, "" for a missing value, a time without a zone.

    Decodes only the rows with such values the slow way. Returns the envelope and the number of rows with an invalid
    field.
    """
    if body.count(b",") > MAX_UNUSUAL_VALUES:
        raise _too_much(endpoint)
    row: Any = get_args(result)[0] if get_origin(result) is list else None  # Any: the type of a row
    if row and (again := _decode_again(body, row)):
        return again, 0
    try:
        envelope = _split(body) if row else None
        if envelope is None:
            envelope = _lenient(endpoint, body, result)
        rows = envelope.result
        if row is None or not isinstance(rows, list):
            return envelope, 0
        envelope.result, invalid_rows = _rows(endpoint, rows, row, deadline)
    except msgspec.ValidationError as error:
        raise _not_as_documented(endpoint, *describe(error)) from None
    except UnicodeEncodeError:
        raise InvalidResponseError(f"the response from {endpoint.place} contains invalid characters") from None
    return envelope, invalid_rows


def _decode_again(body: bytes, row: Any) -> Envelope[Any] | None:  # Any: the type of a row, and an envelope of it
    """Decode all rows at once if only empty values and times without a zone are unusual; None otherwise."""
    with _MAKING:
        tidied, any_zone = unusual.without_empty(body, row), unusual.with_any_zone(row)
    for kind in (row, any_zone):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
            found = _decoder(Envelope[list[kind]]).decode(tidied)  # type: ignore[valid-type]  # see `decode`
            if isinstance(found.result, list):
                if kind is any_zone:
                    unusual.add_zones(found.result, kind)
                return found  # type: ignore[no-any-return]  # `_decoder` returns a decoder of any type
    return None


def _split(body: bytes) -> Envelope[list[msgspec.Raw]] | None:
    """Return the response with its rows as undecoded bytes; None if it is not strict JSON or has no list of rows."""
    try:
        return _decoder(Envelope[list[msgspec.Raw]]).decode(body)  # type: ignore[no-any-return]  # see `_decode_again`
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _lenient(endpoint: Endpoint, body: bytes, result: type[T]) -> Envelope[Any]:  # Any: an envelope of any type
    """Decode a response that only Python's own decoder accepts. The rows of a list become plain dicts."""
    data = lenient_json.decode(body)
    if data is None:
        raise InvalidResponseError(f"the response from {endpoint.place} is not JSON")
    if isinstance(data, dict):
        if data.get("success") is False:
            raise refusal(endpoint, 200, {}, body)
        data |= {name: msgspec.Raw(json.dumps(data.get(name)).encode()) for name in ("errors", "result_info")}
        if get_origin(result) is not list:
            data["result"] = unusual.tidy(data.get("result"), result)
    kind: Any = Envelope[list[Any]] if get_origin(result) is list else Envelope[result]  # type: ignore[valid-type]  # Any: see `decode`
    with _MAKING:
        envelope: Envelope[Any] = msgspec.convert(data, kind)  # Any: an envelope of any type
    return envelope


def _rows(endpoint: Endpoint, rows: Iterable[object], kind: type[T], deadline: float) -> tuple[list[T], int]:
    """Return the decoded rows, and the number of rows with an invalid field.

    After n unusual rows in sequence, this function decodes the next n rows the slow way, too, because trying the fast
    way first takes time. `rows` has the rows as bytes or as dicts.
    """
    decoder, places = _decoder(kind), []
    found: list[Any] = []  # Any: decoded rows, and dicts that are still to be converted
    unusual_so_far = expected = 0
    for number, row in enumerate(rows):
        _check_time(endpoint, deadline)
        try:
            if not expected:
                found.append(decoder.decode(row) if isinstance(row, msgspec.Raw) else msgspec.convert(row, kind))
                unusual_so_far = 0
                continue
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            expected = unusual_so_far = unusual_so_far + 1
        expected -= 1
        found.append(unusual.tidy(unusual.decode(row) if isinstance(row, msgspec.Raw) else row, kind))
        places.append(number)
    try:
        tidied = msgspec.convert([found[place] for place in places], list[kind])  # type: ignore[valid-type]  # see `decode`
    except (msgspec.ValidationError, UnicodeEncodeError):
        return found, _convert(endpoint, found, places, kind, deadline)
    for place, row in zip(places, tidied, strict=True):
        found[place] = row
    return found, 0


def _convert(
    endpoint: Endpoint,
    found: list[Any],  # Any: decoded rows, and dicts that are still to be converted
    places: Iterable[int],
    kind: type[T],
    deadline: float,
) -> int:
    """Convert the rows at these indexes, one by one, and return the number of rows with an invalid field."""
    invalid = 0
    for place in places:
        _check_time(endpoint, deadline)
        try:
            found[place], is_invalid = unusual.convert(found[place], kind)
        except msgspec.ValidationError as error:
            where, problem = describe(error)
            raise _not_as_documented(endpoint, f"result[{place}].{where}".rstrip("."), problem) from None
        invalid += is_invalid
    return invalid


def _check_time(endpoint: Endpoint, deadline: float) -> None:
    if monotonic() > deadline:
        raise PollTimeoutError(
            f"the response from {endpoint.place} took longer to decode than the request timeout allows"
        )


def _not_as_documented(endpoint: Endpoint, where: str, problem: str) -> PollError:
    found = f"{where}: {problem}" if where else problem
    return InvalidResponseError(f"the response from {endpoint.place} is not as documented: {found}")


def _too_much(endpoint: Endpoint) -> PollError:
    return _not_as_documented(endpoint, "", "more than a page can hold")
