"""`--idle-seats` and the devices of users. The time is always 2026-09-21T14:13:20Z."""

from typing import Any

import pytest

from access_exporter.simulator import Simulator
from access_exporter.simulator.server import Fault
from tests.commands.idle import days_ago, device, listed, person
from tests.faults import answers, refuses
from tests.processes import Run

WARP: dict[str, Any] = {"access_seat": False, "gateway_seat": True, "active_device_count": 1}


class TestWhenDevicesAreRead:
    def test_users_of_warp_only(self, run: Run, cloudflare: Simulator) -> None:
        """A user with a recently seen device is not listed, even without any login."""
        cloudflare.accounts["first"].users = [
            person(number, last_successful_login=None, created_at=days_ago(140), **WARP) for number in range(25)
        ]
        cloudflare.accounts["first"].registrations = tuple(device(str(number), 0.1) for number in range(25))
        assert listed(run) == []

    def test_basis(self, run: Run, cloudflare: Simulator) -> None:
        """The list shows the time of the last activity, and whether it was a login, a device or the creation."""
        cloudflare.accounts["first"].users = [
            person(1, 100, **WARP),
            person(2, 300, **WARP),
            person(3, last_successful_login=None, created_at=days_ago(95)),
            person(4, last_successful_login=None, created_at=days_ago(10), **WARP),
        ]
        cloudflare.accounts["first"].registrations = (device("1", 200), device("2", 110), device("4", 120))
        columns = ("name", "basis", "idle_days", "last_login", "last_device_seen", "last_activity")
        assert [tuple(row[column] for column in columns) for row in listed(run)] == [
            ("Person 4", "device", 120, None, "2026-05-24T14:13:20Z", "2026-05-24T14:13:20Z"),
            ("Person 2", "device", 110, "2025-11-25T14:13:20Z", "2026-06-03T14:13:20Z", "2026-06-03T14:13:20Z"),
            ("Person 1", "login", 100, "2026-06-13T14:13:20Z", "2026-03-05T14:13:20Z", "2026-06-13T14:13:20Z"),
            ("Person 3", "created", 95, None, None, "2026-06-18T14:13:20Z"),
        ]

    def test_unknown_activity(self, run: Run, cloudflare: Simulator) -> None:
        """A user is not listed if an active device has no registration; a line shows the number of such seats."""
        cloudflare.accounts["first"].users = [person(1), person(2, **WARP), person(3, **WARP), person(4, 5, **WARP)]
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert (code, out.count("\n")) == (0, 2)
        (line,) = err.splitlines()
        assert line.endswith('level=warn msg="seats with unknown activity are not listed" seats=2')

    def test_as_the_metric_counts(self, run: Run, cloudflare: Simulator) -> None:
        """With --once, devices are read before users, so the metric counts as many idle seats as the list shows."""
        cloudflare.accounts["first"].users = [person(number, **WARP) for number in range(30)]
        cloudflare.accounts["first"].registrations = tuple(device(str(number), 80 + number) for number in range(30))
        page = run("--once", "--log.level=error").out
        assert 'cloudflare_access_seats_idle{account_id="first",idle_days="90"} 20.0\n' in page
        assert len(listed(run)) == 20
        assert next(arrival.endpoint for arrival in cloudflare.arrivals if arrival.account_id == "first") == "devices"


class TestWhenDevicesCannotBeRead:
    @pytest.fixture(autouse=True)
    def _people(self, cloudflare: Simulator) -> None:
        """Add a user without devices and a user with one."""
        cloudflare.accounts["first"].users = [person(1), person(2, **WARP)]
        cloudflare.accounts["first"].registrations = None

    def test_without_the_permission(self, run: Run) -> None:
        """Without the permission, users with devices are not listed; a line shows their number and the permission."""
        code, out, err = run("--idle-seats=90d", "--format=csv")
        assert code == 0
        assert "person1@example.com" in out
        assert "person2@example.com" not in out
        (line,) = err.splitlines()
        assert line.endswith('msg="seats with unknown activity are not listed" seats=1 grant="Zero Trust: Read"')

    @pytest.mark.parametrize("fault", [answers(500), answers(404), refuses(429, 971, Retry_After="300")])
    def test_a_failure(self, run: Run, cloudflare: Simulator, fault: Fault) -> None:
        """After any other error about devices, no user of the account is listed, because people act on the list."""
        cloudflare.fault = lambda request: fault if request.endpoint == "devices" else None
        code, out, err = run("--idle-seats=90d", "--format=json", "--account=first")
        assert (code, out) == (1, "[]\n")
        assert "account not listed" in err
