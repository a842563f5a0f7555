"""What is in a simulated account: users, policy tests, a setting, and the credentials that open it."""

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cached_property
from typing import TypeAlias

TOKEN = "simulated-token"  # noqa: S105 – it opens nothing but a simulated account that was not told otherwise


@dataclass(frozen=True, slots=True)
class User:
    """One row of GET …/access/users, its fields named as there; a field that is None is left out of the answer.

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
    """One row of GET …/policy-tests/{policy_test_id}/users; `status` is approved, blocked or error."""

    id: str
    email: str | None = None
    name: str | None = None
    status: str | None = "approved"


@dataclass(frozen=True, slots=True)
class Registration:
    """One row of GET …/devices/registrations, its fields named as there.

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


# A mapping is sent as it is: that is how a test sends null, "" or a wrong type.
Row: TypeAlias = User | PolicyTestUser | Registration | Mapping[str, object]


def members(row: Row) -> Mapping[str, object]:
    """Return a row as the members of its JSON object."""
    if isinstance(row, Mapping):
        return row
    values = {member.name: getattr(row, member.name) for member in fields(row)}
    return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True)
class PolicyTest:
    """A policy test over `results`, of which the first `processed` are done and listed (None: all of them)."""

    id: str
    status: str = "complete"
    results: Sequence[Row] = ()
    processed: int | None = None

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The results that are there so far."""
        return tuple(self.results[: self.processed])

    @cached_property
    def summary(self) -> dict[str, object]:
        """The result of GET …/policy-tests/{policy_test_id}.

        Percentages are whole and of the users processed; that of the processed ones is of all users.
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
    """How a policy test goes once it is started: it takes so many seconds and ends so, with the results listed.

    A test that ends as anything but complete has processed `share` of its users by then; `end` may be processing.
    """

    results: Sequence[Row]
    seconds: float = 0
    end: str = "complete"
    share: float = 1

    def at(self, test_id: str, age: float) -> PolicyTest:
        """The test so many seconds after its start."""
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
    """An account: its users, its policy tests by id, and its token or its email with a key.

    `seat_expiration` is a duration as Go writes it, `730h`; None leaves it out of the answer. `registrations` are those
    of devices; None refuses to list them, as to a token without the permission. All of it may be replaced while it is
    served: assign `users`, `policy_tests[id]`, `token`, `seat_expiration`, `registrations`. Users, tests and
    registrations are never changed in place, so that pages rendered once stay true.
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
        # What may be tested, by the ids of reusable policies and the names of others; any other test is `any_life` of
        # the policies as they came, and refused where there is none.
        self.lives: dict[tuple[str, ...], Callable[[], Life]] = {}
        self.any_life: Callable[[Sequence[object]], Life] | None = None
        self.token_expires: datetime | None = None
        self.owns_token = False  # or else the token is one of a person
        self.may_start_tests = True
        self.tests_started = 0
        self._under_way: dict[str, tuple[float, Life]] = {}
        self._starting = threading.Lock()

    def start_policy_test(self, names: tuple[str, ...], now: float, policies: Sequence[object] = ()) -> str | None:
        """Start a test at `now`, in Unix seconds, and return its id; None where there is no such test.

        `names` are the ids of the policies, or the names of those that are not reusable.
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
        """Let a test begin at `now`, in Unix seconds."""
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
        """The rows of GET …/access/users, in the order they are listed."""
        return self._users

    @users.setter
    def users(self, users: Iterable[Row]) -> None:
        self._users = tuple(users)

    def registered(self, status: str) -> tuple[Row, ...] | None:
        """Return the registrations of a status, which is active, revoked or all; None where they may not be listed."""
        if status == "all" or self.registrations is None:
            return self.registrations
        return tuple(each for each in self.registrations if _is_active(each) is (status == "active"))

    def accepts(self, email: str | None, secret: str) -> bool:
        """Tell whether the account opens to a token (`email` is None) or to an email with its key."""
        if email is None:
            return secret == self.token
        return (email, secret) == (self.email, self.key)

    def advance(self, now: float) -> None:
        """Bring the account to `now`, Unix seconds, before an answer: its tests go on, and the rest stands still."""
        for test_id, (started, life) in list(self._under_way.items()):
            if test_id in self.policy_tests:  # or else it was forgotten
                self.policy_tests[test_id] = life.at(test_id, now - started)
            if now - started >= life.seconds:
                self._under_way.pop(test_id, None)
