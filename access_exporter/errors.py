"""What can go wrong: one base error, each subclass says when it is raised and carries the facts.

Messages name what failed, on what, and what to do next. They never hold a secret, a header, a body or a person.
"""

from typing import ClassVar


class ExporterError(Exception):
    """The base of every error this package raises on purpose."""


class ConfigError(ExporterError):
    """The configuration, or a secret it names, cannot be used; the message names the file and the place in it."""


class UsageError(ExporterError):
    """A flag names something that is not there; the message names the flag and what was expected."""


class StoppingError(ExporterError):
    """The process is stopping, so a wait was cut short."""


class PollError(ExporterError):
    """A poll failed; `reason` is the label it is counted under in `cloudflare_access_poll_errors_total`.

    `was_sent` is False where nothing of the request that failed can have left.
    """

    reason: ClassVar[str]
    was_sent = True


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
    """No answer came through: name resolution, connection, TLS, or an answer that broke off."""

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
