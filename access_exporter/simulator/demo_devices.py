"""The devices of the demo account. Users use most devices every few days; some of these users never log in."""

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from access_exporter.simulator.account import Registration, User

_VERSIONS = ("2026.6.841.0", "2026.6.841.0", "2026.4.1350.0", "2025.10.186.0")
# Users who do not log in, by their index in `people`: days since their devices were last seen. Two of these users still
# use WARP, so they are not idle.
_SEEN = {1: 35, 4: 0.1, 6: 120, 8: 0.02}
_NOT_LISTED = 10  # this user has devices, but the list has none of them: so it is unknown whether the seat is idle
_REVOKED = {0: 12}  # days since a device was last seen that is now revoked, so its user is not yet idle for 30 days


def registrations(people: Sequence[User], start: datetime) -> Iterator[Registration]:
    """Yield the device registrations of these users. `start` is the start time of the demo."""
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
