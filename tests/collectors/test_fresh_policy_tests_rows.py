"""Rows that are listed after a policy test is complete: which counts the exporter shows until then."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pytest

from access_exporter.simulator import PolicyTestUser
from access_exporter.simulator.account import Life
from access_exporter.simulator.answers import success
from tests.collectors.starting import REFRESH, only, payroll, results, shows
from tests.exporter import ACCOUNT_ID
from tests.faults import answers, refuses

NOW = [0, 5, 10, 15, 22.5]


def rows_of(bench: Any, rows: Sequence[PolicyTestUser]) -> None:
    """Make the simulator list these rows for every test, on one page."""

    def answer(handler: Any) -> None:
        page = [dataclasses.asdict(each) for each in rows] if handler.arrival.page == 1 else []
        handler.send(success(page))

    bench.server.fault = only("policy_test_users", answer)


def pages(bench: Any, since: float) -> list[float]:
    """Return the times of requests for the first page after `since`, in seconds after `since`."""
    arrivals = [each for each in bench.server.arrivals if each.endpoint == "policy_test_users" and each.page == 1]
    start = bench.clock.now - bench.clock.monotonic()
    return [each.time - start - since for each in arrivals if each.time - start >= since]


class TestLateRows:
    def test_the_last_result_stays(self, bench: Any) -> None:
        """The old counts stay until all rows of the new test are listed."""
        before, after = results(*["approved"] * 4), results(*["approved"] * 3, "blocked")
        exporter = bench(Life(before), Life(after))
        exporter.exporter.run(REFRESH - 1)
        for listed in (0, 1, 3):
            rows_of(exporter, after[:listed])
            exporter.exporter.run(6)
            assert shows(exporter.page(), approved=4, blocked=0)
        assert "1 of 4 users are not listed yet" in exporter.status_page()
        exporter.server.fault = None
        exporter.exporter.run(30)
        assert shows(exporter.page(), approved=3, blocked=1)
        assert 'change="newly_blocked",policy_test="payroll"} 1.0' in exporter.page()
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1

    def test_growing_pauses(self, bench: Any) -> None:
        """The exporter requests missing rows after longer and longer pauses, and stops after an hour."""
        people = results("approved", "approved")
        exporter = bench(Life(people), config=payroll(refresh=86400))
        rows_of(exporter, people[:1])
        exporter.exporter.run(2 * 3600)
        asked = pages(exporter, 0)
        assert asked[:5] == NOW
        pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
        assert max(pauses) == 300
        assert asked[-1] == 3600
        assert shows(exporter.page(), approved=1, blocked=0)
        assert "lists 1 of 2 users; 1 are missing" in exporter.status_page()

    def test_the_longest_list_is_compared(self, bench: Any) -> None:
        """After an hour, the longest list so far gives the counts and the changed results."""
        before, after = results("approved", "approved", "approved"), results("blocked", "blocked", "approved")
        exporter = bench(Life(before), Life(after), config=payroll(refresh=86400))
        exporter.exporter.run(86399)
        rows_of(exporter, after[:2])
        exporter.exporter.run(100)
        rows_of(exporter, after[:1])
        exporter.exporter.run(3700)
        assert shows(exporter.page(), approved=0, blocked=2)
        assert 'change="newly_blocked",policy_test="payroll"} 2.0' in exporter.page()

    def test_no_rows(self, bench: Any) -> None:
        """A complete test with users but without rows fails, and the old counts stay."""
        exporter = bench(Life(results("approved", "blocked")))
        exporter.exporter.run(10)
        rows_of(exporter, [])
        exporter.exporter.run(2 * REFRESH - 20)
        assert shows(exporter.page(), approved=1, blocked=1)
        assert "the finished test of 2 users has no rows" in exporter.exporter.failure()

    @pytest.mark.parametrize("fault", [refuses(404, 12130), answers(502)], ids=["refused", "broken"])
    def test_rows_that_fail(self, bench: Any, fault: Any) -> None:
        """If the rows cannot be read, the old counts stay, and the next good poll succeeds."""
        exporter = bench(Life(results("approved", "blocked")))
        exporter.exporter.run(10)
        exporter.server.fault = only("policy_test_users", fault)
        exporter.exporter.run(REFRESH + 100)
        assert shows(exporter.page(), approved=1, blocked=1)
        exporter.server.fault = None
        exporter.exporter.run(300)
        assert exporter.exporter.health(ACCOUNT_ID)["success"] == 1
