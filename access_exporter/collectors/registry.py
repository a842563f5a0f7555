"""Lists every collector. A new collector needs one more line here."""

from collections.abc import Iterator

from access_exporter.cloudflare import Client
from access_exporter.collectors import (
    applications,
    configured_policy_tests,
    credential,
    devices,
    organization,
    reusable_policies,
    service_tokens,
    users,
)
from access_exporter.collectors.protocol import AnyCollector
from access_exporter.config import Account

COLLECTORS = (
    users.configured,
    organization.configured,
    devices.configured,
    reusable_policies.configured,
    configured_policy_tests.configured,
    applications.configured,
    service_tokens.configured,
    credential.configured,
)


def configured(account: Account, client: Client) -> Iterator[AnyCollector]:
    """Yield the collectors that an account asks for, in the order of the configuration."""
    for collectors in COLLECTORS:
        yield from collectors(account, client)
