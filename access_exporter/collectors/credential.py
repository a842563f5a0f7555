"""Reads when the exporter's own API token expires: GET /user/tokens/verify ("Verify Token").

For a token that an account owns, GET /accounts/{account_id}/tokens/verify does the same. Each endpoint refuses the
other kind of token, so the collector tries both. The token needs no permission. A global API key does not expire.

The collector asks once a day for each credential. It asks again after INTERVAL_SECONDS if the request failed or the
secret changed. The requests are optional: no other request waits for them, and their failure needs no action. The
credential keeps the expiry, and forgets it together with the secret.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Endpoint
from access_exporter.collectors.protocol import Collector, Key, Poll
from access_exporter.collectors.texts import moment
from access_exporter.config import Account
from access_exporter.errors import AuthError, NotFoundError, PermissionMissingError, PollError

NAME = "credential"
OF_A_USER = Endpoint("user_token", "/user/tokens/verify", "none")
OF_AN_ACCOUNT = Endpoint("account_token", "/accounts/{account_id}/tokens/verify", "none")
INTERVAL_SECONDS = 300  # how often the collector looks for a new secret
DAY = 86400

_Time = Annotated[datetime, Meta(tz=True)]
REFUSALS = (AuthError, PermissionMissingError, NotFoundError)


class Token(msgspec.Struct):
    """The field of the response that the exporter reads. An invalid value counts as missing."""

    expires_on: object = None

    @property
    def expires_at(self) -> float | None:
        """When the token expires, in seconds since the epoch; None if it never expires or the time is invalid."""
        try:
            expires_on: datetime = msgspec.convert(self.expires_on, _Time)
        except msgspec.ValidationError:
            return None
        return expires_on.timestamp() if expires_on.year > 1 else None  # Go writes the year 1 for a missing time


class Verified(msgspec.Struct, frozen=True):
    """When the token was verified, in seconds since the epoch."""

    at: float


def configured(account: Account, client: Client) -> Iterator["CredentialCollector"]:
    """Yield a collector if the credential is a token and this account is the first that uses it."""
    if client.credential.is_token and client.credential.name == account.id:
        yield CredentialCollector(account, client)


class CredentialCollector(Collector[Verified]):
    """Polls the expiry of the API token that an account uses."""

    title = "API token"
    summary_type = Verified
    is_optional = True
    interval = INTERVAL_SECONDS
    stale_after = 2 * DAY
    endpoints = (OF_A_USER, OF_AN_ACCOUNT)

    def __init__(self, account: Account, client: Client) -> None:
        """`client` has the token as its credential."""
        self._account_id = account.id
        self._client = client
        self._verified: dict[str, str] = {}  # the headers with the secret that was verified last
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.settings = object()  # equals no other object, so that the collector asks again after each reload

    def fetch(self, poll: Poll[Verified]) -> Verified:
        """Ask Cloudflare when the token expires, at most once a day for the same secret.

        Raises PollError if both endpoints refuse the token or cannot be reached.
        """
        credential = self._client.credential
        headers = credential.headers()
        if poll.previous and self._verified == headers and 0 <= poll.now - poll.previous.at < DAY:
            return poll.previous
        try:
            token = self._verify()
        except REFUSALS:
            credential.note_expiry(headers, None)
            raise
        credential.note_expiry(headers, token.expires_at)
        self._verified = headers
        return Verified(poll.now)

    def _verify(self) -> Token:
        """Try both endpoints. If both fail, raise the first failure, or the second if the first was a refusal."""
        try:
            return self._client.get_once(OF_A_USER.of(self._account_id), Token)
        except PollError as failure:
            try:
                return self._client.get_once(OF_AN_ACCOUNT.of(self._account_id), Token)
            except PollError:
                if isinstance(failure, REFUSALS):
                    raise
                raise failure from None

    def to_store(self, _summary: Verified) -> None:
        """Store nothing, because the next process may have another secret. It asks again at once."""

    def families(self, _summary: Verified) -> Iterator[Metric]:
        """Yield nothing. The request metrics include the expiry of each credential."""
        return iter(())

    def status(self, _summary: Verified) -> Iterator[str]:
        """Yield when the token expires."""
        if expires_at := self._client.credential.expires_at:
            yield f"expires on {moment(expires_at)}"
