"""Users with invalid values: the value counts as unknown, and all other values count."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.collectors.cloudflare import Cloudflare, answer, honest_pages
from tests.collectors.people import BOTH, EXPECTED_BOTH, TODAY_SECONDS, WITHOUT, expected, holders, polled
from tests.exporter import Exporter
from tests.fakes import START

UNKNOWN_SEAT: dict[str, Any] = {
    "users_both": 0,
    "users_unknown": 1,
    "seats_access": 0,
    "seats_gateway": 0,
    "seats_used": 0,
}
# An unknown login does not mean "never logged in", so the seat is neither idle nor never used.
UNKNOWN_ACTIVITY: dict[str, Any] = {"unknown_30": 1, "unknown_60": 1, "unknown_90": 1}
UNKNOWN_LOGIN: dict[str, Any] = {"within_1d": 0, "within_7d": 0, "within_30d": 0, "last_login": None}
UNKNOWN_LOGIN |= UNKNOWN_ACTIVITY
FLAGS = ['"yes"', '"true"', "1", "0", "1.5", "[]", "{}", "1" + "0" * 5000]
DATES = [
    '"yesterday"',
    '"2026-09-21"',
    '"2026-02-30T00:00:00Z"',
    '"2026-09-21T25:00:00Z"',
    '"10000-01-01T00:00:00Z"',
    r'"\ud83d"',
    "1789984800",
    "true",
    "[]",
    '{"seconds": 1789984800}',
]
CASES = [
    *(("access_seat", flag, UNKNOWN_SEAT) for flag in FLAGS),
    *(("gateway_seat", flag, UNKNOWN_SEAT) for flag in FLAGS),
    *(("last_successful_login", date, UNKNOWN_LOGIN) for date in DATES),
    *(("created_at", date, {}) for date in DATES),
    *(
        ("active_device_count", count, WITHOUT["active_device_count"])
        for count in ('"2"', "true", "[2]", '{"n": 2}', "-1", "1" + "0" * 5000)
    ),
    *((field, value, {}) for field in ("name", "uid", "email") for value in ("5", "true", "[]")),
]


def with_value(field: str, value: str) -> str:
    """Return a row of a known user with this JSON in one field."""
    return json.dumps(BOTH | {field: "VALUE"}).replace('"VALUE"', value)


@pytest.mark.parametrize(("field", "value", "change"), CASES, ids=lambda case: str(case)[:40])
def test_invalid_value(cloudflare: Cloudflare, field: str, value: str, change: dict[str, Any]) -> None:
    """A value of a wrong type is unknown and affects no other value, not even the other seat flag."""
    page = polled(cloudflare, answer(["ROW"]).replace('"ROW"', with_value(field, value)))
    assert page == expected(**(EXPECTED_BOTH | change))


@pytest.mark.parametrize("days", [1.01, 2, 365, 10_000])
def test_the_future(cloudflare: Cloudflare, days: float) -> None:
    """A login more than a day in the future is unknown, and is not the last login."""
    login = datetime.fromtimestamp(START + days * 86400, UTC).isoformat()
    rows = [BOTH | {"last_successful_login": login}, {"id": "2", "last_successful_login": "2026-09-21T10:00:00Z"}]
    assert polled(cloudflare, answer(rows)) == expected(
        **(EXPECTED_BOTH | UNKNOWN_ACTIVITY | {"users_unknown": 1, "devices_unknown": 1, "last_login": TODAY_SECONDS})
    )


def test_warning(cloudflare: Cloudflare, log: Callable[[], list[str]]) -> None:
    """Each poll logs one warning with the number of rows with invalid values, without the values."""
    rows: list[Any] = holders(2500)
    for number in (0, 700, 1500, 2400):
        rows[number]["created_at"] = "planted"
    rows[700]["last_successful_login"] = 5
    cloudflare.lists("users", *honest_pages(rows))
    exporter = Exporter()
    for _ in range(2):
        exporter.poll()
        (line,) = [line for line in log() if "level=warn" in line]
        assert 'msg="rows with invalid values count as unknown"' in line
        assert "rows=4" in line
        assert "planted" not in line
        exporter.clock.now += 300


@pytest.mark.parametrize("value", ["", None, "2026-09-21T10:00:00", "0001-01-01T00:00:00Z"])
def test_no_warning(cloudflare: Cloudflare, log: Callable[[], list[str]], value: str | None) -> None:
    """A missing value, or a time without a time zone, is not invalid."""
    cloudflare.lists("users", answer([BOTH | {"last_successful_login": value, "created_at": value}]))
    Exporter().poll()
    assert [line for line in log() if "level=warn" in line] == []
