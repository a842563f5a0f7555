"""Users and devices are polled at different times: which activity is shown at which time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Devices, Users
from access_exporter.simulator import Simulator, User
from access_exporter.simulator.account import Registration
from tests.collectors.registered import NOW, shown
from tests.faults import answers, refuses
from tests.fleet import Fleet
from tests.reloads import account, cloudflare, config

WARP_USER = User("1", gateway_seat=True, active_device_count=1, created_at=NOW - timedelta(days=140))
SEEN_TODAY = Registration("a", {"id": "1"}, {}, last_seen_at=NOW)
NOBODY = {"30": 0, "60": 0, "90": 0}
ALL = {"30": 1, "60": 1, "90": 1}
ACTIVE = {"1d": 1, "7d": 1, "30d": 1}


def people() -> Simulator:
    """Return a simulated account with one user of the WARP client, who never logs in."""
    server = cloudflare("first")
    server.accounts["first"].users = (WARP_USER,)
    server.accounts["first"].registrations = (SEEN_TODAY,)
    return server


def activity(exporter: Fleet) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    """Return the idle seats, the seats of unknown activity, and the active users that are shown."""
    page = exporter.page()
    return shown(page, "seats_idle"), shown(page, "seats_activity_unknown"), shown(page, "users_active")


def times(server: Simulator, endpoint: str) -> list[float]:
    """Return the times of requests for the first page of a list, in seconds since the start."""
    return [arrival.time - NOW.timestamp() for arrival in server.arrivals if arrival.endpoint == endpoint]


class TestTheFirstPoll:
    def test_before_devices_were_read(self) -> None:
        """Idle seats appear only after devices were read, so users are polled again after 15 s."""
        with people() as server:
            exporter = Fleet(config(server, account("first", devices="auto")))
            server.clock = exporter.clock.time
            exporter.run(1)
            assert activity(exporter) == ({}, {}, {})
            assert shown(exporter.page(), "seats_never_used") == {}
            assert shown(exporter.page(), "seats_used") == {"": 1}
            assert "idle seats are counted as soon as devices were read" in exporter.status()
            exporter.run(13)
            assert activity(exporter) == ({}, {}, {})
            exporter.run(2)
            assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)
            exporter.run(890)
            assert times(server, "users") == [0, 15, 315, 615]
            assert times(server, "devices") == [0, 900]

    @pytest.mark.parametrize("interval", [10, 12])
    def test_a_short_interval(self, interval: int) -> None:
        """If the interval of users is shorter than 15 s, there is no extra poll."""
        with people() as server:
            users = Users(interval=Interval(interval))
            exporter = Fleet(config(server, account("first", devices="auto", users=users)))
            server.clock = exporter.clock.time
            exporter.run(3 * interval)
            assert times(server, "users") == [0, interval, 2 * interval]
            assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)

    @pytest.mark.parametrize("fault", [answers(500), answers(404), answers(429), answers(200, "<html>")])
    @pytest.mark.parametrize("devices", ["auto", True])
    def test_devices_that_cannot_be_read(self, fault: Any, devices: Any) -> None:
        """If devices fail, the second poll of users shows unknown activity, and later polls continue as usual."""
        with people() as server:
            server.fault = lambda request: fault if request.endpoint == "devices" else None
            exporter = Fleet(config(server, account("first", devices=devices)))
            exporter.run(1)
            exporter.run(1200)
            assert activity(exporter) == (NOBODY, ALL, {})
            assert "unknown activity of 1 seat" in exporter.status()
            server.fault = None
            exporter.run(1800)
            assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)

    def test_second_poll_of_users_fails(self) -> None:
        """If the second poll of users fails, the next poll follows after the usual interval."""
        with people() as server:
            exporter = Fleet(config(server, account("first", devices="auto")))
            server.clock = exporter.clock.time
            exporter.run(1)
            server.fault = lambda request: refuses(403, 10000) if request.endpoint == "users" else None
            exporter.run(1000)
            assert times(server, "users") == [0, 15, 315, 615, 915]

    def test_token_without_permission(self) -> None:
        """If the token cannot read devices, the activity is unknown, and the exporter asks again later."""
        with people() as server:
            server.accounts["first"].registrations = None
            exporter = Fleet(config(server, account("first", devices="auto")))
            exporter.run(20)
            assert activity(exporter) == (NOBODY, ALL, {})
            assert "unknown activity of 1 seat; grant the token the permission Zero Trust: Read" in exporter.status()
            server.accounts["first"].registrations = (SEEN_TODAY,)
            exporter.run(1200)
            assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)
            assert exporter.health("first") == {"success": 1}


class TestLater:
    @pytest.fixture
    def exporter(self) -> Any:
        """Return an exporter that has read users and devices, and its simulated account."""
        with people() as server:
            users = Users(interval=Interval(100))
            devices = Devices(interval=Interval(100), stale_after=Duration(550))
            exporter = Fleet(config(server, account("first", devices=devices, users=users)))
            exporter.run(110)
            assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)
            yield exporter, server

    def test_stale_devices(self, exporter: tuple[Fleet, Simulator]) -> None:
        """When the numbers of devices are stale, the activity is unknown until devices are read again."""
        fleet, server = exporter
        server.fault = lambda request: answers(500) if request.endpoint == "devices" else None
        fleet.run(500)
        assert activity(fleet) == (NOBODY, NOBODY, ACTIVE)
        fleet.run(200)
        assert activity(fleet) == (NOBODY, ALL, {})
        server.fault = None
        fleet.run(200)
        assert activity(fleet) == (NOBODY, NOBODY, ACTIVE)

    def test_revoked_permission(self, exporter: tuple[Fleet, Simulator]) -> None:
        """With `devices: auto`, all device numbers disappear if the permission is revoked."""
        fleet, server = exporter
        fleet.load(config(server, account("first", devices="auto", users=Users(interval=Interval(100)))))
        fleet.run(10)
        server.accounts["first"].registrations = None
        fleet.run(1100)
        assert activity(fleet) == (NOBODY, ALL, {})
        assert "device_registrations" not in fleet.page()
        assert fleet.health("first") == {"success": 1}

    def test_a_reload_that_switches_devices_off(self, exporter: tuple[Fleet, Simulator]) -> None:
        """If a reload switches devices off, their numbers disappear at once, and users are counted without them."""
        fleet, server = exporter
        fleet.load(config(server, account("first", devices=False, users=Users(interval=Interval(100)))))
        assert "device_registrations" not in fleet.page()
        assert shown(fleet.page(), "users_active") == {}
        fleet.run(1)
        assert activity(fleet) == (NOBODY, ALL, {})

    def test_a_reload_that_switches_devices_on(self, exporter: tuple[Fleet, Simulator]) -> None:
        """If a reload switches devices on, devices are read at once and used at the next poll of users."""
        fleet, server = exporter
        off = config(server, account("first", devices=False, users=Users(interval=Interval(100))))
        fleet.load(off)
        fleet.run(1)
        fleet.load(config(server, account("first", devices="auto", users=Users(interval=Interval(100)))))
        fleet.run(1)
        assert shown(fleet.page(), "device_registrations")["warp"] == 1
        assert activity(fleet)[0] == NOBODY
        fleet.run(101)
        assert activity(fleet) == (NOBODY, NOBODY, ACTIVE)


def test_restart(tmp_path: Path) -> None:
    """After a restart, the stored numbers are shown, and then the numbers from newly read users and devices."""
    with people() as server:
        loaded = config(server, account("first", devices="auto"))
        exporter = Fleet(loaded, folder=tmp_path)
        exporter.run(20)
        assert activity(exporter) == (NOBODY, NOBODY, ACTIVE)
        again = Fleet(loaded, exporter.clock, tmp_path)
        assert activity(again) == (NOBODY, NOBODY, ACTIVE)
        assert shown(again.page(), "device_registrations")["warp"] == 1
        server.fault = lambda request: answers(500) if request.endpoint == "devices" else None
        again.run(1)
        assert activity(again) == ({}, {}, {})
        server.fault = None
        again = Fleet(loaded, exporter.clock, tmp_path)
        again.run(20)
        assert activity(again) == (NOBODY, NOBODY, ACTIVE)
