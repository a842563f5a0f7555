"""Policy tests on the status page: the label of each, and the counts of an older test."""

import re
from typing import Any

import pytest

from access_exporter.collectors.followed_policy_test import PolicyTestSummary
from tests.serving.status_site import Site, order, people, targets

COUNTS = {"approved": 4, "blocked": 3, "error": 0}


class TestPolicyTests:
    """The page does not show a policy test without a result in green."""

    def shown(self, **test: Any) -> str:
        site = Site("a", tests=True)
        site.polled("a", PolicyTestSummary(**test), "policy_tests")
        (line,) = (each for each in targets(site.page()) if each.startswith("Policy test"))
        return line

    @pytest.mark.parametrize("status", ["exceeded time", "blocked", "undocumented"])
    def test_no_green_label(self, status: str) -> None:
        """A policy test that ended without a result comes first, with an amber label, and without a green label."""
        site = Site("a", tests=True)
        site.polled("a", PolicyTestSummary(status), "policy_tests")
        page = site.page()
        assert f'<span class="label warn">{status}</span>' in page
        assert ">polled</span>" not in page
        assert [each.split()[0] for each in targets(page)] == ["Policy", "Users"]
        assert '<strong class="warn">1 warning</strong>' in page

    def test_no_green_label_in_a_list(self) -> None:
        """With many accounts, an account with such a policy test has an amber label, and comes before the rest."""
        names = [f"a-{number}" for number in range(7)]
        site = Site(*names, tests=True)
        for name in names:
            site.polled(name, people(5))
            site.polled(name, PolicyTestSummary("exceeded time" if name == "a-4" else "complete"), "policy_tests")
        page = site.page()
        assert order(page) == ["a-4", "a-0", "a-1", "a-2", "a-3", "a-5", "a-6"]
        assert re.findall('class="([a-z]+) how">(.*?)<', page) == [
            ("warn", "1 of 2: exceeded time"),
            *[("good", "polled")] * 6,
        ]

    def test_complete_is_green(self) -> None:
        """A complete policy test has the label `polled` and its own counts."""
        line = self.shown(status="complete", users=COUNTS)
        assert "polled complete, 4 approved, 3 blocked, 0 error last poll" in line

    @pytest.mark.parametrize("status", ["processing", "exceeded time", "blocked", None])
    def test_older_counts_are_marked(self, status: str | None) -> None:
        """If a policy test has no counts yet, the page marks the counts of an older test with its finish time."""
        line = self.shown(status=status, users=COUNTS, finished=1_790_000_000)
        older = "the counts are from an older test, finished on 2026-09-21 at 14:13 UTC: 4 approved, 3 blocked, 0 error"
        assert older in line
