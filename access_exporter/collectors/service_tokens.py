"""Lists the service tokens of an account: GET /accounts/{account_id}/access/service_tokens ("List service tokens").

cloudflare_access_service_token_expiry_timestamp_seconds{account_id="…",service_token="ci",service_token_id="…"} 1.8e+09
cloudflare_access_service_token_enabled{account_id="…",service_token="ci",service_token_id="…"} 1.0
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec.structs import replace
from prometheus_client import Metric

from access_exporter.cloudflare import NOTHING_FOUND, Client, Endpoint, Found, Permission
from access_exporter.collectors import listed, texts
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.config import Account
from access_exporter.errors import InvalidResponseError
from access_exporter.exposition import gauge

NAME = "service_tokens"
ENDPOINT = Endpoint(NAME, "/accounts/{account_id}/access/service_tokens", "Access: Service Tokens Read")

MAX_TOKENS = 10_000  # each has two time series; Cloudflare's default limit is 50
MAX_NAME_LENGTH = 200
MAX_ID_LENGTH = 64  # a UUID has 36


class Shown(msgspec.Struct, frozen=True):
    """The part of a token that the exporter shows; `expiry` is in seconds since the epoch."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME_LENGTH)]
    enabled: bool | None
    expiry: float | None


class ServiceToken(msgspec.Struct):
    """The fields of a row that the exporter reads. Any field may be missing. No response has the token's secret."""

    id: str | None = None
    name: str | None = None
    enabled: bool | None = None
    duration: str | None = None
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None

    @property
    def expiry(self) -> float | None:
        """The expiry in seconds since the epoch; None if the token never expires or the expiry is unknown."""
        return self.expires_at.timestamp() if self.expires_at and self.duration != "forever" else None

    def shown(self, token_id: str) -> Shown:
        """Return the part that the exporter shows. Raises InvalidResponseError if the id is too long."""
        if len(token_id) > MAX_ID_LENGTH:
            raise InvalidResponseError(f"the account lists a service token with an id of {len(token_id)} characters")
        return Shown(token_id, texts.kept(self.name or token_id, MAX_NAME_LENGTH), self.enabled, self.expiry)


class ServiceTokensSummary(msgspec.Struct, frozen=True):
    """The tokens of an account, in the order of Cloudflare's list."""

    tokens: Annotated[tuple[Shown, ...], msgspec.Meta(max_length=MAX_TOKENS)]
    totals_agreed: bool = False
    found: Found = NOTHING_FOUND


def configured(account: Account, client: Client) -> Iterator["ServiceTokensCollector"]:
    """Yield the collector of an account if the configuration asks for its service tokens."""
    if config := account.service_tokens_config:
        yield ServiceTokensCollector(account, config.interval, config.stale_after, client)


class ServiceTokensCollector(Collector[ServiceTokensSummary]):
    """Polls the service tokens of an account."""

    title = "Service tokens"
    summary_type = ServiceTokensSummary
    endpoints = (ENDPOINT,)

    def __init__(self, account: Account, interval: float, stale_after: float, client: Client) -> None:
        """`interval` and `stale_after` are in seconds."""
        self._account_id = account.id
        self._client = client
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.settings = (client.settings, interval, stale_after)
        self.interval = interval
        self.stale_after = stale_after

    def fetch(self, poll: Poll[ServiceTokensSummary]) -> ServiceTokensSummary:
        """List the tokens. Raises PollError if the list cannot be read to its end."""
        previous = poll.previous or ServiceTokensSummary(())
        before = replace(previous.found, rows=len(previous.tokens), totals_agreed=previous.totals_agreed)
        resource = ENDPOINT.of(self._account_id)
        walk = self._client.walk(resource, ServiceToken, self.stale_after, before, progress=poll.progress)
        tokens: list[Shown] = []
        for rows in walk:
            tokens += (row.shown(row.id) for row in rows if row.id)
            if len(tokens) > MAX_TOKENS:
                raise InvalidResponseError(f"the account lists more than {MAX_TOKENS} service tokens")
        listed.report(self.key, walk.found, previous.found)
        return ServiceTokensSummary(tuple(tokens), walk.found.totals_agreed, walk.found)

    def families(self, summary: ServiceTokensSummary) -> Iterator[Metric]:
        """Yield the metric families of service tokens."""
        labelled = [
            ({"account_id": self._account_id, "service_token": token.name, "service_token_id": token.id}, token)
            for token in summary.tokens
        ]
        yield gauge(
            "cloudflare_access_service_token_expiry_timestamp_seconds",
            "When the service token expires, in seconds since the epoch; absent for a token that never expires.",
            [(labels, token.expiry) for labels, token in labelled],
        )
        yield gauge(
            "cloudflare_access_service_token_enabled",
            "1 if the service token is enabled, 0 if it is disabled; absent if the API does not say.",
            [(labels, token.enabled) for labels, token in labelled],
        )

    def status(self, summary: ServiceTokensSummary) -> Iterator[str]:
        """Yield the number of tokens, and the enabled token that expires first."""
        yield from listed.status(summary.found)
        yield f"{len(summary.tokens):,} service token{'' if len(summary.tokens) == 1 else 's'}"
        expiries = [
            (token.expiry, token.name) for token in summary.tokens if token.expiry and token.enabled is not False
        ]
        if expiries:
            expiry, name = min(expiries)
            yield f"{name} expires first, on {texts.moment(expiry)}"

    def plan(self) -> Plan:
        """Return the cost of polling: one request for each page of tokens."""
        requests = 3600 / self.interval
        return Plan(
            "service tokens",
            f"polled every {self.interval:.10g} s, stale after {self.stale_after:.10g} s",
            requests,
            f"{requests:.4g} requests/h for each {self._client.api.page_size} tokens",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to list service tokens."""
        yield Permission(ENDPOINT.permission, ENDPOINT.of(self._account_id))
