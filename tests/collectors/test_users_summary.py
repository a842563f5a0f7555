"""The sums over all users. The current time is always 2026-09-21T14:13:20Z."""

import msgspec
import pytest

from access_exporter.collectors.users_summary import User, UsersSummary, summarize
from tests.collectors.cloudflare import Cloudflare, answer, pages
from tests.collectors.people import BOTH, EXPECTED_BOTH, WITHOUT, expected, polled
from tests.fakes import START


class TestFields:
    def test_missing_times(self, cloudflare: Cloudflare) -> None:
        """Without a login and a creation time, a seat is not idle, but was never used."""
        row = {"id": "1", "access_seat": True, "active_device_count": 0}
        assert polled(cloudflare, answer([row])) == expected(
            users_access=1, seats_access=1, seats_used=1, devices_0=1, never_used=1
        )

    @pytest.mark.parametrize(
        ("login", "idle", "within"),
        [
            ("2026-09-20T14:13:20.000001Z", [], ["1d", "7d", "30d"]),
            ("2026-09-20T14:13:20Z", [], ["1d", "7d", "30d"]),
            ("2026-09-20T14:13:19.999999Z", [], ["7d", "30d"]),
            ("2026-09-14T14:13:20Z", [], ["7d", "30d"]),
            ("2026-09-14T14:13:19.999999Z", [], ["30d"]),
            ("2026-08-22T14:13:20.000001Z", [], ["30d"]),
            ("2026-08-22T14:13:20Z", [30], ["30d"]),
            ("2026-08-22T16:13:20+02:00", [30], ["30d"]),
            ("2026-08-22T14:13:19.999999Z", [30], []),
            ("2026-07-23T14:13:20.000001Z", [30], []),
            ("2026-07-23T14:13:20Z", [30, 60], []),
            ("2026-06-23T14:13:20.000001Z", [30, 60], []),
            ("2026-06-23T14:13:20Z", [30, 60, 90], []),
        ],
    )
    @pytest.mark.parametrize("devices", [0, 2])
    def test_boundaries(
        self, cloudflare: Cloudflare, login: str, idle: list[int], within: list[str], devices: int
    ) -> None:
        """A login exactly 30 days ago counts as within 30 days, and the seat as idle (with a device: as unknown)."""
        values: dict[str, float | str | None] = {f"unknown_{days}" if devices else f"idle_{days}": 1 for days in idle}
        values |= {"active_devices": devices, "devices_2": int(devices > 0), "devices_0": int(devices == 0)}
        values |= {f"within_{span}": int(span in within) for span in ("1d", "7d", "30d")}
        page = polled(cloudflare, answer([BOTH | {"last_successful_login": login, "active_device_count": devices}]))
        last_login = next(line.split()[1] for line in page.splitlines() if line.startswith(LAST_LOGIN))
        assert page == expected(**(EXPECTED_BOTH | values | {"last_login": last_login}))

    @pytest.mark.parametrize(
        ("created", "idle"),
        [
            ("2026-08-22T14:13:20.000001Z", []),
            ("2026-08-22T14:13:20Z", [30]),
            ("2026-06-23T14:13:20Z", [30, 60, 90]),
            ("2027-01-01T00:00:00Z", []),
        ],
    )
    def test_never_used(self, cloudflare: Cloudflare, created: str, idle: list[int]) -> None:
        """A seat that was never used is idle since its user was created."""
        values: dict[str, float | str | None] = {f"idle_{days}": 1 for days in idle}
        values |= {"never_used": 1, "active_devices": 0, "devices_0": 1, "devices_2": 0}
        without = {name: value for name, value in WITHOUT["last_successful_login"].items() if "unknown" not in name}
        row = BOTH | {"last_successful_login": None, "created_at": created, "active_device_count": 0}
        assert polled(cloudflare, answer([row])) == expected(**(EXPECTED_BOTH | without | values))

    @pytest.mark.parametrize(
        ("count", "bucket", "total"),
        [
            ("0", "0", 0),
            ("0.0", "0", 0),
            ("-0.0", "0", 0),
            ("1", "1", 1),
            ("2.0", "2", 2),
            ("2.5", "2", 2.5),
            ("3", "3_to_5", 3),
            ("5", "3_to_5", 5),
            ("5.75", "3_to_5", 5.75),
            ("6", "6_and_more", 6),
            ("1e3", "6_and_more", 1000),
            ("123456789", "6_and_more", "1.23456789e+08"),
            ("1e300", "6_and_more", "1e+300"),
            ("1" + "0" * 400, "unknown", 0),
            ("-1" + "0" * 400, "unknown", 0),
            ("1" + "0" * 300, "6_and_more", "1e+300"),
            ("1e400", "unknown", 0),
            ("-1", "unknown", 0),
            ("-1e400", "unknown", 0),
            ("NaN", "unknown", 0),
            ("null", "unknown", 0),
        ],
    )
    def test_devices(self, cloudflare: Cloudflare, count: str, bucket: str, total: float | str) -> None:
        """A number of devices can be fractional or huge; an impossible number is unknown and not counted."""
        is_unknown = bucket != "0"  # the activity is unknown if there can be a device
        row = {"id": "1", "access_seat": True, "active_device_count": "COUNT", "created_at": "2026-08-01T00:00:00Z"}
        assert polled(cloudflare, answer([row]).replace('"COUNT"', count)) == expected(
            **{
                "users_access": 1,
                "seats_access": 1,
                "seats_used": 1,
                "active_devices": total,
                f"devices_{bucket}": 1,
                "unknown_30" if is_unknown else "idle_30": 1,
                "never_used": int(not is_unknown),
            }
        )


LAST_LOGIN = "cloudflare_access_last_login_timestamp_seconds"


def test_summary_of_an_older_version() -> None:
    """The exporter can read a stored summary of an older version, with fewer fields."""
    summary = summarize([[User("1", access_seat=True)]], (30,), START)
    stored = msgspec.to_builtins(summary)
    younger = ("users_by_domain", "idle", "activity_unknown", "never_used", "users_active")
    for field in (*younger, "devices_refused", "waited_at", "is_restored", "totals_right_at"):
        del stored[field]
    summary = msgspec.structs.replace(summary, idle={}, activity_unknown={}, never_used=None)
    assert msgspec.json.decode(msgspec.json.encode(stored), type=UsersSummary) == summary


def test_many_numbers_of_devices(cloudflare: Cloudflare) -> None:
    """Thousands of users with different numbers of devices are counted correctly."""
    rows = [{"id": str(number), "access_seat": True, "active_device_count": number / 8} for number in range(24_000)]
    page = polled(cloudflare, *pages(rows))
    assert page == expected(
        users_access=24_000,
        seats_access=24_000,
        seats_used=24_000,
        active_devices=f"{sum(range(24_000)) / 8:.7e}".replace("00e+07", "e+07"),
        devices_0=8,
        devices_1=8,
        devices_2=8,
        devices_3_to_5=24,
        devices_6_and_more=24_000 - 48,
        unknown_30=24_000 - 1,
        unknown_60=24_000 - 1,
        unknown_90=24_000 - 1,
        never_used=1,
    )
