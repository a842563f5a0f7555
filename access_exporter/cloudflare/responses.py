"""What an answer of Cloudflare says: its rows, or why there are none, in words for people."""

import json
import re
from functools import lru_cache
from threading import Lock
from typing import Any, Generic, TypeVar

import msgspec

from access_exporter.cloudflare import lenient_json
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.refusals import refusal
from access_exporter.errors import InvalidResponseError, PollError, describe

# A page has up to 1000 rows of 11 values each. What has many more would take a hundred times its size, and decoded the
# slow way leave Python's memory in fragments.
MAX_OBJECTS, MAX_ODD_VALUES = 200_000, 50_000

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T]):
    """The answer's outer shape; in practice any part can be missing, and what may be anything is left as it came."""

    success: bool | None = None
    errors: msgspec.Raw = msgspec.Raw(b"null")
    result: T | None = None
    result_info: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def has_failed(self) -> bool:
        """Whether it says so, or lists errors without saying that it succeeded."""
        errors = bytes(self.errors)
        lists_some = errors.startswith((b"[", b"{")) and bool(errors[1:-1].strip())
        return self.success is False or (not self.success and lists_some)

    @property
    def some(self) -> T:
        """The result, which `decode` made sure of."""
        assert self.result is not None  # noqa: S101 – `decode` raises where there is none
        return self.result

    @property
    def info(self) -> object:
        """The decoded `result_info`, whatever it is; None where it cannot be decoded."""
        return lenient_json.decode(bytes(self.result_info))


def decode(endpoint: Endpoint, body: bytes, result: type[T]) -> Envelope[T]:
    """Decode an answer straight from its bytes; the slow way only where something in it is odd."""
    if len(body) > MAX_OBJECTS * len("{},") and body.count(b"{") > MAX_OBJECTS:  # to count costs a tenth of decoding
        raise _too_much(endpoint)
    kind: Any = Envelope[result]  # type: ignore[valid-type]  # Any: mypy knows no type that is passed in
    envelope: Envelope[T]
    with _MAKING:
        decoder = _decoder(kind)
    try:
        envelope = decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        envelope = _decode_odd(endpoint, body, kind)
    if envelope.has_failed:
        raise refusal(endpoint, 200, {}, body)
    if envelope.result is None:
        raise InvalidResponseError(f"the answer of {endpoint.place} has no result")
    return envelope


_MAKING = Lock()  # msgspec crashes where two threads look at a type for the first time


@lru_cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # Any: an envelope of any type
    return msgspec.json.Decoder(kind)


def _decode_odd(endpoint: Endpoint, body: bytes, kind: Any) -> Any:  # Any: an envelope of any type
    """Decode what is valid but rare: broken characters in a name, "" for a missing value, a time without a zone."""
    if body.count(b",") > MAX_ODD_VALUES:
        raise _too_much(endpoint)
    data = lenient_json.decode(body)
    if data is None:
        raise InvalidResponseError(f"the answer of {endpoint.place} is not JSON")
    if isinstance(data, dict) and data.get("success") is False:
        raise refusal(endpoint, 200, {}, body)
    try:
        return msgspec.convert(_tidy(data), kind)
    except msgspec.ValidationError as error:
        found = ": ".join(filter(None, describe(error)))
        raise InvalidResponseError(f"the answer of {endpoint.place} is not as documented: {found}") from None
    except UnicodeEncodeError:
        raise InvalidResponseError(f"the answer of {endpoint.place} is text of broken characters") from None


def _too_much(endpoint: Endpoint) -> PollError:
    return InvalidResponseError(f"the answer of {endpoint.place} is not as documented: more than a page can hold")


_TIME_WITHOUT_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?")


def _tidy(data: object) -> object:
    """Drop the fields of the result, or of its rows, that are empty strings, and read times without a zone as UTC."""
    if not isinstance(data, dict):
        return data
    result = data.get("result")
    if isinstance(result, dict):
        result = _tidy_row(result)
    elif isinstance(result, list):
        result = [_tidy_row(row) for row in result]
    as_it_came = {name: msgspec.Raw(json.dumps(data.get(name)).encode()) for name in ("errors", "result_info")}
    return data | as_it_came | {"result": result}


def _tidy_row(row: object) -> object:
    if not isinstance(row, dict):
        return row
    return {
        name: value + "Z" if isinstance(value, str) and _TIME_WITHOUT_ZONE.fullmatch(value) else value
        for name, value in row.items()
        if value != ""
    }
