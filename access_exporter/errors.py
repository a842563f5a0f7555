"""The errors of this package: one base class, and a subclass for each kind of error.

A message names what failed, where, and what to do next. It never contains a secret, a header, a body or a person.
"""

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import msgspec  # needed for a type only, and slow: its import takes longer than the rest of `--version`


class ExporterError(Exception):
    """The base of every error that this package raises on purpose."""


class ConfigError(ExporterError):
    """Raised if the configuration, or a secret that it names, cannot be used.

    The message names the file and the place in the file.
    """


class DocumentError(ExporterError):
    """Raised if a value in a file is wrong. A caller that knows the name of the file turns it into a ConfigError."""

    def __init__(self, where: str, problem: str) -> None:
        """`where` is a line or the path of a key, and empty for the whole file. `problem` says what is wrong."""
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}" if where else problem)


class UsageError(ExporterError):
    """Raised if a flag or its value is wrong. The message names the flag and what was expected."""


class CommandError(ExporterError):
    """Raised if a command fails. The message says why, and what to do next."""


class StorageError(ExporterError):
    """Raised if the folder of `--storage.path` cannot be used. The message says why, and what to do next."""


class StoppingError(ExporterError):
    """Raised if a wait ends early because the process is stopping."""


class PollError(ExporterError):
    """Raised if a poll fails. `reason` is the label of its counter `cloudflare_access_poll_errors_total`.

    `was_sent` is False if no part of the failed request can have reached Cloudflare. `status` is the HTTP status of a
    response that refused the request. `total` is the number of rows of the list, if an earlier page announced it.
    """

    reason: ClassVar[str]
    was_sent = True
    status: int | None = None
    total: int | None = None


class RetryableError(PollError):
    """Raised if a poll fails for a reason that may pass. `retry_after` is the wait of `Retry-After`, in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """`retry_after` is None if the response had no `Retry-After`."""
        super().__init__(message)
        self.retry_after = retry_after


class AuthError(PollError):
    """Raised if Cloudflare does not accept the credential: status 401, or a malformed token or header."""

    reason = "auth"


class PermissionMissingError(PollError):
    """Raised if Cloudflare accepts the credential but refuses the request: status 403, or the codes 10000 and 9109."""

    reason = "permission"


class NotFoundError(PollError):
    """Raised if the account, its Zero Trust organization or the policy test does not exist."""

    reason = "not_found"


class RateLimitedError(RetryableError):
    """Raised if Cloudflare answers 429, or if the credential still waits because of an earlier 429."""

    reason = "rate_limited"


class ServerError(RetryableError):
    """Raised if Cloudflare or its edge answers with a 5xx status."""

    reason = "server"


class PollTimeoutError(RetryableError):
    """Raised if a request takes longer than `api.timeout`, or all pages of a list take longer than `stale_after`."""

    reason = "timeout"


class NetworkError(RetryableError):
    """Raised if no complete response arrives: name resolution, connection or TLS fails, or the answer is truncated."""

    reason = "network"


class InvalidResponseError(PollError):
    """Raised if a response is not what the API documentation promises. Its numbers may be wrong."""

    reason = "invalid_response"


BY_REASON: dict[str, type[PollError]] = {
    kind.reason: kind
    for kind in (
        AuthError,
        PermissionMissingError,
        NotFoundError,
        RateLimitedError,
        ServerError,
        PollTimeoutError,
        NetworkError,
        InvalidResponseError,
    )
}
REASONS = tuple(BY_REASON)


# Names that cannot be secrets. Cloudflare's shortest secrets have 37 letters and digits. So a name has at most 24
# characters, or at most 36 without a digit. It contains no @, which an e-mail address has.
_NAME = r"(?:[A-Za-z_-]{1,36}|[\w.-]{1,24})"
_NAME_OR_PATH = re.compile(rf"/?{_NAME}(?:/{_NAME})*", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def named(what: str, name: str) -> str:
    """Return `what`, followed by the name or path unless the name could be a secret."""
    return f"{what} `{name}`" if _NAME_OR_PATH.fullmatch(name) or _VARIABLE.fullmatch(name) else what


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "a string",
    "bool": "true or false",
    "object": "a mapping",
    "array": "a list",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date",
}


def describe(error: "msgspec.ValidationError") -> tuple[str, str]:
    """Return the place of a value of the wrong type, such as `accounts[0].name`, and what was expected there.

    The place is empty if the whole document has the wrong type. The text never contains the value.
    """
    problem, _, where = str(error).partition(" - at `")
    where = where.rstrip("`").removeprefix("$").removeprefix(".")
    if field := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{where}.{field[1]}".lstrip("."), "required, but missing"
    problem = problem.replace("Invalid RFC3339 encoded datetime", "Expected a date such as 2026-01-31T09:30:00Z")
    problem = problem.replace(" | null", "")
    problem = problem.replace("of length >= ", "with a length of at least ")
    problem = problem.replace("of length <= ", "with a length of at most ")
    problem = problem.replace("int | float", "float")
    problem = re.sub(r"`([a-z |]+)`", lambda match: _types_in_words(match[1]), problem)
    return where, problem[0].lower() + problem[1:]


def _types_in_words(union: str) -> str:
    return " or ".join(_TYPES.get(kind, kind) for kind in union.split(" | "))
