"""Explains why Cloudflare refused a request and what to do, by the error code or else by the HTTP status.

Sources of the codes: https://developers.cloudflare.com/fundamentals/api/troubleshooting/ and
https://developers.cloudflare.com/cloudflare-one/api-terraform/. Codes marked "seen" are from public bug reports. The
exporter does not show Cloudflare's own error messages, because they may repeat the request.
"""

import codecs
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from access_exporter.cloudflare import lenient_json
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.errors import (
    AuthError,
    InvalidResponseError,
    NotFoundError,
    PermissionMissingError,
    PollError,
    PollTimeoutError,
    RateLimitedError,
    ServerError,
)

# Cloudflare refuses requests for five minutes once the rate limit is exceeded, so a longer Retry-After is capped.
MAX_PAUSE_SECONDS = 300
MAX_REFUSAL_BYTES = 64 * 1024  # the exporter reads only the codes and the wait of a refusal
_MAX_WAIT_LENGTH = 100  # in characters; a date takes 29


class Rule(NamedTuple):
    """The error for a refusal with one of these codes or statuses, and the words that say what to do."""

    kind: type[PollError]
    words: str
    codes: frozenset[int] = frozenset()
    statuses: frozenset[int] = frozenset()


_CREDENTIAL = Rule(
    AuthError,
    "the token or key is not accepted; check its value and that it is not expired, "
    "and that it has the permission {permission}",
    # 6003 and 6111: a malformed header. 9103: an unknown key or e-mail address. 9106: a header is missing.
    codes=frozenset((6003, 6111, 9103, 9106)),
    statuses=frozenset((401,)),
)
_PERMISSION = Rule(
    PermissionMissingError,
    "the token needs the permission {permission} on this account; "
    "if it has that, check its value and that it is not expired",
    # Cloudflare uses both codes for an invalid token as well as for a missing permission.
    codes=frozenset((9109, 10000)),
    statuses=frozenset((403,)),
)
# The first rule with one of the codes applies, or else the first rule with the status: codes say more.
RULES = (
    Rule(NotFoundError, "Zero Trust is not set up on this account", codes=frozenset((9999,))),
    # Seen with 400 and 404: the path has no valid account id, often because of a typing error or the id of a zone.
    Rule(NotFoundError, "this id does not exist; check the account id", codes=frozenset((7000, 7003))),
    _CREDENTIAL,
    _PERMISSION,
    Rule(
        NotFoundError,
        "this id does not exist; check the ids in the configuration",
        codes=frozenset((12130,)),
        statuses=frozenset((404,)),
    ),
    Rule(
        InvalidResponseError,
        "the exporter does not follow redirects; check api.url",
        statuses=frozenset(range(300, 400)),
    ),
)
_NUMBER = re.compile(r"\s*\d{1,18}(\.\d{1,9})?\s*", re.ASCII)
_FIREWALL = "the body is not from the API: a firewall or proxy refused the request"


def refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> PollError:
    """Return the error for a response that reports a failure."""
    failure = _refusal(endpoint, status, headers, body)
    failure.status = status
    return failure


def _refusal(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> PollError:
    data = lenient_json.decode(body) if len(body) <= MAX_REFUSAL_BYTES else None
    codes = _codes(data)
    wait = _wait(headers, data)
    failed = " and success: false" if status == 200 else ""
    said = f"{status}{failed} from {endpoint.place}"
    said += f" (code {', '.join(map(str, sorted(codes)))})" if codes else ""
    said += f", retry in {wait:.0f} s" if wait else ""
    if status in (408, 429) or status >= 500:
        return _passing(status, said, wait)
    if status == 403 and body.strip() and not body.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        return InvalidResponseError(f"{said}: {_FIREWALL}")
    if rule := _rule(endpoint, status, codes):
        return rule.kind(f"{said}: {rule.words.format(permission=endpoint.permission)}")
    unknown = "Cloudflare reports a failure without a reason" if status == 200 else "unexpected response"
    return InvalidResponseError(f"{said}: {unknown}")


def _rule(endpoint: Endpoint, status: int, codes: set[int]) -> Rule | None:
    if status == 401 and codes & _PERMISSION.codes:
        return _CREDENTIAL
    of_codes = (rule for rule in RULES if rule.codes & codes)
    # Seen for a policy test that does not exist: 400 without a known code.
    of_status = (
        rule for rule in RULES if (404 if _is_of_a_test(endpoint) and status == 400 else status) in rule.statuses
    )
    return next(of_codes, None) or next(of_status, None)


def _is_of_a_test(endpoint: Endpoint) -> bool:
    return "{policy_test_id}" in endpoint.path


def _passing(status: int, said: str, wait: float | None) -> PollError:
    if status == 429:
        return RateLimitedError(f"{said}: too many requests with this credential", wait)
    if status == 408:
        return PollTimeoutError(f"{said}: the request did not arrive in time", wait)
    return ServerError(f"{said}: a temporary fault at Cloudflare", wait)


def _codes(data: object) -> set[int]:
    codes = (error.get("code") for error in _errors(data))
    return {code for code in codes if isinstance(code, int) and not isinstance(code, bool) and 0 < code < 10**9}


def _errors(data: object) -> list[dict[str, object]]:
    errors = data.get("errors") if isinstance(data, dict) else None
    return [error for error in errors[:10] if isinstance(error, dict)] if isinstance(errors, list) else []


def _wait(headers: Mapping[str, str], data: object) -> float | None:
    """Return the longest wait in seconds that the header or the body asks for; None if neither asks for a wait.

    Responses with `Retry-After: 0` and the real wait in the body were seen. The wait is capped at MAX_PAUSE_SECONDS.
    """
    bodies = [data, *_errors(data)] if isinstance(data, dict) else []
    waits = [_seconds(headers.get("Retry-After")), *(_seconds(each.get("retry_after")) for each in bodies)]
    return max((min(wait, MAX_PAUSE_SECONDS) for wait in waits if wait is not None), default=None)


def _seconds(value: object) -> float | None:
    """Return a wait in seconds, from a number, a number as text, or a date (RFC 9110, section 10.2.3).

    Returns None for anything else.
    """
    if isinstance(value, str):
        if len(value) > _MAX_WAIT_LENGTH:
            return None
        try:
            return float(value) if _NUMBER.fullmatch(value) else _until(value)
        except (ValueError, OverflowError):
            return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    return None


def _until(date: str) -> float:
    return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
