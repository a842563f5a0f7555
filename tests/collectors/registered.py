"""Registrations of devices as the API lists them. The current time is always 2026-09-21T14:13:20Z."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.collectors.cloudflare import Row
from tests.fakes import START

NOW = datetime.fromtimestamp(START, UTC)


def ago(days: float) -> str:
    """Return the time this number of days ago, in the format of the API."""
    return (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")


def registration(number: int, user: Row | None = None, seen: float | None = 0, /, **fields: Any) -> Row:
    """Return an active registration of a user, last seen this number of days ago."""
    row: Row = {
        "id": f"registration {number}",
        "created_at": ago(200),
        "last_seen_at": None if seen is None else ago(seen),
        "deleted_at": None,
        "revoked_at": None,
        "registration_type": "warp",
        "tunnel_type": "masque",
        "device": {"id": f"device {number}", "name": "Jane's laptop", "client_version": "2026.6.841.0"},
        "user": user,
    }
    return row | fields


def shown(page: str, name: str) -> dict[str, float]:
    """Return the samples of a metric by the value of the first label after `account_id`, or by "" if there is none."""
    found = {}
    for line in page.splitlines():
        if line.startswith(f"cloudflare_access_{name}{{"):
            labels, _, value = line.partition("{")[2].rpartition("} ")
            others = [label for label in labels.split('",') if not label.startswith("account_id")]
            found[others[0].partition('="')[2].rstrip('"') if others else ""] = float(value)
    return found
