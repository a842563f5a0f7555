"""The devices of the people in the demo account: most are used every few days, some by people who never log in."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from access_exporter.simulator.account import Registration, User

_VERSIONS = ("2026.6.841.0", "2026.6.841.0", "2026.4.1350.0", "2025.10.186.0")
# Days since the devices were seen of those who stay away from applications: two use WARP alone, and are not idle.
_SEEN = {1: 35, 4: 0.1, 6: 120, 8: 0.02}
_NOT_LISTED = 10  # has devices that the list does not know: nobody can tell whether that seat is idle
_REVOKED = {0: 12}  # days since a device was seen that was revoked later: its holder is not idle for 30 days


def registrations(people: Sequence[User], start: datetime) -> Iterator[Registration]:
    """Yield the registrations of these people, of whom the first are those of _SEEN; `start` is when the demo began."""
    for number, person in enumerate(people):
        if number == _NOT_LISTED:
            continue
        if number in _SEEN:
            seen = start - timedelta(days=_SEEN[number])
        else:
            seen = max(person.updated_at or start, start - timedelta(days=number % 5))
        for device in range(int(person.active_device_count or 0)):
            yield _registration(person, number, device, seen - timedelta(days=device))
        if number in _REVOKED:
            seen = start - timedelta(days=_REVOKED[number])
            yield _registration(person, number, 0, seen, revoked=seen + timedelta(hours=1))


def _registration(
    person: User, number: int, device: int, seen: datetime, *, revoked: datetime | None = None
) -> Registration:
    return Registration(
        id=str(uuid.uuid5(uuid.UUID(person.id), str(device))),
        user={"id": person.id, "email": person.email or "", "name": person.name or ""},
        device={"name": f"Device {number}-{device}", "client_version": _VERSIONS[(number + device) % len(_VERSIONS)]},
        created_at=person.created_at,
        last_seen_at=seen,
        revoked_at=revoked,
        registration_type="browser_extension" if number % 9 == 3 else "warp",
    )
