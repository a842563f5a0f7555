"""Metrics about users, from responses of "Get users". The current time is always 2026-09-21T14:13:20Z."""

from access_exporter.config.model import Users
from tests.collectors.cloudflare import Cloudflare, Row, answer, honest_pages
from tests.collectors.people import TODAY, TODAY_SECONDS, expected, polled
from tests.exporter import ACCOUNT_ID, DATA, Exporter


class TestNumbers:
    def test_empty_account(self, cloudflare: Cloudflare) -> None:
        """An account without users has zeros, and no last login."""
        assert polled(cloudflare, *honest_pages([])) == expected(announced=0)
        assert cloudflare.pages_asked() == [1]

    def test_one_page(self, cloudflare: Cloudflare) -> None:
        """Users are counted by seat, devices, idle time and last login."""
        seen = "last_successful_login"
        rows: list[Row] = [
            {"access_seat": True, "gateway_seat": False, "active_device_count": 2, seen: TODAY},
            {"access_seat": True, "gateway_seat": True, "active_device_count": 1, seen: "2026-09-16T00:00:00Z"},
            {"access_seat": False, "gateway_seat": True, "active_device_count": 4, seen: "2026-08-01T00:00:00Z"},
            {"access_seat": True, "gateway_seat": False, "active_device_count": 0, seen: "2026-07-01T00:00:00Z"},
            {"access_seat": True, "gateway_seat": True, "active_device_count": 6, seen: "2026-05-01T00:00:00Z"},
            {"access_seat": True, "active_device_count": 0, "created_at": "2026-06-01T00:00:00Z"},
            {"gateway_seat": True, "created_at": "2026-09-10T00:00:00Z"},
            {"access_seat": False, "gateway_seat": False, "active_device_count": 3, seen: "2026-09-01T00:00:00Z"},
            {"active_device_count": 0, "created_at": "2020-01-01T00:00:00Z"},
            {"access_seat": True, "created_at": "2020-01-01T00:00:00Z", seen: "2026-06-01T00:00:00Z"},
        ]
        for number, row in enumerate(rows):
            row["id"] = str(number)
        assert polled(cloudflare, *honest_pages(rows)) == expected(
            announced=10,
            users_none=1,
            users_access=4,
            users_gateway=2,
            users_both=2,
            users_unknown=1,
            seats_access=6,
            seats_gateway=4,
            seats_used=8,
            active_devices=16,
            devices_0=3,
            devices_1=1,
            devices_2=1,
            devices_3_to_5=2,
            devices_6_and_more=1,
            devices_unknown=2,
            idle_30=2,
            idle_60=2,
            idle_90=1,
            unknown_30=3,
            unknown_60=2,
            unknown_90=2,
            never_used=1,
            within_1d=1,
            within_7d=2,
            within_30d=3,
            last_login=TODAY_SECONDS,
        )

    def test_documented_example(self, cloudflare: Cloudflare) -> None:
        """The documented example gives one user without a seat and with two devices, even if its totals are wrong."""
        body = (DATA / "get-users.json").read_bytes()
        example = expected(announced=1, users_none=1, active_devices=2, devices_2=1, last_login="1.5935808e+09")
        assert polled(cloudflare, body) == example
        assert polled(cloudflare, body, beyond=body) == example

    def test_configuration(self, cloudflare: Cloudflare) -> None:
        """The metrics use the configured idle days, and a value that is not configured is absent."""
        row = {"gateway_seat": True, "active_device_count": 0, "last_successful_login": "2026-09-16T00:00:00Z"}
        cloudflare.lists("users", answer([row]))
        page = Exporter(name=None, seat_limit=None, users=Users(idle_days=(5, 6))).polled()
        assert f'account_name="{ACCOUNT_ID}"' in page
        assert "seats_limit" not in page
        assert idle(page) == {"5": 1, "6": 0}

    def test_idle_days_before_1970(self, cloudflare: Cloudflare) -> None:
        """With very many idle days, no seat is idle, but a user who never logged in has never used the seat."""
        row = {"access_seat": True, "active_device_count": 0}
        cloudflare.lists("users", answer([row | {"created_at": "1971-01-01T00:00:00Z"}, row]))
        page = Exporter(users=Users(idle_days=(20000, 25000, 36500))).polled()
        assert idle(page) == {"20000": 1, "25000": 0, "36500": 0}
        assert f'cloudflare_access_seats_never_used{{account_id="{ACCOUNT_ID}"}} 2.0' in page


def idle(page: str) -> dict[str, float]:
    """Return the idle seats of an exposition by idle days."""
    lines = (line.split('idle_days="')[1] for line in page.splitlines() if "seats_idle{" in line)
    return {days: float(number) for days, number in (line.split('"} ') for line in lines)}
