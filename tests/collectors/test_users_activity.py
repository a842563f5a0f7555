"""Idle seats, from users and their devices. The current time is always 2026-09-21T14:13:20Z."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.collectors.cloudflare import DEVICES, Cloudflare, Row, answer, registrations
from tests.collectors.registered import ago, registration, shown
from tests.exporter import Exporter

NOBODY = {"30": 0, "60": 0, "90": 0}
ALL = {"30": 1, "60": 1, "90": 1}
ACTIVE = ("1d", "7d", "30d")


def warp_user(number: int, **fields: Any) -> Row:
    """Return a user of the WARP client, created in May, who never logged in to an application."""
    row: Row = {
        "id": f"user {number}",
        "uid": f"uid {number}",
        "email": f"User{number}@example.com",
        "access_seat": False,
        "gateway_seat": True,
        "active_device_count": 1,
        "created_at": "2026-05-04T08:00:00Z",
        "last_successful_login": None,
    }
    return row | fields


def polled(cloudflare: Cloudflare, users: Sequence[Row], devices: Sequence[Row]) -> str:
    """Return the exposition after a poll of these users and registrations."""
    cloudflare.lists("users", answer(users))
    cloudflare.registers(*registrations(devices))
    exporter = Exporter(devices="auto")
    page = exporter.polled()
    assert exporter.failure() == ""
    return page


class TestWarpUsers:
    """Twenty people who use the WARP client every day and never log in to an application."""

    users = tuple(warp_user(number) for number in range(20))
    devices = tuple(registration(number, {"id": f"user {number}"}) for number in range(20))

    def test_devices_are_read(self, cloudflare: Cloudflare) -> None:
        """If devices are read, all of these users are active, and none of their seats is idle or never used."""
        page = polled(cloudflare, self.users, self.devices)
        assert shown(page, "seats_idle") == NOBODY
        assert shown(page, "seats_activity_unknown") == NOBODY
        assert shown(page, "seats_never_used") == {"": 0}
        assert shown(page, "users_active") == dict.fromkeys(ACTIVE, 20)
        assert shown(page, "users_logged_in") == dict.fromkeys(ACTIVE, 0)
        assert shown(page, "last_login_timestamp_seconds") == {}
        assert shown(page, "seats_used") == {"": 20}

    def test_the_token_may_not_read_devices(self, cloudflare: Cloudflare) -> None:
        """If the token cannot read devices, the activity is unknown, no seat is idle, and no poll fails."""
        cloudflare.lists("users", answer(self.users))
        exporter = Exporter(devices="auto")
        page = exporter.polled()
        assert exporter.failure() == ""
        assert shown(page, "seats_idle") == NOBODY
        assert shown(page, "seats_activity_unknown") == {"30": 20, "60": 20, "90": 20}
        assert shown(page, "seats_never_used") == {"": 0}
        assert "users_active" not in page
        assert exporter.status() == [
            "unknown activity of 20 seats; grant the token the permission Zero Trust: Read",
            "the token may not read devices: grant it the permission Zero Trust: Read",
        ]

    @pytest.mark.parametrize("devices", [True, False])
    def test_without_devices(self, cloudflare: Cloudflare, devices: bool) -> None:
        """If devices are off or not read yet, the activity is unknown; if off, the status page says how to read it."""
        cloudflare.lists("users", answer(self.users))
        exporter = Exporter(devices=devices)
        exporter.poll()
        exporter.clock.now += 15
        page = exporter.polled()
        assert shown(page, "seats_idle") == NOBODY
        assert shown(page, "seats_activity_unknown") == {"30": 20, "60": 20, "90": 20}
        assert "users_active" not in page
        how = "set `devices: auto` and grant the token the permission Zero Trust: Read"
        advice = "" if devices else f"; to measure it, {how}"
        assert exporter.status() == [f"unknown activity of 20 seats{advice}"]
        assert [path for path, _ in cloudflare.asked].count(DEVICES) == 0

    def test_user_without_a_device(self, cloudflare: Cloudflare) -> None:
        """A user with no device and no login has never used the seat, whether devices are read or not."""
        user = warp_user(1, active_device_count=0)
        page = polled(cloudflare, [user], self.devices[:1])
        assert (shown(page, "seats_idle"), shown(page, "seats_never_used")) == (ALL, {"": 1})
        cloudflare.lists("users", answer([user]))
        page = Exporter(devices=False).polled()
        assert (shown(page, "seats_idle"), shown(page, "seats_never_used")) == (ALL, {"": 1})


class TestOwner:
    @pytest.mark.parametrize(
        "holder",
        [
            {"id": "user 1"},
            {"id": "uid 1"},
            {"email": "User1@example.com"},
            {"email": "USER1@EXAMPLE.COM"},
            {"id": "", "email": "user1@example.com"},
            {"id": "another", "email": "user1@example.com", "name": "Jane"},
            {"id": "user 1", "email": "another@example.com"},
        ],
    )
    def test_match(self, cloudflare: Cloudflare, holder: Row) -> None:
        """A device belongs to the user with the same id, uid or e-mail address; addresses are compared without case."""
        page = polled(cloudflare, [warp_user(1)], [registration(1, holder)])
        assert shown(page, "users_active") == dict.fromkeys(ACTIVE, 1)
        assert shown(page, "seats_idle") == shown(page, "seats_activity_unknown") == NOBODY

    @pytest.mark.parametrize(
        ("email", "other"),
        [("GÜNTHER@münchen.example", "günther@MÜNCHEN.example"), ("STRASSE@a.example", "straße@a.example")],
    )
    def test_letters_beyond_ascii(self, cloudflare: Cloudflare, email: str, other: str) -> None:
        """E-mail addresses in any alphabet are compared without regard to case."""
        page = polled(cloudflare, [warp_user(1, email=email)], [registration(1, {"email": other})])
        assert shown(page, "users_active")["1d"] == 1

    @pytest.mark.parametrize(
        "holder", [None, {}, {"id": "user 2"}, {"id": "USER 1"}, {"id": None, "email": ""}, {"name": "User 1"}]
    )
    def test_no_match(self, cloudflare: Cloudflare, holder: Row | None) -> None:
        """If the active device of a user is not in the list, the seat is not idle, because the activity is unknown."""
        page = polled(cloudflare, [warp_user(1)], [registration(1, holder)])
        assert shown(page, "users_active") == dict.fromkeys(ACTIVE, 0)
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, ALL)
        assert shown(page, "seats_never_used") == {"": 0}

    def test_users_without_id_and_address(self, cloudflare: Cloudflare) -> None:
        """No device belongs to a user without id, uid and e-mail address."""
        unnamed = warp_user(1, id=None, uid=None, email=None)
        page = polled(cloudflare, [unnamed, unnamed], [registration(1, {"id": None, "email": None})])
        assert shown(page, "seats_activity_unknown") == {"30": 2, "60": 2, "90": 2}


class TestLastActivity:
    @pytest.mark.parametrize(
        ("login", "seen", "idle", "active"),
        [
            (None, 0, "", "1d 7d 30d"),
            (100, 0, "", "1d 7d 30d"),
            (0, 100, "", "1d 7d 30d"),
            (100, 40, "30", ""),
            (40, 100, "30", ""),
            (200, 100, "30 60 90", ""),
            (None, 100, "30 60 90", ""),
            (100, 29, "", "30d"),
            (5, 100, "", "7d 30d"),
            (None, 1, "", "1d 7d 30d"),
            (None, 7, "", "7d 30d"),
            (None, 30, "30", "30d"),
            (None, 29.9999, "", "30d"),
            (None, 30.0001, "30", ""),
            (None, 60, "30 60", ""),
            (None, 90, "30 60 90", ""),
        ],
    )
    def test_later_of_login_and_device(
        self, cloudflare: Cloudflare, login: float | None, seen: float, idle: str, active: str
    ) -> None:
        """The later of the last login and the last use of a device counts, not the creation of the user."""
        for count in (0, 1, None):
            time = None if login is None else ago(login)
            user = warp_user(1, last_successful_login=time, active_device_count=count, created_at=ago(1))
            page = polled(cloudflare, [user], [registration(1, {"id": "user 1"}, seen)])
            assert shown(page, "seats_idle") == {days: int(days in idle.split()) for days in NOBODY}
            assert shown(page, "seats_activity_unknown") == NOBODY
            assert shown(page, "users_active") == {within: int(within in active.split()) for within in ACTIVE}
            assert shown(page, "seats_never_used") == {"": 0}

    @pytest.mark.parametrize("more", ["0.000001", "0.5", "0.999999"])
    def test_fractions(self, cloudflare: Cloudflare, more: str) -> None:
        """A user who was active a fraction of a second less than 30 days ago is not idle."""
        seen = f"2026-08-22T14:13:20{more[1:]}Z"
        page = polled(cloudflare, [warp_user(1)], [registration(1, {"id": "user 1"}, last_seen_at=seen)])
        assert shown(page, "seats_idle") == NOBODY

    def test_several_devices(self, cloudflare: Cloudflare) -> None:
        """The latest time of all devices of a user counts, in any order, whether matched by id, uid or address."""
        seen = [({"id": "user 1"}, 95), ({"email": "user1@example.com"}, 20), ({"id": "uid 1"}, 70)]
        devices = [registration(number, holder, days) for number, (holder, days) in enumerate(seen)]
        for order in (devices, devices[::-1], [devices[1], devices[0], devices[2]]):
            assert shown(polled(cloudflare, [warp_user(1)], order), "users_active")["30d"] == 1

    @pytest.mark.parametrize("field", ["deleted_at", "revoked_at"])
    def test_revoked_or_deleted_device(self, cloudflare: Cloudflare, field: str) -> None:
        """A revoked or deleted registration still proves that its user was active at that time."""
        gone = registration(1, {"id": "user 1"}, 20, **{field: ago(10)})
        page = polled(cloudflare, [warp_user(1, active_device_count=0)], [gone])
        assert (shown(page, "seats_idle"), shown(page, "seats_never_used")) == (NOBODY, {"": 0})
        assert shown(page, "users_active") == {"1d": 0, "7d": 0, "30d": 1}
        assert shown(page, "device_registrations")["warp"] == 0

    def test_a_new_device_that_is_not_listed(self, cloudflare: Cloudflare) -> None:
        """If an active device is missing from the list, the activity is unknown, even if an old device is listed."""
        gone = registration(1, {"id": "user 1"}, 100, revoked_at=ago(99))
        page = polled(cloudflare, [warp_user(1)], [gone])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, ALL)
        page = polled(cloudflare, [warp_user(1, active_device_count=0)], [gone])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (ALL, NOBODY)

    @pytest.mark.parametrize("time", ["2026-09-22T14:13:21Z", "2027-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
    @pytest.mark.parametrize("count", [0, 1, None])
    def test_the_future(self, cloudflare: Cloudflare, time: str, count: Any) -> None:
        """A time more than a day in the future is unknown, so the device is neither active nor idle."""
        user = warp_user(1, active_device_count=count)
        page = polled(cloudflare, [user], [registration(1, {"id": "user 1"}, last_seen_at=time)])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, ALL)
        assert shown(page, "users_active") == dict.fromkeys(ACTIVE, 0)
        assert shown(page, "seats_never_used") == {"": 0}

    def test_small_clock_difference(self, cloudflare: Cloudflare) -> None:
        """A time up to a day in the future counts as the current time."""
        page = polled(cloudflare, [warp_user(1)], [registration(1, {"id": "user 1"}, -1)])
        assert shown(page, "users_active") == dict.fromkeys(ACTIVE, 1)

    @pytest.mark.parametrize("time", [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1999-01-01T00:00:00Z"])
    def test_active_device_without_a_time(self, cloudflare: Cloudflare, time: str | None) -> None:
        """If an active device has no time, the activity is unknown, unless another device was seen lately."""
        unknown = registration(1, {"id": "user 1"}, last_seen_at=time)
        page = polled(cloudflare, [warp_user(1)], [unknown])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, ALL)
        page = polled(cloudflare, [warp_user(1)], [unknown, registration(2, {"id": "user 1"}, 100)])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, ALL)
        page = polled(cloudflare, [warp_user(1)], [unknown, registration(2, {"id": "user 1"}, 5)])
        assert (shown(page, "seats_idle"), shown(page, "seats_activity_unknown")) == (NOBODY, NOBODY)

    def test_a_revoked_device_that_was_never_seen(self, cloudflare: Cloudflare) -> None:
        """A registration that was revoked before its device was ever seen proves no activity."""
        gone = registration(1, {"id": "user 1"}, None, revoked_at=ago(10))
        page = polled(cloudflare, [warp_user(1, active_device_count=0)], [gone])
        assert (shown(page, "seats_idle"), shown(page, "seats_never_used")) == (ALL, {"": 1})

    def test_no_seat(self, cloudflare: Cloudflare) -> None:
        """A user without a seat can be active, but has no seat that is idle, unknown or never used."""
        nobody = warp_user(1, gateway_seat=False, active_device_count=0)
        page = polled(cloudflare, [nobody, warp_user(2, gateway_seat=False)], [registration(1, {"id": "user 1"})])
        assert shown(page, "seats_idle") == shown(page, "seats_activity_unknown") == NOBODY
        assert shown(page, "seats_never_used") == {"": 0}
        assert shown(page, "users_active")["1d"] == 1
