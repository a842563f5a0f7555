"""Stored numbers dated in the future: their age is unknown, so the exporter does not show them."""

import time
from pathlib import Path
from typing import Any

import pytest
import requests

from access_exporter.simulator import Simulator
from tests.polling.restarts import Restarts, metrics, numbers
from tests.polling.test_storage_fresh import Fresh

YEAR = 365 * 86400.0
HOUR = 3600.0


def of(collector: str, page: str) -> list[str]:
    """Return the lines of a page with a target's numbers and their times."""
    own = {"users": ("_seats", "_users"), "policy_tests": ("_policy_test_",)}[collector]
    lines = [line for line in numbers(page) if any(f"cloudflare_access{each}" in line for each in own)]
    last_success = "cloudflare_access_poll_last_success_timestamp_seconds{"
    return lines + [
        line for line in numbers(page) if line.startswith(last_success) and f'collector="{collector}"' in line
    ]


@pytest.mark.parametrize(
    ("collector", "changes"),
    [
        ("users", {"succeeded_at": YEAR}),
        ("users", {"succeeded_at": HOUR}),
        ("users", {"summary": {"totals_right_at": YEAR}}),
        ("policy_tests", {"succeeded_at": YEAR}),
        ("policy_tests", {"summary": {"finished": YEAR}}),
    ],
)
def test_future_data_is_hidden(cloudflare: Simulator, tmp_path: Path, collector: str, changes: dict[str, Any]) -> None:
    """Numbers dated in the future and their last success are not shown; the exporter shows the other targets."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    restarts.rewrite(collector, **({"summary": {}} | dated(changes)))
    cloudflare.stop()
    with restarts.run() as running:
        page = metrics(running)
        (other,) = {"users", "policy_tests"} - {collector}
        assert of(collector, page) == []
        assert len(of(other, page)) > 1
        assert any("dated in the future" in line for line in running.lines)
        running.wait_for("poll failed", target="users")
        running.wait_for("poll failed", target="wiki")
        assert of(collector, metrics(running)) == []


def dated(changes: Any) -> Any:
    """Return the changes with each number of seconds counted from now."""
    if isinstance(changes, dict):
        return {key: value if key == "seconds" else dated(value) for key, value in changes.items()}
    return time.time() + changes


def test_numbers_are_shown_after_the_next_poll(cloudflare: Simulator, tmp_path: Path) -> None:
    """The next poll restores the numbers, without any time in the future."""
    restarts = Restarts(cloudflare, tmp_path)
    before = restarts.fill()
    restarts.rewrite("users", {"totals_right_at": time.time() + YEAR}, succeeded_at=time.time() + YEAR)
    restarts.rewrite("policy_tests", {"finished": time.time() + YEAR}, succeeded_at=time.time() + YEAR)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="users")
        running.wait_for("poll succeeded", target="wiki")
        page = metrics(running)
    assert counts(page) == counts(before) != []
    assert all(float(line.split()[1]) < time.time() + 60 for line in page.splitlines() if "_timestamp_seconds{" in line)


def counts(page: str) -> list[str]:
    return [line for line in numbers(page) if "_timestamp_seconds{" not in line]


def test_a_little_ahead_is_normal(cloudflare: Simulator, tmp_path: Path) -> None:
    """Numbers dated 30 s ahead are shown, since the clocks of two machines with one folder may differ by seconds."""
    restarts = Restarts(cloudflare, tmp_path)
    before = restarts.fill()
    for collector in ("users", "policy_tests"):
        restarts.rewrite(collector, {}, succeeded_at=time.time() + 30)
    cloudflare.stop()
    with restarts.run() as running:
        assert requests.get(f"{running.url}/-/ready", timeout=10).status_code == 200
        page = metrics(running)
    assert counts(page) == counts(before)


@pytest.mark.parametrize("noted", ["asked", "finished"])
def test_a_policy_test_dated_in_the_future(cloudflare: Simulator, tmp_path: Path, noted: str) -> None:
    """If a stored time is in the future, the exporter starts no policy test early, and hides future results."""
    restarts = Fresh(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
    restarts.rewrite("policy_tests", {noted: time.time() + HOUR / 2})
    with restarts.run() as running:
        running.wait_for("stored numbers are dated in the future and not shown", target="payroll")
        running.wait_for("poll succeeded", target="payroll")
        page = metrics(running)
    assert restarts.posts() == 1
    assert ("policy_test_users{" in page) == ("finished_timestamp_seconds{" in page) == (noted == "asked")
