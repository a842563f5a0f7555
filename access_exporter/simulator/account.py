"""A simulated account: its users, policy tests, seat expiration, devices and other lists, and its credentials."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

TOKEN = "simulated-token"  # noqa: S105 – the default token, which only works for simulated accounts


@dataclass(frozen=True, slots=True)
class User:
    """One row of GET …/access/users, with the field names of the API. The response omits fields that are None.

    https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/subresources/users/methods/list/
    """

    id: str
    uid: str | None = None
    seat_uid: str | None = None
    email: str | None = None
    name: str | None = None
    access_seat: bool | None = False
    gateway_seat: bool | None = False
    active_device_count: float | None = 0
    created_at: datetime | None = None
    updated_at: datetime | None = None
    last_successful_login: datetime | None = None


@dataclass(frozen=True, slots=True)
class PolicyTestUser:
    """One row of GET …/policy-tests/{policy_test_id}/users. `status` is approved, blocked or error."""

    id: str
    email: str | None = None
    name: str | None = None
    status: str | None = "approved"


@dataclass(frozen=True, slots=True)
class Registration:
    """One row of GET …/devices/registrations, with the field names of the API.

    https://developers.cloudflare.com/api/resources/zero_trust/subresources/devices/subresources/registrations/
    """

    id: str
    user: Mapping[str, str]
    device: Mapping[str, str]
    created_at: datetime | None = None
    last_seen_at: datetime | None = None
    deleted_at: datetime | None = None
    revoked_at: datetime | None = None
    registration_type: str = "warp"


# The simulator sends a mapping unchanged. So a test can send null, "" or a wrong type.
Row: TypeAlias = User | PolicyTestUser | Registration | Mapping[str, object]


def members(row: Row) -> Mapping[str, object]:
    """Return the members of the JSON object of a row."""
    if isinstance(row, Mapping):
        return row
    values = {member.name: getattr(row, member.name) for member in fields(row)}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class PolicyTest:
    """A policy test. `results` are all its rows. The first `processed` rows are done and listed; None means all."""

    id: str
    status: str = "complete"
    results: Sequence[Row] = ()
    processed: int | None = None

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The rows that the test has processed so far."""
        return tuple(self.results[: self.processed])

    @cached_property
    def summary(self) -> dict[str, object]:
        """The result of GET …/policy-tests/{policy_test_id}.

        Percentages are whole numbers. They are shares of the processed users, except for `percent_users_processed`,
        which is the share of all users.
        """
        counts = Counter(members(row).get("status") for row in self.rows)
        processed = len(self.rows)
        return {
            "id": self.id,
            "status": self.status,
            "total_users": len(self.results),
            "percent_users_processed": _percent(processed, len(self.results)),
            "users_approved": counts["approved"],
            "users_blocked": counts["blocked"],
            "users_errored": counts["error"],
            "percent_approved": _percent(counts["approved"], processed),
            "percent_blocked": _percent(counts["blocked"], processed),
            "percent_errored": _percent(counts["error"], processed),
        }


@dataclass(frozen=True)
class Life:
    """The course of a policy test: after `seconds`, it has the status `end` and has processed a `share` of its users.

    `end` may be complete, another final status, or processing for a test that never ends.
    """

    results: Sequence[Row]
    seconds: float = 0
    end: str = "complete"
    share: float = 1

    def at(self, test_id: str, age: float) -> PolicyTest:
        """Return the test `age` seconds after its start."""
        part = min(1.0, age / self.seconds) if self.seconds else 1.0
        return PolicyTest(
            test_id,
            status=self.end if part == 1 else "processing",
            results=self.results,
            processed=int(len(self.results) * self.share * part),
        )


def _is_active(registration: Row) -> bool:
    fields = members(registration)
    return not fields.get("deleted_at") and not fields.get("revoked_at")


def _percent(part: int, whole: int) -> int:
    return 100 * part // whole if whole else 0


class Account:
    """A simulated account: its users, its policy tests by id, and its credential (a token, or an email and a key).

    `seat_expiration` is a duration in the format of Go, such as `730h`; the response omits it if it is None.
    `registrations` are device registrations; if None, the list answers 403, as for a token without the permission.

    A test may change the account at any time: it assigns `users`, `policy_tests[id]`, `token`, `seat_expiration` or
    `registrations`. It must not change users, tests or registrations in place, because the simulator caches the pages.
    """

    def __init__(
        self,
        account_id: str,
        users: Iterable[Row] = (),
        policy_tests: Iterable[PolicyTest] = (),
        *,
        token: str | None = TOKEN,
        email: str | None = None,
        key: str | None = None,
        seat_expiration: str | None = None,
    ) -> None:
        self.id = account_id
        self.users = users
        self.policy_tests = {test.id: test for test in policy_tests}
        self.token = token
        self.email = email
        self.key = key
        self.seat_expiration = seat_expiration
        self.registrations: tuple[Row, ...] | None = None
        self.lists: dict[str, tuple[Row, ...]] = {}  # the rows of GET …/access/NAME, by the name
        # The course of the policy tests, by the policies that are tested: the ids of reusable policies and the names of
        # other policies. `any_life` gives the course of all other tests. If it is None, the simulator refuses them.
        self.lives: dict[tuple[str, ...], Callable[[], Life]] = {}
        self.any_life: Callable[[Sequence[object]], Life] | None = None
        self.token_expires: datetime | None = None
        self.owns_token = False  # True: an account token; False: the token of a user
        self.may_start_tests = True
        self.tests_started = 0
        self._under_way: dict[str, tuple[float, Life]] = {}
        self._starting = threading.Lock()

    def start_policy_test(self, names: tuple[str, ...], now: float, policies: Sequence[object] = ()) -> str | None:
        """Start a test at `now`, in Unix seconds. Return its id, or None if the account refuses to test these policies.

        `names` are the ids of reusable policies, and the names of other policies.
        """
        if names in self.lives:
            life = self.lives[names]()
        elif self.any_life:
            life = self.any_life(policies)
        else:
            return None
        with self._starting:
            self.tests_started += 1
            test_id = hashlib.sha256(f"{self.id} {self.tests_started}".encode()).hexdigest()
            self.begin_policy_test(test_id, life, now)
        return test_id

    def begin_policy_test(self, test_id: str, life: Life, now: float) -> None:
        """Add a test that starts at `now`, in Unix seconds."""
        self._under_way[test_id] = now, life
        self.policy_tests[test_id] = life.at(test_id, 0)

    @property
    def organization(self) -> dict[str, object]:
        """The result of GET …/access/organizations."""
        expiration = (
            {} if self.seat_expiration is None else {"user_seat_expiration_inactive_time": self.seat_expiration}
        )
        return {"name": "Simulated", "auth_domain": "simulated.cloudflareaccess.com", **expiration}

    @property
    def verification(self) -> dict[str, object]:
        """The result of GET …/tokens/verify."""
        expires = {"expires_on": self.token_expires} if self.token_expires else {}
        return {"id": "ed17574386854bf78a67040be0a770b0", "status": "active", **expires}

    @property
    def users(self) -> tuple[Row, ...]:
        """The rows of GET …/access/users, in the order of the list."""
        return self._users

    @users.setter
    def users(self, users: Iterable[Row]) -> None:
        self._users = tuple(users)

    def registered(self, status: str) -> tuple[Row, ...] | None:
        """Return the registrations with a status (active, revoked or all), or None without permission to list them."""
        if status == "all" or self.registrations is None:
            return self.registrations
        return tuple(each for each in self.registrations if _is_active(each) is (status == "active"))

    def accepts(self, email: str | None, secret: str) -> bool:
        """Return whether the account accepts a token (`email` is None), or an email and its key."""
        if email is None:
            return secret == self.token
        return (email, secret) == (self.email, self.key)

    def advance(self, now: float) -> None:
        """Update the policy tests to the time `now`, in Unix seconds. The simulator calls this before each response."""
        for test_id, (started, life) in list(self._under_way.items()):
            if test_id in self.policy_tests:  # else it was removed
                self.policy_tests[test_id] = life.at(test_id, now - started)
            if now - started >= life.seconds:
                self._under_way.pop(test_id, None)
