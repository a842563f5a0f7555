"""What a policy would do before it is saved: one test of it, and the result of each person, by name.

The only request that is no GET is the one that starts a test (POST …/access/policy-tests). It saves no policy. A test
continues at Cloudflare when the command stops following it.
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
    """An application or a reusable policy as it is now.

    `policies` are what a test takes: none where no policy evaluates people, and None where they cannot be read.
    """

    kind: str
    id: str
    name: str
    policies: list[Tested] | None


class PolicyPreview:
    """The policies of one account, and tests of them."""

    def __init__(self, client: Client, account_id: str) -> None:
        """Ask nothing yet."""
        self._client = client
        self._account_id = account_id
        self.missing = 0  # applications and policies that the account announces and does not list

    def named(self, name: str, within: float) -> list[Saved]:
        """Return what has this id, or else everything that has this name. Raises a PollError.

        Each of the two lists is read within so many seconds.
        """
        lists = ApplicationList(self._client, self._account_id, within)
        reusable = lists.reusable()
        saved = [*map(_policy, reusable.values()), *(_application(each, reusable) for each in lists.applications())]
        self.missing = lists.policies_found.missing + lists.applications_found.missing
        saved = [each for each in saved if each.id.isprintable()]  # ids are shown
        return [each for each in saved if each.id == name] or [each for each in saved if each.name == name]

    def start(self, policies: list[Tested], before: Callable[[], None]) -> str:
        """Start a test and return its id. It is requested once, even if that fails, right after `before` is called.

        Raises a PollError.
        """
        return fresh_policy_tests.start(self._client, self._account_id, policies, before)

    def progress(self, test_id: str) -> Progress:
        """Return how far a test is. Raises a PollError."""
        return FollowedTest(self._client, self._account_id, test_id, within=0).progress()

    def people(self, test_id: str, announced: int | None, within: float) -> Iterator[Person]:
        """Yield everybody in a finished test of so many people, once. Raises a PollError."""
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
