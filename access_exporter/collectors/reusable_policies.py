"""Detects edits of the reusable policies that the configuration names: GET …/access/policies.

With `discover: applications`, the collector of applications does this instead, because it lists the policies anyway.
"""

from collections.abc import Iterable, Iterator

from prometheus_client import Metric

from access_exporter.cloudflare import Client, Found, Permission
from access_exporter.collectors import access_policies, application_list
from access_exporter.collectors.application_list import POLICIES, ApplicationList, Revisions
from access_exporter.collectors.protocol import Collector, Key, Poll
from access_exporter.config import Account
from access_exporter.errors import AuthError, NotFoundError, PermissionMissingError

NAME = "policies"
_INTERVAL_SECONDS = 900
_STALE_AFTER_SECONDS = 5400


class PoliciesSummary(Revisions, frozen=True):
    """The revisions of the policies; empty if the token may not list policies."""

    found: Found = Found()


def key(account: Account) -> Key:
    """Return the key of the target with the revisions of an account's reusable policies."""
    name = application_list.NAME if account.discovery else NAME
    return Key(account.id, name, name)


def wanted(account: Account) -> frozenset[str]:
    """Return the ids of the reusable policies that an account's configuration names."""
    return frozenset(policy for test in account.policy_tests for policy in test.policies)


def configured(account: Account, client: Client) -> Iterator["ReusablePoliciesCollector"]:
    """Yield the collector of an account if its configuration names policies and does not discover applications."""
    if wanted(account) and not account.discovery:
        yield ReusablePoliciesCollector(account, client)


class ReusablePoliciesCollector(Collector[PoliciesSummary]):
    """Polls the reusable policies that the configuration of an account names."""

    title = "Policies"
    summary_type = PoliciesSummary
    is_optional = True
    endpoints = (POLICIES,)
    interval = _INTERVAL_SECONDS
    stale_after = _STALE_AFTER_SECONDS

    def __init__(self, account: Account, client: Client) -> None:
        """`account` names the policies."""
        self._list = ApplicationList(client, account.id, self.stale_after)
        self._wanted = wanted(account)
        self.key = key(account)
        self.subject = (client.url, tuple(sorted(self._wanted)))
        self.settings = client.settings

    def fetch(self, poll: Poll[PoliciesSummary]) -> PoliciesSummary:
        """List the policies. Raises PollError for a temporary failure. A missing permission is not a failure."""
        before = poll.previous or PoliciesSummary()
        try:
            policies = self._list.reusable(before.found, is_optional=True)
        except (AuthError, PermissionMissingError, NotFoundError):
            return PoliciesSummary()
        return PoliciesSummary(access_policies.revisions(policies, self._wanted), self._list.policies_found)

    def permissions(self) -> Iterator[Permission]:
        """Yield the permission to list policies."""
        yield Permission(POLICIES.permission, POLICIES.of(self.key.account_id), is_optional=True)

    def families(self, _summary: PoliciesSummary) -> Iterable[Metric]:
        """Return nothing: the metrics of the tests show the policies."""
        return ()
