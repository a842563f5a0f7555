"""Users as the API lists them, and the whole exposition of users. The current time is always 2026-09-21T14:13:20Z.

The token cannot read devices. So a seat with an active device is never idle, but its activity can be unknown.
"""

from tests.collectors.cloudflare import EMPTY, Body, Cloudflare, Row
from tests.exporter import Exporter, page_of

TODAY = "2026-09-21T10:00:00Z"
TODAY_SECONDS = "1.7899848e+09"  # 4 h 13 min 20 s before 1790000000


def polled(cloudflare: Cloudflare, *bodies: Body, beyond: Body | None = None) -> str:
    """Return the exposition after a poll of a list with these pages."""
    cloudflare.lists("users", *bodies, beyond=EMPTY if beyond is None else beyond)
    return Exporter().polled()


def expected(**values: float | str | None) -> str:
    """Return the exposition with these values; by default without logins, seat expiration and total_count."""
    absent = dict.fromkeys(("announced", "seat_expiration", "last_login"))
    return page_of("users", **({"seats_limit": 50} | absent | values))


def health(**values: float | str | None) -> str:
    """Return the exposition of a target without numbers."""
    page = expected(**values)
    return page[page.index("# HELP cloudflare_access_poll_success") :]


def holders(number: int) -> list[Row]:
    """Return this number of users with an Access seat, one device and a login today."""
    return [
        {"id": str(index), "access_seat": True, "active_device_count": 1, "last_successful_login": TODAY}
        for index in range(number)
    ]


def expected_holders(number: int, announced: float | None = None) -> str:
    """Return the exposition of this number of `holders`, and of the total_count that the API states."""
    return expected(
        announced=announced,
        users_access=number,
        seats_access=number,
        seats_used=number,
        active_devices=number,
        devices_1=number,
        within_1d=number,
        within_7d=number,
        within_30d=number,
        last_login=TODAY_SECONDS,
    )


# A user of both products with two devices, created in 2020 and logged in today.
BOTH: Row = {
    "id": "f174e90a-fafe-4643-bbbc-4a0ed4fc8415",
    "access_seat": True,
    "active_device_count": 2,
    "created_at": "2020-01-01T00:00:00Z",
    "email": "jdoe@example.com",
    "gateway_seat": True,
    "last_successful_login": TODAY,
    "name": "Jane Doe",
    "seat_uid": "seat_uid",
    "uid": "uid",
    "updated_at": "2020-01-01T00:00:00Z",
}
EXPECTED_BOTH: dict[str, float | str | None] = {
    "users_both": 1,
    "seats_access": 1,
    "seats_gateway": 1,
    "seats_used": 1,
    "active_devices": 2,
    "devices_2": 1,
    "within_1d": 1,
    "within_7d": 1,
    "within_30d": 1,
    "last_login": TODAY_SECONDS,
}
WITHOUT: dict[str, dict[str, float | str | None]] = {
    "access_seat": {"users_both": 0, "users_gateway": 1, "seats_access": 0},
    "gateway_seat": {"users_both": 0, "users_access": 1, "seats_gateway": 0},
    "active_device_count": {"active_devices": 0, "devices_2": 0, "devices_unknown": 1},
    "last_successful_login": {
        "within_1d": 0,
        "within_7d": 0,
        "within_30d": 0,
        "last_login": None,
        "unknown_30": 1,
        "unknown_60": 1,
        "unknown_90": 1,
    },
}
