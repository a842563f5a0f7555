"""One client for each credential of a configuration, and one rate limiter for each secret."""

from collections.abc import Iterable
from typing import NamedTuple

from access_exporter.clock import Clock
from access_exporter.cloudflare.client import Client
from access_exporter.cloudflare.credentials import Credential
from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.cloudflare.rate_limit import RateLimiters
from access_exporter.config import Account, Api, Config, Secret


class Source(NamedTuple):
    """Where a credential comes from: accounts with the same source share it."""

    email: Secret | None
    secret: Secret


class Clients:
    """The clients of a configuration. Connections and rate limits survive a reload."""

    def __init__(self, metrics: RequestMetrics, clock: Clock) -> None:
        """Start without clients; call `configure` first."""
        self._metrics = metrics
        self._clock = clock
        self._rate_limiters = RateLimiters(clock)
        self._clients: dict[Source, Client] = {}
        self._shown: set[str] = set()

    def configure(self, config: Config) -> None:
        """Create a client for every credential of the configuration, and read every secret again.

        Raises ConfigError if a secret cannot be read; the old clients then stay.
        """
        clients: dict[Source, Client] = {}
        names: dict[Source, str] = {}
        for account in config.accounts:
            source = _source(account)
            client = clients.get(source) or self._client(config.api, account.id, source)
            client.credential.refresh()
            clients[source] = client
            names.setdefault(source, account.id)
        self._clients = clients
        self._metrics.credentials = ()  # so that no scrape sees a name twice while names change
        for source, client in clients.items():
            client.credential.name = names[source]
            client.credential.is_shown = config.shows
        self._metrics.credentials = [client.credential for client in clients.values()]
        in_use = [credential.headers() for credential in self._metrics.credentials]
        self._rate_limiters.configure(config.api, in_use)

    def show(self, endpoints: Iterable[Endpoint]) -> None:
        """Show the counters of these endpoints, and hide those that an earlier call showed."""
        names = {endpoint.name for endpoint in endpoints}
        for name in names:
            self._metrics.begin(name)
        self._shown |= names
        self._metrics.hidden = self._shown - names

    def of(self, account: Account) -> Client:
        """Return the client of a configured account."""
        return self._clients[_source(account)]

    def _client(self, api: Api, account_id: str, source: Source) -> Client:
        """Return the existing client if it has the same API settings, or a new one."""
        before = self._clients.get(source)
        if before and before.api == api:
            return before
        credential = before.credential if before else Credential(account_id, source.email, source.secret)
        # Cloudflare counts requests by secret. So two sources with the same secret share one limiter.
        return Client(api, credential, self._rate_limiters, self._metrics, self._clock)


def _source(account: Account) -> Source:
    return Source(account.api_email, account.secret)
