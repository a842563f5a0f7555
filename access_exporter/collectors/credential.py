"""When the exporter's own token expires: GET /user/tokens/verify ("Verify Token").

GET /accounts/{account_id}/tokens/verify does the same for a token that an account owns. The wrong one of the two
refuses a valid token, so both are tried. No permission is needed. A global key has neither, and does not expire.

It is asked once a day for each credential, and again soon where there was no answer or the secret is another one. The
requests are optional: nothing waits for them, and their errors fail no poll. The credential keeps the answer,
so that it is forgotten together with the secret.
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
INTERVAL_SECONDS = 300  # to see whether there is another secret
DAY = 86400

_Time = Annotated[datetime, Meta(tz=True)]
REFUSALS = (AuthError, PermissionMissingError, NotFoundError)


class Token(msgspec.Struct):
    """The field of the answer that is read; it may be missing, and what cannot be read is as good as missing."""

    expires_on: object = None

    @property
    def expires_at(self) -> float | None:
        """When the token expires, in seconds since the epoch; None where it does not."""
        try:
            expires_on: datetime = msgspec.convert(self.expires_on, _Time)
        except msgspec.ValidationError:
            return None
        return expires_on.timestamp() if expires_on.year > 1 else None  # what Go writes for no time


class Verified(msgspec.Struct, frozen=True):
    """When the token was verified, in seconds since the epoch."""

    at: float


def configured(account: Account, client: Client) -> Iterator["CredentialCollector"]:
    """Yield the collector of a token, for the first account that uses it."""
    if client.credential.is_token and client.credential.name == account.id:
        yield CredentialCollector(account, client)


class CredentialCollector(Collector[Verified]):
    """The token of an account."""

    title = "API token"
    summary_type = Verified
    is_optional = True
    interval = INTERVAL_SECONDS
    stale_after = 2 * DAY
    endpoints = (OF_A_USER, OF_AN_ACCOUNT)

    def __init__(self, account: Account, client: Client) -> None:
        """Ask nothing yet."""
        self._account_id = account.id
        self._client = client
        self._verified: dict[str, str] = {}  # the headers with the secret that was asked about
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.settings = object()  # like no other: after a reload it is asked again

    def fetch(self, poll: Poll[Verified]) -> Verified:
        """Ask when the token expires, unless that was answered within the day.

        Raises a PollError where neither endpoint answers.
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
        """Try both endpoints; where neither answers, any other failure says more than a refusal."""
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
        """Store nothing: the next process may have another secret, and asks at once."""

    def families(self, _summary: Verified) -> Iterator[Metric]:
        """Yield nothing: the credential's own metrics show it."""
        return iter(())

    def status(self, _summary: Verified) -> Iterator[str]:
        """Yield when the token expires."""
        if expires_at := self._client.credential.expires_at:
            yield f"expires on {moment(expires_at)}"
