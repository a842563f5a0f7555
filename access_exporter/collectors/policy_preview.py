"""Tests a policy before someone saves it, and returns the result of each person, by name.

All requests are GETs, except the one that starts a test (POST …/access/policy-tests). No request saves a policy. The
test continues at Cloudflare if the command stops earlier.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from access_exporter.cloudflare import Client
from access_exporter.collectors import fresh_policy_tests
from access_exporter.collectors.access_policies import Policy, Reusable, Tested
from access_exporter.collectors.application_list import Application, ApplicationList
from access_exporter.collectors.followed_policy_test import RESULTS, FollowedTest, Result, expected_rows
from access_exporter.collectors.policy_test_progress import STATUSES, Progress

__all__ = ["RESULTS", "STATUSES", "Person", "PolicyPreview", "Progress", "Saved", "Tested", "expected_rows"]


class Person(Result, gc=False):
    """The result of a test for one person."""

    email: str | None = None
    name: str | None = None


class Saved(NamedTuple):
    """An application or a reusable policy as it is saved now.

    `policies` are the policies for the request of a test. The list is empty if no policy evaluates people, and None if
    the policies cannot be read.
    """

    kind: str
    id: str
    name: str
    policies: list[Tested] | None


class PolicyPreview:
    """Finds the saved policies of an account, and tests policies."""

    def __init__(self, client: Client, account_id: str) -> None:
        """Start without requests."""
        self._client = client
        self._account_id = account_id
        self.missing = 0  # applications and policies that total_count counts but the lists do not have

    def named(self, name: str, within: float) -> list[Saved]:
        """Return the application or policy with this id, or else all with this name. Raises PollError.

        The exporter reads two lists. Each of them may take `within` seconds.
        """
        lists = ApplicationList(self._client, self._account_id, within)
        reusable = lists.reusable()
        saved = [*map(_policy, reusable.values()), *(_application(each, reusable) for each in lists.applications())]
        self.missing = lists.policies_found.missing + lists.applications_found.missing
        saved = [each for each in saved if each.id.isprintable()]  # because the command prints ids
        return [each for each in saved if each.id == name] or [each for each in saved if each.name == name]

    def start(self, policies: list[Tested], before: Callable[[], None]) -> str:
        """Start a test and return its id. Calls `before` right before the request, which is never retried.

        Raises PollError if the request fails.
        """
        return fresh_policy_tests.start(self._client, self._account_id, policies, before)

    def progress(self, test_id: str) -> Progress:
        """Return the progress of a test. Raises PollError."""
        return FollowedTest(self._client, self._account_id, test_id, within=0).progress()

    def people(self, test_id: str, announced: int | None, within: float) -> Iterator[Person]:
        """Yield each person in a finished test once; `announced` is the expected number. Raises PollError."""
        return FollowedTest(self._client, self._account_id, test_id, within).rows(Person, announced)


def _policy(policy: Policy) -> Saved:
    return Saved(
        "reusable policy", policy.id or "", policy.name or "", [policy.id or ""] if policy.evaluates_people else []
    )


def _application(application: Application, reusable: Reusable) -> Saved:
    try:
        evaluates_people = any(each.evaluates_people for each in application.in_order(reusable))
        policies = application.tested(reusable) if evaluates_people else []
    except ValueError:
        policies = None
    return Saved("application", application.id or "", application.name or "", policies)
