"""The account of `--demo`, which changes over time: users log in, devices change, seats are assigned and released.

All data follows from the random seed and the time since the start. It contains no real people: names are numbered, and
email addresses are at example.com, example.org and example.net.
"""

import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from access_exporter.simulator import evaluation
from access_exporter.simulator.account import Account, Life, PolicyTest, PolicyTestUser, Row, User, members
from access_exporter.simulator.demo_applications import Applications
from access_exporter.simulator.demo_devices import registrations
from access_exporter.simulator.server import Simulator


class Demo(NamedTuple):
    """The constants of the demo account. `policies` are ids of policies to test; `policy_tests` maps ids to names."""

    account_id: str = "de30" * 8
    token: str = "demo-token-that-opens-nothing-else"  # noqa: S105 – it only works for this account
    seat_limit: int = 50  # the free plan
    policies: tuple[str, ...] = ("d4" * 18,)
    policy_tests: Mapping[str, str] = MappingProxyType(
        {"a1" * 32: "wiki", "b2" * 32: "payroll", "c3" * 32: "legacy vpn"}
    )

    def polled(self) -> dict[str, object]:
        """Return the parts of a configuration that poll everything in the account."""
        existing = [{"id": test_id, "name": name, "interval": "10s"} for test_id, name in self.policy_tests.items()]
        times = {"interval": "10s", "refresh": "15s", "stale_after": "5m"}
        fresh = {"name": "staff", "policies": list(self.policies), **times}
        discovered = {"discover": "applications", "interval": "10s", "refresh": "2m", "stale_after": "5m"}
        return {
            "users": {"interval": "10s", "domains": 10},
            "devices": {"interval": "10s"},
            "policy_tests": [*existing, fresh, discovered],
            "service_tokens": {"interval": "10s"},
        }


DEMO = Demo()

_SEAT_EXPIRATION = "13140h"  # a year and a half, longer than any user is away
_STEP_SECONDS = 2
_MOST_STEPS = 6 * 60 * 60 // _STEP_SECONDS  # after a longer suspend, only simulate the last six hours
_TEST_SECONDS = 120  # the duration of the second policy test
_FRESH_TEST_SECONDS = 2  # the duration of each policy test that the exporter starts
_SEATS_FLOOR = 34  # the number of seats changes between this and the limit
_SEATS_AT_START, _PEOPLE = 40, 76
# The first users have a seat and never log in again, so some seats are always idle: days since the last login (None:
# never), number of devices.
_IDLE = [(31, 0), (38, 1), (44, 0), (61, 0), (80, 1), (91, 0), (140, 3), (400, 0), (None, 1), (None, 0), (None, 8)]
_TOKEN_DAYS = 20  # days until the API token expires
# Service tokens: name, days until the expiry (None: never), whether the token is enabled.
_SERVICE_TOKENS = [
    ("ci", 9, True),
    ("nightly backup", 200, True),
    ("monitoring", None, True),
    ("old laptop", -40, False),
]
_RARE_NAMES = ["User 0 \N{ROCKET}", 'User 1 "Quote"', "User 2 O'Apostrophe", "User 3 Ümläut", "User 4 \\ {backslash}"]


class LivingAccount(Account):
    """An account that changes every two seconds, from `now` (Unix seconds) on."""

    def __init__(self, seed: int, now: float) -> None:
        self._random = random.Random(seed)
        self._started = now
        self._steps = 0
        self._lock = threading.Lock()
        self._people = [self._person(number) for number in range(_PEOPLE)]
        wiki, payroll, legacy_vpn = (self._policy_test(test_id) for test_id in DEMO.policy_tests)
        exceeded = replace(legacy_vpn, status="exceeded time", processed=_PEOPLE * 3 // 5)
        tests = [wiki, exceeded]
        super().__init__(DEMO.account_id, self._people, tests, token=DEMO.token, seat_expiration=_SEAT_EXPIRATION)
        self.token_expires = self._days_ago(-_TOKEN_DAYS)
        self.begin_policy_test(payroll.id, Life(payroll.results, _TEST_SECONDS), now)
        self._results: list[Row] = list(wiki.results)
        self._changes = random.Random(seed)
        self.lists["service_tokens"] = tuple(self._service_token(*token) for token in _SERVICE_TOKENS)
        self.lives[DEMO.policies] = self._fresh_policy_test
        self.any_life = self._evaluated_test
        self.registrations = self._devices()
        self._applications = Applications(random.Random(seed), _PEOPLE, self._uuid, self._days_ago(0))
        self._list_applications()

    def advance(self, now: float) -> None:
        """Simulate the steps since the last call. After the clock was set back, nothing changes until it catches up."""
        super().advance(now)
        with self._lock:
            steps = int((now - self._started) / _STEP_SECONDS)
            if steps <= self._steps:
                return
            for step in range(max(self._steps, steps - _MOST_STEPS), steps):
                self._step(datetime.fromtimestamp(self._started + (step + 1) * _STEP_SECONDS, UTC))
            self._steps = steps
            self.users = self._people
            self._list_applications()
            self.registrations = self._devices()

    def _devices(self) -> tuple[Row, ...]:
        return tuple(registrations(self._people, self._days_ago(0)))

    def _list_applications(self) -> None:
        # Only listed policies can be tested, so the list includes the policy of the configured test.
        tested: tuple[Row, ...] = tuple({"id": each, "name": "Tested", "decision": "allow"} for each in DEMO.policies)
        self.lists["policies"] = (*self._applications.policies(), *tested)
        self.lists["apps"] = self._applications.applications()

    def _step(self, now: datetime) -> None:
        self._applications.step(now)
        if self._random.random() < 0.5:
            self._change(self._someone(seat=True), now, last_successful_login=now)
        if self._random.random() < 0.3:
            number = self._someone(seat=True)
            devices = int(self._people[number].active_device_count or 0) + self._random.choice((-1, 1))
            self._change(number, now, active_device_count=min(8, max(0, devices)))
        if self._random.random() < 0.2:
            self._move_seat(now)

    def _move_seat(self, now: datetime) -> None:
        """Release or assign a seat. The fewer seats are left, the likelier is a release; at the limit it is certain."""
        used = sum(_has_seat(person) for person in self._people)
        if self._random.uniform(_SEATS_FLOOR, DEMO.seat_limit) < used:
            nothing = {"access_seat": False, "gateway_seat": False, "active_device_count": 0}
            self._change(self._someone(seat=True), now, **nothing)
            return
        devices = self._random.choice((0, 1))
        seats = {"access_seat": True, "gateway_seat": devices > 0, "active_device_count": devices}
        self._change(self._someone(seat=False), now, **seats, last_successful_login=now)

    def _someone(self, *, seat: bool) -> int:
        """Return the number of a random user with or without a seat, except for the idle users."""
        numbers = range(len(_IDLE), _PEOPLE)
        return self._random.choice([number for number in numbers if _has_seat(self._people[number]) is seat])

    def _change(self, number: int, now: datetime, **changes: Any) -> None:  # Any: fields of a user, of several types
        self._people[number] = replace(self._people[number], updated_at=now, **changes)

    def _person(self, number: int) -> User:
        login, devices = self._habits(number)
        seat = number < _SEATS_AT_START
        gateway = seat and (devices > 0 or login is None)
        created = (login or 0) + self._random.uniform(1, 200)
        return User(
            id=self._uuid(),
            uid=self._uuid(),
            seat_uid=self._uuid(),
            email=f"user{number}@example.{('com', 'org', 'net')[number % 3]}",
            name=_RARE_NAMES[number] if number < len(_RARE_NAMES) else f"User {number}",
            access_seat=seat and not (gateway and number % 5 == 0) and login is not None,
            gateway_seat=gateway,
            active_device_count=devices,
            created_at=self._days_ago(created),
            updated_at=self._days_ago(created if login is None else login),
            last_successful_login=None if login is None else self._days_ago(login),
        )

    def _habits(self, number: int) -> tuple[float | None, int]:
        """Return the days since the last login (None: never) and the number of devices."""
        if number < len(_IDLE):
            return _IDLE[number]
        if number < _SEATS_AT_START:
            return min(20, self._random.expovariate(1 / 3)), self._random.choice((0, 0, 1, 1, 1, 2, 2, 3, 4, 6))
        return self._random.choice((None, self._random.uniform(20, 300))), 0

    def _policy_test(self, test_id: str) -> PolicyTest:
        """Return a finished test of all users: it approves four in five users, and the last user has an error."""
        statuses = [*self._random.choices(("approved", "blocked"), (4, 1), k=_PEOPLE - 1), "error"]
        pairs = zip(self._people, statuses, strict=True)
        rows = [PolicyTestUser(person.id, person.email, person.name, status) for person, status in pairs]
        return PolicyTest(test_id, "complete", rows)

    def _service_token(self, name: str, days: float | None, enabled: bool) -> Row:  # noqa: FBT001 – a column of a table
        return {
            "id": self._uuid(),
            "name": name,
            "client_id": f"{self._uuid()}.access",
            "enabled": enabled,
            "duration": "forever" if days is None else "8760h",
            "created_at": self._days_ago(120),
            "expires_at": None if days is None else self._days_ago(-days),
        }

    def _fresh_policy_test(self) -> Life:
        """Return a test with the results of the test before, except for at most three users."""
        for number in self._changes.sample(range(_PEOPLE), self._changes.randrange(4)):
            status = self._changes.choice(("approved", "blocked"))
            self._results[number] = {**members(self._results[number]), "status": status}
        return Life(tuple(self._results), _FRESH_TEST_SECONDS)

    def _evaluated_test(self, policies: Sequence[object]) -> Life:
        """Return a test of any policies, saved or not."""
        groups = self._applications.groups([person.id for person in self._people])
        return Life(tuple(evaluation.results(self, policies, groups)), _FRESH_TEST_SECONDS)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _days_ago(self, days: float) -> datetime:
        return datetime.fromtimestamp(self._started - days * 86_400, UTC)


def _has_seat(person: User) -> bool:
    return bool(person.access_seat or person.gateway_seat)


def demo(seed: int = 1, clock: Callable[[], float] = time.time) -> Simulator:
    """Return a simulator with the demo account (DEMO.account_id, DEMO.token), which changes from now on."""
    return Simulator([LivingAccount(seed, clock())], clock=clock)
