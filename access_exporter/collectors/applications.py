"""Lists the applications of an account, and starts a policy test for each: GET …/access/apps and …/access/policies.

    cloudflare_access_applications{account_id="…",type="self_hosted"} 12.0
    cloudflare_access_discovered_policy_tests{account_id="…"} 10.0
    cloudflare_access_undiscovered_applications{account_id="…",reason="no_policies"} 2.0

After a failed poll, the tests of the last good list continue. Rules may name people, so the exporter never stores them.
After a restart, it first lists the applications again, and then starts tests.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace
from prometheus_client import Metric

from access_exporter.cloudflare import Client, Found, Permission
from access_exporter.collectors import (
    access_policies,
    discovery,
    fresh_policy_tests,
    listed,
    reusable_policies,
    texts,
)
from access_exporter.collectors.access_policies import Reusable
from access_exporter.collectors.application_list import (
    APPLICATIONS,
    MOST_ROWS,
    NAME,
    POLICIES,
    Application,
    ApplicationList,
    Revisions,
)
from access_exporter.collectors.discovered_policy_test import DiscoveredPolicyTestCollector
from access_exporter.collectors.discovery import MOST_CHARACTERS, TYPES, UNKNOWN, Discovery, Listed
from access_exporter.collectors.protocol import Collector, Key, Plan, Poll
from access_exporter.config import Account, PolicyTest
from access_exporter.exposition import gauge
from access_exporter.logs import facts

log = logging.getLogger(__name__)

_WITHOUT_POLICIES = ("bookmark",)  # the types of applications that have no policies
_INTERVALS_TO_STALE = 6
_MOST_SHOWN = 1000  # applications, because each has its own time series
_SHOWN_DECISIONS = ("allow", "bypass")  # exported even at 0, so that Prometheus sees an increase from 0 to 1


class ApplicationsSummary(Revisions, frozen=True):
    """The applications of an account.

    `bodies` are the policies of the tested applications, by application id. The exporter never stores them.
    """

    applications: Annotated[tuple[Listed, ...], Meta(max_length=MOST_ROWS)] = ()
    found: Found = Found()
    policies_found: Found = Found()
    bodies: dict[str, str] = msgspec.field(default_factory=dict)


def configured(account: Account, client: Client) -> Iterator["ApplicationsCollector"]:
    """Yield the collector of an account with `discover: applications`."""
    if config := account.discovery:
        yield ApplicationsCollector(account, config, client)


class ApplicationsCollector(Collector[ApplicationsSummary]):
    """Polls the applications of an account."""

    title = "Applications"
    summary_type = ApplicationsSummary
    endpoints = (APPLICATIONS, POLICIES, *fresh_policy_tests.FreshPolicyTestCollector.endpoints)
    is_first = True

    def __init__(self, account: Account, config: PolicyTest, client: Client) -> None:
        """`config` is the section with `discover: applications`."""
        self._account_id = account.id
        self._config = config
        self._client = client
        self._wanted = reusable_policies.wanted(account)
        self._taken = frozenset(test.label for test in account.policy_tests if not test.discover)
        self._reported: tuple[bool, tuple[str, ...]] = (False, ())
        self.key = Key(account.id, NAME, NAME)
        self.subject = client.url
        self.interval = config.interval
        self.stale_after = _INTERVALS_TO_STALE * config.interval
        self.settings = (client.settings, config, self._wanted, self._taken)

    def fetch(self, poll: Poll[ApplicationsSummary]) -> ApplicationsSummary:
        """List the applications and the reusable policies. Raises PollError if a list cannot be read to its end."""
        previous = poll.previous or ApplicationsSummary()
        lists = ApplicationList(self._client, self._account_id, self.stale_after)
        reusable = lists.reusable(previous.policies_found)
        read = _Reader(reusable, previous)
        applications = tuple(read.listed(each) for each in lists.applications(previous.found))
        listed.report(self.key, lists.applications_found, previous.found)
        read.report(self.key)
        found = discovery.discover(applications, self._config, self._taken)
        self._report(found)
        tested = {each.application.id for each in found.tests}
        return ApplicationsSummary(
            policies=access_policies.revisions(reusable, self._wanted),
            applications=applications,
            found=lists.applications_found,
            policies_found=lists.policies_found,
            bodies={id_: body for id_, body in read.bodies.items() if id_ in tested},
        )

    def targets(self, summary: ApplicationsSummary) -> Iterator[DiscoveredPolicyTestCollector]:
        """Yield the collector of each test."""
        for each in self._discovery(summary).tests:
            body = summary.bodies.get(each.application.id)
            yield DiscoveredPolicyTestCollector(self._account_id, each, body, self._config, self._client)

    def to_store(self, summary: ApplicationsSummary) -> ApplicationsSummary:
        """Return the applications without their policies, because policies may name people."""
        return replace(summary, bodies={})

    def is_possible(self, summary: ApplicationsSummary, _succeeded_at: float | None) -> bool:
        """Return whether types and decisions are known, no application is a duplicate, and no policy was stored."""
        ids = {each.id for each in summary.applications}
        is_once = len(ids) == len(summary.applications)
        return is_once and not summary.bodies and all(each.is_possible() for each in summary.applications)

    def families(self, summary: ApplicationsSummary) -> Iterator[Metric]:
        """Yield the metric families of applications, without those of their tests."""
        labels = {"account_id": self._account_id}
        types = Counter(each.type for each in summary.applications)
        found = self._discovery(summary)
        yield gauge(
            "cloudflare_access_applications",
            "Applications by type; unknown: a type that is not documented.",
            [(labels | {"type": kind}, types[kind]) for kind in (*TYPES, UNKNOWN)],
        )
        yield gauge(
            "cloudflare_access_discovered_policy_tests",
            "Applications that are tested.",
            [(labels, len(found.tests))],
        )
        yield gauge(
            "cloudflare_access_undiscovered_applications",
            "Applications that are not tested. limit: more than the configured limit; excluded: not selected, or "
            "a configured test has the name; no_policies: no policy that evaluates people.",
            [(labels | {"reason": reason}, number) for reason, number in found.undiscovered.items()],
        )
        yield from self._families_of_each(found)

    def _families_of_each(self, found: Discovery) -> Iterator[Metric]:
        """Yield the metric families with one time series or more for each application."""
        labels = {"account_id": self._account_id}
        yield gauge(
            "cloudflare_access_undiscovered_application_info",
            "Each application that is not tested, with its type and the reason; always 1.",
            [
                (labels | _names(each, label) | {"type": each.type, "reason": reason}, 1)
                for each, label, reason in found.left[:_MOST_SHOWN]
            ],
        )
        yield gauge(
            "cloudflare_access_application_policies",
            "Policies of each application that match and exclude select, by decision; unknown: not documented.",
            [
                (labels | _names(each, label) | {"decision": decision}, number)
                for each, label in found.selected[:_MOST_SHOWN]
                for decision, number in each.decisions.items()
                if number or decision in _SHOWN_DECISIONS
            ],
        )

    def status(self, summary: ApplicationsSummary) -> Iterator[str]:
        """Yield the number of applications, and the reasons why some are not tested."""
        yield from listed.status(summary.found)
        found = self._discovery(summary)
        yield f"{len(summary.applications):,} applications, {len(found.tests):,} tested"
        words = {"limit": "above the limit", "excluded": "excluded", "no_policies": "without policies for people"}
        left = [f"{number:,} {words[reason]}" for reason, number in found.undiscovered.items() if number]
        if left:
            yield f"not tested: {', '.join(left)}"

    def plan(self) -> Plan:
        """Return the cost of polling with as many tests as `limit` allows."""
        config, refresh = self._config, self._config.refresh or 0
        lists = 2 * 3600 / self.interval
        tests = config.limit * fresh_policy_tests.REQUESTS_OF_A_TEST * 3600 / refresh
        return Plan(
            "applications",
            f"listed every {self.interval:.10g} s; each tested every {refresh:.10g} s, at most {config.limit} of them, "
            f"stale after {config.stale_after:.10g} s",
            lists + tests,
            f"{lists:.4g} requests/h for each 100 applications, {tests:.4g} or more for {config.limit} tests",
        )

    def permissions(self) -> Iterator[Permission]:
        """Yield the permissions to list applications and policies, and to start tests."""
        yield Permission(APPLICATIONS.permission, APPLICATIONS.of(self._account_id))
        yield Permission(fresh_policy_tests.ENDPOINT.permission, None)

    def _discovery(self, summary: ApplicationsSummary) -> Discovery:
        return discovery.discover(summary.applications, self._config, self._taken)

    def _report(self, found: Discovery) -> None:
        """Log once that there are more applications than the limit, and once for each name of a configured test."""
        left, clashes = found.undiscovered["limit"], tuple(found.taken)
        was_reported, reported = self._reported
        self._reported = (left > 0, clashes)
        if left and not was_reported and self._config.limit:
            more = facts(**self.key._asdict(), limit=self._config.limit, left_out=left)
            log.warning("more applications than the limit; the rest is not tested", extra=more)
        for application_id in clashes:
            if application_id not in reported:
                more = facts(**self.key._asdict(), application_id=application_id)
                log.warning("application not tested: a configured policy test has its name", extra=more)


def _names(application: Listed, label: str) -> dict[str, str]:
    return {"application": label, "application_id": application.id}


class _Reader:
    """Reads the rows of applications. `bodies` are their policies for the request of a test, by application id."""

    def __init__(self, reusable: Reusable, previous: ApplicationsSummary) -> None:
        """If the policies of an application cannot be read, those in `previous` stay."""
        self._reusable = reusable
        self._previous = previous
        self._before = {each.id: each for each in previous.applications}
        self._unreadable = 0
        self.bodies: dict[str, str] = {}

    def listed(self, row: Application) -> Listed:
        """Return the part of an application that the summary keeps."""
        id_, kind = row.id or "", row.type if row.type in TYPES else UNKNOWN
        application = Listed(id_, texts.kept(row.name or "", MOST_CHARACTERS), kind or UNKNOWN, None, {})
        try:
            policies = row.in_order(self._reusable)
            revision = access_policies.revision(policies, self._reusable)
        except ValueError:
            self._unreadable += 1
            before = self._before.get(id_, application)
            if body := self._previous.bodies.get(id_):
                self.bodies[id_] = body
            return replace(application, revision=before.revision, decisions=before.decisions)
        application = replace(application, decisions=access_policies.decisions(policies))
        if kind in _WITHOUT_POLICIES or not any(each.evaluates_people for each in policies):
            return application
        self.bodies[id_] = json.dumps(access_policies.tested(policies, self._reusable))
        return replace(application, revision=revision)

    def report(self, key: Key) -> None:
        """Log how many applications have policies that cannot be read."""
        if self._unreadable:
            more = facts(**key._asdict(), applications=self._unreadable)
            log.warning("cannot read the policies of some applications; their last known policies stay", extra=more)
