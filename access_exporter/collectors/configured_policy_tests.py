"""The configured policy tests: each has the id of an existing test, or the ids of reusable policies to test."""

import json
from collections.abc import Iterator

from access_exporter.cloudflare import Client
from access_exporter.collectors import access_policies, application_list, reusable_policies
from access_exporter.collectors.fresh_policy_tests import FreshPolicyTestCollector, FreshTest
from access_exporter.collectors.fresh_schedule import Schedule
from access_exporter.collectors.fresh_summary import FreshSummary
from access_exporter.collectors.policy_tests import PolicyTestCollector
from access_exporter.collectors.protocol import Poll
from access_exporter.config import Account, PolicyTest

DAY = 86400


class ConfiguredFreshTestCollector(FreshPolicyTestCollector):
    """Tests the reusable policies with the configured ids."""

    def __init__(self, account: Account, config: PolicyTest, client: Client) -> None:
        """`config` names the policies."""
        policies, schedule = json.dumps(config.policies), Schedule(config.refresh or DAY)
        test = FreshTest(account.id, config.label, policies, schedule, config.interval, config.stale_after)
        super().__init__(test, client)
        self.subject = (client.url, tuple(sorted(set(config.policies))))
        self._policies = config.policies
        self._listed = reusable_policies.key(account)

    def revision(self, poll: Poll[FreshSummary] | None = None) -> str | None:
        """Return the revision of the policies in the last list; None if the token may not list policies."""
        listed = poll.other(self._listed) if poll else None
        if not isinstance(listed, application_list.Revisions) or not listed.policies:
            return None
        return access_policies.together(listed.policies.get(each) for each in self._policies)


def configured(account: Account, client: Client) -> Iterator[PolicyTestCollector | ConfiguredFreshTestCollector]:
    """Yield a collector for each policy test in an account's configuration, in the same order."""
    for test in account.policy_tests:
        if test.id:
            yield PolicyTestCollector(account, test, client)
        elif test.policies:
            yield ConfiguredFreshTestCollector(account, test, client)
