"""Metrics about applications besides their tests: policies by decision, and the status page."""

import re
from typing import Any

from access_exporter.simulator.account import Life
from tests.collectors.discovering import GUESTS, application, discovery, own, reusable
from tests.collectors.starting import results
from tests.faults import refuses


class TestPolicies:
    def test_by_decision(self, discover: Any) -> None:
        """The policies of each selected application are counted by decision, even if there is nothing to test."""
        found = discover(
            application("both", own("a"), own("b", "bypass"), own("c", "new decision")),
            application("denied", own("d", "deny")),
            application("none"),
            application("by id", "shared"),
            application("excluded", own()),
            policies=[reusable("s", "non_identity", id="shared")],
            tests=[discovery(exclude=("excluded",))],
        )
        found.run(10)
        page = found.exporter.page()
        lines = [line for line in page.splitlines() if line.startswith("cloudflare_access_application_policies{")]
        samples = re.findall(r'application="([^"]*)",application_id="app-\1",decision="(\w+)"\} (\d)', "\n".join(lines))
        assert len(samples) == len(lines)
        assert {(name, decision): int(number) for name, decision, number in samples if number != "0"} == {
            ("both", "allow"): 1,
            ("both", "bypass"): 1,
            ("both", "unknown"): 1,
            ("denied", "deny"): 1,
            ("by id", "non_identity"): 1,
        }
        assert {decision for name, decision, _ in samples if name == "none"} == {"allow", "bypass"}


class TestNotTested:
    def test_by_name_and_reason(self, discover: Any) -> None:
        """Each application that is not tested is listed with its type and the reason."""
        found = discover(
            application("a tested", own()),
            application("b above", own()),
            application("bookmark", own(), type="bookmark"),
            application("excluded", own()),
            application("opened", own("o", "bypass")),
            application("twin"),
            application("twin", id="other-twin"),
            tests=[discovery(exclude=("excluded",), limit=1)],
        )
        found.run(10)
        name = "cloudflare_access_undiscovered_application_info"
        lines = [line for line in found.exporter.page().splitlines() if line.startswith(f"{name}{{")]
        samples = re.findall(
            r'application="(.*?)",application_id="(.*?)",reason="(.*?)",type="(.*?)"\} 1', "\n".join(lines)
        )
        assert len(samples) == len(lines)
        assert {label: (reason, kind) for label, _, reason, kind in samples} == {
            "b above": ("limit", "self_hosted"),
            "bookmark": ("no_policies", "bookmark"),
            "excluded": ("excluded", "self_hosted"),
            "opened": ("no_policies", "self_hosted"),
            "twin apptwin": ("no_policies", "self_hosted"),
            "twin othertwi": ("no_policies", "self_hosted"),
        }


class TestStatusPage:
    def test_numbers(self, discover: Any) -> None:
        """The status page shows the number of applications, and why some are not tested."""
        found = discover(*(application(name, own()) for name in "abc"), application("d"), tests=[discovery(limit=2)])
        found.run(10)
        assert "4 applications, 2 tested" in found.exporter.status_page()
        assert "not tested: 1 above the limit, 1 without policies for people" in found.exporter.status_page()

    def test_order_on_the_status_page(self, discover: Any) -> None:
        """The status page lists failing tests first, and then tests with changed results."""
        found = discover(*(application(name, own(name)) for name in "abcd"))
        found.run(1000)
        found.account.any_life = lambda _: Life(results("blocked", "blocked"))
        changed = [own("c", include=[GUESTS]), own("d", include=[GUESTS])]
        found.server.fault = lambda request: refuses(400, 12130) if b'"name": "d"' in request.body else None
        found.lists(application("a", own("a")), application("b", own("b")), *map(application, "cd", changed))
        found.run(1000)
        page = found.exporter.status_page()
        assert re.findall(r"Policy test <bdi>(\w)", page) == ["d", "c", "a", "b"]
        (rows,) = re.findall(r"Policy test <bdi>c</bdi>(.*)\n(?:.*\n)*.*Policy test <bdi>a</bdi>(.*)\n", page)
        assert [">changed<" in row for row in rows] == [True, False]
