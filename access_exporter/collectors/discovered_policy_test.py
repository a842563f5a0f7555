"""Tests the current policies of a discovered application.

cloudflare_access_policy_test_info{account_id="…",application_id="…",policy_test="Payroll",policy_test_id="…"} 1.0
"""

from hashlib import blake2b

from access_exporter.cloudflare import Client
from access_exporter.collectors.discovery import Discovered
from access_exporter.collectors.fresh_policy_tests import FreshPolicyTestCollector, FreshTest
from access_exporter.collectors.fresh_schedule import Schedule
from access_exporter.collectors.fresh_summary import LEAST_SHARE, FreshSummary
from access_exporter.collectors.protocol import Key, Poll
from access_exporter.config import PolicyTest

_NAME = "discovered_policy_tests"
_DAY = 86400


class DiscoveredPolicyTestCollector(FreshPolicyTestCollector):
    """Tests the policies of an application. Its id identifies the target, because its name may change."""

    def __init__(
        self, account_id: str, found: Discovered, policies: str | None, config: PolicyTest, client: Client
    ) -> None:
        """`policies` is None until the applications were listed: the storage has no policies."""
        application = found.application
        schedule = Schedule(config.refresh or _DAY, _share(application.id))
        info = {"application_id": application.id}
        test = FreshTest(account_id, found.label, policies, schedule, config.interval, config.stale_after, info)
        super().__init__(test, client)
        self._application_id = application.id
        self._revision = application.revision
        self.subject = (client.url, application.id)
        self.settings = (client.settings, test, self._revision)

    @property
    def identity(self) -> Key:
        """The key with the id of the application, because its name may change."""
        return Key(self.key.account_id, _NAME, self._application_id)

    def revision(self, _poll: Poll[FreshSummary] | None = None) -> str | None:
        """Return the revision of the policies in the last list."""
        return self._revision


def _share(application_id: str) -> float:
    """Return a number from LEAST_SHARE to 1 that depends only on the id of the application."""
    number = int.from_bytes(blake2b(application_id.encode(), digest_size=4).digest())
    return LEAST_SHARE + (1 - LEAST_SHARE) * number / 2**32
