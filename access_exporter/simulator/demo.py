"""The living account behind `--demo`: people log in, devices come and go, seats are taken and released.

Everything follows from the seed and the time since the start, and nothing in it is anyone's: names are numbered,
addresses are at example.com, example.org and example.net.
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
    """What is fixed about the demo account; `policies` can be tested, and `policy_tests` are names by id."""

    account_id: str = "de30" * 8
    token: str = "demo-token-that-opens-nothing-else"  # noqa: S105 – it opens nothing but this account
    seat_limit: int = 50  # the free plan
    policies: tuple[str, ...] = ("d4" * 18,)
    policy_tests: Mapping[str, str] = MappingProxyType(
        {"a1" * 32: "wiki", "b2" * 32: "payroll", "c3" * 32: "legacy vpn"}
    )

    def polled(self) -> dict[str, object]:
        """Return the sections of a configuration that poll everything in the account."""
        existing = [{"id": test_id, "name": name, "interval": "10s"} for test_id, name in self.policy_tests.items()]
        times = {"interval": "10s", "refresh": "15s", "stale_after": "5m"}
        fresh = {"name": "new test", "policies": list(self.policies), **times}
        discovered = {"discover": "applications", "interval": "10s", "refresh": "2m", "stale_after": "5m"}
        return {
            "users": {"interval": "10s", "domains": 10},
            "devices": {"interval": "10s"},
            "policy_tests": [*existing, fresh, discovered],
            "service_tokens": {"interval": "10s"},
        }


DEMO = Demo()

_SEAT_EXPIRATION = "13140h"  # a year and a half, longer than anyone stays away
_STEP_SECONDS = 2
_MOST_STEPS = 6 * 60 * 60 // _STEP_SECONDS  # a laptop that slept longer lives through the last six hours only
_TEST_SECONDS = 120  # how long the second policy test takes
_FRESH_TEST_SECONDS = 2  # and how long each of those that the exporter starts
_SEATS_FLOOR = 34  # the number of seats wanders between this and the limit
_SEATS_AT_START, _PEOPLE = 40, 76
# The first people hold a seat and stay away, so that someone is always idle: days since login (None: never), devices.
_IDLE = [(31, 0), (38, 1), (44, 0), (61, 0), (80, 1), (91, 0), (140, 3), (400, 0), (None, 1), (None, 0), (None, 8)]
_TOKEN_DAYS = 20  # until the token of the account itself expires
# Service tokens: name, days until it expires (None: never), and whether it is enabled.
_SERVICE_TOKENS = [
    ("ci", 9, True),
    ("nightly backup", 200, True),
    ("monitoring", None, True),
    ("old laptop", -40, False),
]
_ODD_NAMES = ["User 0 \N{ROCKET}", 'User 1 "Quote"', "User 2 O'Apostrophe", "User 3 Ümläut", "User 4 \\ {backslash}"]


class LivingAccount(Account):
    """An account that lives a step each two seconds, from `now` (Unix seconds) on."""

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
        """Live through the steps since the last call; a clock set back stops life until it has caught up."""
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
        # The policy of the configured test is in the list, so that it may be tested.
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
        """Release a seat or take one: a release is the likelier the fewer are left, and certain at the limit."""
        used = sum(_has_seat(person) for person in self._people)
        if self._random.uniform(_SEATS_FLOOR, DEMO.seat_limit) < used:
            nothing = {"access_seat": False, "gateway_seat": False, "active_device_count": 0}
            self._change(self._someone(seat=True), now, **nothing)
            return
        devices = self._random.choice((0, 1))
        seats = {"access_seat": True, "gateway_seat": devices > 0, "active_device_count": devices}
        self._change(self._someone(seat=False), now, **seats, last_successful_login=now)

    def _someone(self, *, seat: bool) -> int:
        """The number of anyone with or without a seat, but for those who stay away."""
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
            name=_ODD_NAMES[number] if number < len(_ODD_NAMES) else f"User {number}",
            access_seat=seat and not (gateway and number % 5 == 0) and login is not None,
            gateway_seat=gateway,
            active_device_count=devices,
            created_at=self._days_ago(created),
            updated_at=self._days_ago(created if login is None else login),
            last_successful_login=None if login is None else self._days_ago(login),
        )

    def _habits(self, number: int) -> tuple[float | None, int]:
        """Days since the last login, None for never, and the number of devices."""
        if number < len(_IDLE):
            return _IDLE[number]
        if number < _SEATS_AT_START:
            return min(20, self._random.expovariate(1 / 3)), self._random.choice((0, 0, 1, 1, 1, 2, 2, 3, 4, 6))
        return self._random.choice((None, self._random.uniform(20, 300))), 0

    def _policy_test(self, test_id: str) -> PolicyTest:
        """A finished test of everyone: four in five are approved, the last one ends in an error."""
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
        """A test whose results are those of the one before, but for a few people."""
        for number in self._changes.sample(range(_PEOPLE), self._changes.randrange(4)):
            status = self._changes.choice(("approved", "blocked"))
            self._results[number] = {**members(self._results[number]), "status": status}
        return Life(tuple(self._results), _FRESH_TEST_SECONDS)

    def _evaluated_test(self, policies: Sequence[object]) -> Life:
        """A test of policies as they are, saved or not."""
        groups = self._applications.groups([person.id for person in self._people])
        return Life(tuple(evaluation.results(self, policies, groups)), _FRESH_TEST_SECONDS)

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _days_ago(self, days: float) -> datetime:
        return datetime.fromtimestamp(self._started - days * 86_400, UTC)


def _has_seat(person: User) -> bool:
    return bool(person.access_seat or person.gateway_seat)


def demo(seed: int = 1, clock: Callable[[], float] = time.time) -> Simulator:
    """A simulator of one living account: DEMO.account_id, opened by DEMO.token, alive from now on."""
    return Simulator([LivingAccount(seed, clock())], clock=clock)
