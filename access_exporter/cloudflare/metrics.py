"""Counts requests to Cloudflare, and exports the counts as metrics.

cloudflare_access_api_requests_total{code="200",endpoint="users"} 12.0
cloudflare_access_api_retries_total{endpoint="users"} 1.0
cloudflare_access_api_ratelimit_remaining{credential="…"} 1188.0
cloudflare_access_credential_expiry_timestamp_seconds{credential="…"} 1.8e+09
"""

from collections.abc import Iterator, Sequence, Set
from http import HTTPStatus
from itertools import chain

import prometheus_client
from prometheus_client import Metric
from prometheus_client.registry import Collector

from access_exporter.cloudflare.credentials import Credential
from access_exporter.exposition import gauge

_STATUSES = {*HTTPStatus, *range(520, 531)}  # 520 to 530 are Cloudflare's own


def code_of(status: int) -> str:
    """Return the label of a status. Unregistered statuses share labels such as 5xx, so that there are few labels."""
    return str(status) if status in _STATUSES else f"{status // 100}xx"


class RequestMetrics(Collector):
    """The metrics of the requests with all credentials."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        """Register the families. `hidden` has the names of endpoints that are counted but not exported."""
        self.requests = prometheus_client.Counter(
            "cloudflare_access_api_requests",
            "Requests sent to Cloudflare, by HTTP status code; timeout or network if no complete response came. An "
            "unregistered status counts by its class, such as 5xx.",
            ["endpoint", "code"],
            registry=None,
        )
        self.duration = prometheus_client.Histogram(
            "cloudflare_access_api_request_duration_seconds",
            "Time from sending a request to Cloudflare to the end of the response.",
            ["endpoint"],
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            unit="seconds",
            registry=None,
        )
        self.retries = prometheus_client.Counter(
            "cloudflare_access_api_retries",
            "Requests that the exporter sent again after a temporary failure.",
            ["endpoint"],
            registry=None,
        )
        self.credentials: Sequence[Credential] = ()
        self.hidden: Set[str] = frozenset()
        registry.register(self)

    def begin(self, endpoint: str) -> None:
        """Create the counter of an endpoint's 429 responses at 0. Prometheus then sees the first one as an increase."""
        self.requests.labels(endpoint, "429")

    def collect(self) -> Iterator[Metric]:
        """Yield the families of the requests, and of the credentials in use."""
        for family in chain(self.requests.collect(), self.duration.collect(), self.retries.collect()):
            family.samples = [each for each in family.samples if each.labels["endpoint"] not in self.hidden]
            yield family
        yield gauge(
            "cloudflare_access_api_ratelimit_remaining",
            "Requests that the credential has left in Cloudflare's current window, by the last response. The label "
            "is the id of the first account that uses the credential.",
            [({"credential": each.name}, each.remaining) for each in self.credentials],
        )
        yield gauge(
            "cloudflare_access_credential_expiry_timestamp_seconds",
            "Expiry of the API token, in seconds since the epoch; absent for a token that never expires, for a key, "
            "and if Cloudflare does not say. The label is the id of the first account that uses the credential.",
            [({"credential": each.name}, each.expires_at) for each in self.credentials],
        )
