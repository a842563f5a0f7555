"""What an answer of Cloudflare says: its rows, or why there are none, in words for people."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import accumulate
from threading import Lock
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
import urllib3
from urllib3.util import Retry

from access_exporter.errors import (
    AuthError,
    InvalidResponseError,
    NotFoundError,
    PermissionMissingError,
    PollError,
    PollTimeoutError,
    RateLimitedError,
    ServerError,
    describe,
)

# A page has up to 1000 rows of 11 values each. What has many more would take a hundred times its size, and decoded the
# slow way leave Python's memory in fragments.
MAX_OBJECTS, MAX_ODD_VALUES = 200_000, 50_000
# An answer has three levels. Where there is no end of them, decoding leaves the garbage collector, which may run at any
# moment, too little of Python's stack.
MAX_LEVELS = 100
# "Once exceeded, every call is refused for the next five minutes": no later word of the server is believed.
MAX_PAUSE_SECONDS = 300

T = TypeVar("T")


class Endpoint(msgspec.Struct, frozen=True):
    """An API page: its name in metrics, its path below the account, and the permission it asks for."""

    name: str
    path: str
    permission: str

    @property
    def place(self) -> str:
        """The path as people are told it: below the account, and the same for every id."""
        return re.sub(r"\{\w+\}", "ID", self.path.removeprefix("/accounts/{account_id}"))

    def of(self, account_id: str, policy_test_id: str = "") -> "Resource":
        """Return what this page says of one account, or of one policy test in it."""
        path = self.path.format(account_id=quote(account_id, safe=""), policy_test_id=quote(policy_test_id, safe=""))
        return Resource(self, path)


class Resource(NamedTuple):
    """An endpoint with its path filled in."""

    endpoint: Endpoint
    path: str


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
        return _json(bytes(self.result_info))


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
    data = _json(body)
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


def _json(body: bytes) -> object:
    """Decode JSON, and what is nearly JSON; return None for what is neither, or nested too deep."""
    if _is_too_deep(body):
        return None
    try:
        return _LENIENT.decode(body.decode("utf-8-sig", "surrogateescape"))
    except ValueError:
        return None


_LENIENT = json.JSONDecoder(strict=False)
_OBJECT_IN_OBJECT = re.compile(rb":\s*\{")
# A string that does not end goes to the end of the text: were it no match, each of its quotes would be tried again.
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|[^"\[\]{}]++', re.DOTALL)
_LEVELS = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def _is_too_deep(body: bytes) -> bool:
    # An object is the outermost, or in a list, or in an object: so many levels there are at most, and it is soon told.
    if 1 + 2 * body.count(b"[") + len(_OBJECT_IN_OBJECT.findall(body)) <= MAX_LEVELS:
        return False
    brackets = _NO_BRACKETS.sub(b"", body)
    return max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > MAX_LEVELS


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


def refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> PollError:
    """Return the error that an answer other than a good one stands for.

    The codes are those of https://developers.cloudflare.com/fundamentals/api/troubleshooting/; the messages beside
    them are left out, since they may repeat what was sent.
    """
    codes = _codes(body)
    wait = _retry_after(headers)
    failed = " and success: false" if status == 200 else ""
    said = f"{status}{failed} from {endpoint.place}"
    said += f" (code {', '.join(map(str, sorted(codes)))})" if codes else ""
    said += f", to be asked again in {wait:.0f} s" if wait else ""
    if status in (408, 429) or status >= 500:
        return _passing(status, said, wait)
    if status == 401 or codes & {6003, 6111}:
        return AuthError(
            f"{said}: the token or key is not accepted; check its value and that it is not expired, "
            f"and that it has the permission {endpoint.permission}"
        )
    if 9999 in codes:
        return NotFoundError(f"{said}: Zero Trust is not set up on this account")
    if status == 403 or codes & {9109, 10000}:
        return PermissionMissingError(
            f"{said}: the token needs the permission {endpoint.permission} on this account; "
            "if it has that, check its value and that it is not expired"
        )
    if status == 404 or 12130 in codes or (status == 400 and "{policy_test_id}" in endpoint.path):
        return NotFoundError(f"{said}: nothing there with this id; check the ids in the configuration")
    if 300 <= status < 400:
        return InvalidResponseError(f"{said}: a redirect, which is never followed; check api.url")
    unknown = "Cloudflare says that it failed, and not why" if status == 200 else "not an answer this API gives"
    return InvalidResponseError(f"{said}: {unknown}")


def _passing(status: int, said: str, wait: float | None) -> PollError:
    if status == 429:
        return RateLimitedError(f"{said}: too many requests with this credential", wait)
    if status == 408:
        return PollTimeoutError(f"{said}: the request did not arrive in time", wait)
    return ServerError(f"{said}: trouble at Cloudflare, which passes by itself", wait)


def _codes(body: bytes) -> set[int]:
    data = _json(body)
    errors = data.get("errors") if isinstance(data, dict) else None
    if not isinstance(errors, list):
        return set()
    codes = (error.get("code") for error in errors[:10] if isinstance(error, dict))
    return {code for code in codes if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10**9}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds the answer asks to wait; None where it does not, or in a way nobody can follow."""
    try:
        wait = Retry().parse_retry_after(headers["Retry-After"])
    except (KeyError, urllib3.exceptions.InvalidHeader, ValueError, OverflowError):
        return None
    return min(wait, MAX_PAUSE_SECONDS)
