"""The simulated account of `--demo`: its users, devices, policies and policy tests."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
import requests

from access_exporter.simulator import DEMO, demo

START = 1_750_000_000.0
WIKI, PAYROLL, LEGACY_VPN = DEMO.policy_tests


class Life:
    """A demo with a clock that the test sets."""

    def __init__(self, seed: int = 1) -> None:
        self.now = START
        self.simulator = demo(seed, clock=lambda: self.now)
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {DEMO.token}"

    def __enter__(self) -> "Life":
        self.simulator.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self.simulator.stop()

    def get(self, path: str) -> Any:
        """Return the result of a response of the account, without the envelope."""
        answer = self._http.get(f"{self.simulator.url}/accounts/{DEMO.account_id}/access/{path}")
        answer.raise_for_status()
        return answer.json()["result"]

    def users(self, after: float = 0) -> list[dict[str, Any]]:
        """Return the users this number of seconds after the start."""
        self.now = START + after
        rows: list[dict[str, Any]] = self.get("users")
        return rows

    def seats_used(self, after: float) -> int:
        """Return the number of seats in use this number of seconds after the start."""
        return sum(row["access_seat"] or row["gateway_seat"] for row in self.users(after))


@pytest.fixture
def life() -> Iterator[Life]:
    """Return a demo that has just started."""
    with Life() as life:
        yield life


def idle_days(row: dict[str, Any], now: float) -> float:
    """Return the days from a user's last login to `now`, in Unix seconds."""
    login = datetime.fromisoformat(row["last_successful_login"])
    return (datetime.fromtimestamp(now, UTC) - login).total_seconds() / 86_400


def test_users_of_all_kinds(life: Life) -> None:
    """The demo starts with users of every kind that a metric distinguishes."""
    rows = life.users()
    holders = [row for row in rows if row["access_seat"] or row["gateway_seat"]]
    assert len(holders) == 40
    assert {(row["access_seat"], row["gateway_seat"]) for row in rows} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }
    assert {row["active_device_count"] for row in rows} >= {0, 1, 2, 3, 8}
    never = [row for row in rows if "last_successful_login" not in row]
    assert 0 < len([row for row in never if row in holders]) < len(never)
    idle = [idle_days(row, START) for row in holders if row not in never]
    for days in (30, 60, 90):
        assert any(days <= each < days + 30 for each in idle)
    assert len({row["id"] for row in rows}) == len(rows)


def test_no_real_person(life: Life) -> None:
    """Names are numbered, some with unusual characters, and e-mail addresses are at domains reserved for examples."""
    rows = life.users()
    assert {row["email"].partition("@")[2] for row in rows} == {"example.com", "example.org", "example.net"}
    assert all(row["name"].startswith(f"User {number}") for number, row in enumerate(rows))
    assert any('"' in row["name"] for row in rows)
    assert any(not row["name"].isascii() for row in rows)


def test_some_users_stay_idle(life: Life) -> None:
    """After hours of logins, at least one user is still idle for 90 days."""
    rows = life.users(after=5 * 3600)
    assert any(
        idle_days(row, life.now) >= 90
        for row in rows
        if (row["access_seat"] or row["gateway_seat"]) and "last_successful_login" in row
    )


@pytest.mark.parametrize("seed", range(3))
def test_seats_change(seed: int) -> None:
    """Each minute the number of used seats changes, and it never exceeds the limit."""
    with Life(seed) as life:
        used = [life.seats_used(after=seconds) for seconds in range(0, 1800, 10)]
    assert 30 < min(used) < max(used) <= DEMO.seat_limit
    moves = [before != after for before, after in pairwise(used)]
    assert all(any(moves[first : first + 6]) for first in range(0, len(moves), 6))


def test_logins_and_devices_change(life: Life) -> None:
    """Within a minute, logins happen and the numbers of devices change."""
    before, after = life.users(), life.users(after=60)
    for field in ("last_successful_login", "active_device_count", "updated_at"):
        assert [row.get(field) for row in before] != [row.get(field) for row in after]


def test_same_seed_same_state(life: Life) -> None:
    """The state depends only on the seed and the elapsed time, not on the number of requests."""
    for seconds in range(0, 300, 7):
        life.users(after=seconds)
    with Life() as twin, Life(seed=2) as stranger:
        assert twin.users(after=300) == life.users(after=300)
        assert stranger.users(after=300) != life.users(after=300)


def test_clock_set_back(life: Life) -> None:
    """If the clock goes back, the state does not change."""
    assert life.users(after=100) == life.users(after=-100)


def test_clock_jumps_ahead(life: Life) -> None:
    """If the clock jumps by 50 years, the demo catches up without simulating the whole time."""
    rows = life.users(after=50 * 365 * 86_400)
    assert any(idle_days(row, life.now) < 1 for row in rows if "last_successful_login" in row)


def test_running_policy_test(life: Life) -> None:
    """One policy test takes two minutes from start to completion, and then stays unchanged."""
    summaries = []
    for seconds in (0, 30, 60, 118, 120, 3600):
        life.now = START + seconds
        summaries.append(life.get(f"policy-tests/{PAYROLL}"))
        rows = life.get(f"policy-tests/{PAYROLL}/users?per_page=1000")
        assert len(rows) == sum(summaries[-1][f"users_{status}"] for status in ("approved", "blocked", "errored"))
    assert [summary["percent_users_processed"] for summary in summaries] == [0, 25, 50, 97, 100, 100]
    assert [summary["status"] for summary in summaries] == ["processing"] * 4 + ["complete"] * 2
    assert summaries[-1] == summaries[-2]


def test_finished_policy_tests(life: Life) -> None:
    """One policy test is complete, one exceeded its time half-way, and neither changes."""
    before = [life.get(f"policy-tests/{test}") for test in (WIKI, LEGACY_VPN)]
    life.now += 600
    assert [life.get(f"policy-tests/{test}") for test in (WIKI, LEGACY_VPN)] == before
    assert [summary["status"] for summary in before] == ["complete", "exceeded time"]
    assert before[0]["percent_users_processed"] == 100 > before[1]["percent_users_processed"] > 0
    assert all(before[0][f"users_{status}"] for status in ("approved", "blocked", "errored"))


def test_edits_of_policies(life: Life) -> None:
    """Within two hours policies are edited, one application gets a bypass policy, and one loses its last policy."""
    pages = []
    for life.now in range(int(START), int(START) + 7200, 60):
        pages.append({row["name"]: [each["decision"] for each in row["policies"]] for row in life.get("apps")})
        policies = life.get("policies")
    assert any(row.get("updated_at", "") > datetime.fromtimestamp(START, UTC).isoformat() for row in policies)
    assert any("bypass" not in before["Tickets"] and "bypass" in after["Tickets"] for before, after in pairwise(pages))
    assert any(before["Old intranet"] and not after["Old intranet"] for before, after in pairwise(pages))
