"""What can go wrong: one base error, each subclass says when it is raised and carries the facts.

Messages name what failed, on what, and what to do next. They never hold a secret, a header, a body or a person.
"""

import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import msgspec  # takes longer to import than all the rest of `--version`, and only names a type here


class ExporterError(Exception):
    """The base of every error this package raises on purpose."""


class ConfigError(ExporterError):
    """The configuration, or a secret it names, cannot be used; the message names the file and the place in it."""


class DocumentError(ExporterError):
    """A value in a file is wrong; whoever knows the file's name makes a ConfigError of it."""

    def __init__(self, where: str, problem: str) -> None:
        """`where` is a line or the path of a key, or empty for the whole file; `problem` says what is wrong."""
        self.where, self.problem = where, problem
        super().__init__(f"{where}: {problem}" if where else problem)


class UsageError(ExporterError):
    """A flag names something that is not there; the message names the flag and what was expected."""


class CommandError(ExporterError):
    """A command could not do what it was asked to; the message says why, and what to do next."""


class StorageError(ExporterError):
    """The folder of `--storage.path` cannot be used; the message says why, and what to do next."""


class StoppingError(ExporterError):
    """The process is stopping, so a wait was cut short."""


class PollError(ExporterError):
    """A poll failed; `reason` is the label it is counted under in `cloudflare_access_poll_errors_total`.

    `was_sent` is False where nothing of the request that failed can have left. `status` is the HTTP status of an answer
    that was a refusal, and `total` is how many rows the list has whose page failed, if a page before said so.
    """

    reason: ClassVar[str]
    was_sent = True
    status: int | None = None
    total: int | None = None


class RetryableError(PollError):
    """A poll failed in a way that may pass; `retry_after` is the wait in seconds the answer asked for, if it did."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the message and the wait asked for, in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class AuthError(PollError):
    """Cloudflare does not accept the credential: 401, or a malformed token or header."""

    reason = "auth"


class PermissionMissingError(PollError):
    """Cloudflare knows the credential but refuses the call: 403, or the codes 10000 and 9109."""

    reason = "permission"


class NotFoundError(PollError):
    """The account, its Zero Trust organization or the policy test does not exist."""

    reason = "not_found"


class RateLimitedError(RetryableError):
    """Cloudflare answered 429, or the credential is still paused by an earlier 429."""

    reason = "rate_limited"


class ServerError(RetryableError):
    """Cloudflare or its edge answered with a 5xx status."""

    reason = "server"


class PollTimeoutError(RetryableError):
    """A request took longer than `api.timeout`, or a whole walk longer than `stale_after`."""

    reason = "timeout"


class NetworkError(RetryableError):
    """Raised if no complete response came: name resolution, connection, TLS, or a response that ended early."""

    reason = "network"


class InvalidResponseError(PollError):
    """An answer came but is not what the API page promises; the numbers in it cannot be trusted."""

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


# The shortest secrets of Cloudflare have 37 letters and digits, names that long have no digit; no name holds an @.
_NAME = r"(?:[A-Za-z_-]{1,36}|[\w.-]{1,24})"
_NAME_OR_PATH = re.compile(rf"/?{_NAME}(?:/{_NAME})*", re.ASCII)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def named(what: str, name: str) -> str:
    """Return what it is, followed by its name or path unless that could be a secret."""
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

    The place is empty where it is the whole. No value is repeated.
    """
    problem, _, where = str(error).partition(" - at `")
    where = where.rstrip("`").removeprefix("$").removeprefix(".")
    if field := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"{where}.{field[1]}".lstrip("."), "required, but missing"
    problem = problem.replace("Invalid RFC3339 encoded datetime", "Expected a date such as 2026-01-31T09:30:00Z")
    problem = problem.replace(" | null", "")
    problem = problem.replace("int | float", "float")
    problem = re.sub(r"`([a-z |]+)`", lambda match: _types_in_words(match[1]), problem)
    return where, problem[0].lower() + problem[1:]


def _types_in_words(union: str) -> str:
    return " or ".join(_TYPES.get(kind, kind) for kind in union.split(" | "))
