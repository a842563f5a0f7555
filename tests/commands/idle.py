"""Users with idle seats. The time is always 2026-09-21T14:13:20Z."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from access_exporter.simulator import Simulator, User
from access_exporter.simulator.account import Registration
from tests.fakes import START
from tests.processes import Run

NOW = datetime.fromtimestamp(START, UTC)
COLUMNS = (
    "account_id,email,name,last_login,last_device_seen,last_activity,basis,created,"
    "idle_days,active_devices,seats,seat_uid"
)


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def person(number: int, idle: float = 100, **fields: Any) -> User:
    """Return a user who has a seat and has been idle for this number of days."""
    known: dict[str, Any] = {
        "email": f"person{number}@example.com",
        "name": f"Person {number}",
        "access_seat": True,
        "active_device_count": 0,
        "created_at": days_ago(500),
        "last_successful_login": days_ago(idle),
        "seat_uid": f"seat-{number}",
    }
    return User(str(number), **(known | fields))


def device(user_id: str, seen: float, **fields: Any) -> Registration:
    """Return a device of a user, last seen this number of days ago."""
    return Registration(f"device of {user_id}", {"id": user_id}, {}, last_seen_at=days_ago(seen), **fields)


def three_people(cloudflare: Simulator) -> None:
    """Add an idle user with all fields, an idle user with few fields, and a user who is not idle."""
    jdoe = person(
        1, email="jdoe@example.com", name="Jane Doe", gateway_seat=True, seat_uid="a1b2", active_device_count=1
    )
    unknown = {"id": "2", "gateway_seat": True, "created_at": "2026-05-01T02:00:00.75+02:00"}
    cloudflare.accounts["first"].users = [jdoe, person(3, idle=5)]
    cloudflare.accounts["first"].registrations = (device("1", 120),)
    cloudflare.accounts["second"].users = [unknown]


def listed(run: Run, *arguments: str) -> list[dict[str, Any]]:
    """Return the rows of a complete list, read from its JSON."""
    code, out, err = run("--idle-seats=90d", "--format=json", *arguments)
    assert (code, err) == (0, "")
    rows: list[dict[str, Any]] = json.loads(out)
    return rows
