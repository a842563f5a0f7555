"""Places in polls where something goes wrong, and an exporter before, during and after it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from access_exporter import simulator
from access_exporter.config.durations import Duration
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, Devices, PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import Registration
from access_exporter.simulator.server import Fault as Serving
from tests.faults import Fault
from tests.fleet import Fleet
from tests.noises import Noise

TEST = "f1a8" * 16
DAY = Duration(86400)


_FOLLOWED = (PolicyTest(id=TEST, name="wiki", stale_after=DAY),)
_DISCOVERED = (PolicyTest(discover="applications"),)
_TESTS = {
    "policy_test": _FOLLOWED,
    "policy_test_users": _FOLLOWED,
    "apps": _DISCOVERED,
    "policies": _DISCOVERED,
}


@dataclass(frozen=True)
class Place:
    """The request of a poll where something goes wrong. Each place has its own account, with only one target."""

    account_id: str
    endpoint: str
    page: int = 1

    def holds(self, request: Request, *, and_all_after: bool = False) -> bool:
        """Return whether this is the request for this page or, with `and_all_after`, for a later page."""
        page = request.page or 0
        there = page >= self.page if and_all_after else page == self.page
        return self.account_id == request.account_id and self.endpoint == request.endpoint and there

    @property
    def config(self) -> AccountConfig:
        """The account of the place, with its own credential."""
        return AccountConfig(
            id=self.account_id,
            api_token=Secret(self.account_id, f"token-{self.account_id}"),
            users=self.endpoint == "users" and Users(stale_after=DAY),
            devices=self.endpoint == "devices" and Devices(stale_after=DAY),
            policy_tests=_TESTS.get(self.endpoint, ()),
        )


PLACES = (
    Place("users", "users"),
    Place("users-middle", "users", page=2),
    Place("test", "policy_test"),
    Place("results", "policy_test_users"),
    Place("results-middle", "policy_test_users", page=2),
    Place("devices", "devices"),
    Place("devices-middle", "devices", page=2),
    Place("applications", "apps"),
    Place("applications-middle", "apps", page=2),
    Place("policies", "policies"),
    Place("policies-middle", "policies", page=2),
)
PEOPLE = [User(str(number), access_seat=number < 3) for number in range(5)]
RESULTS = [PolicyTestUser(str(number), status="approved" if number else "blocked") for number in range(5)]
DEVICES = tuple(Registration(f"registration {number}", {"id": str(number)}, {}) for number in range(5))
RUNNING = simulator.PolicyTest(TEST, "processing", RESULTS, processed=2)
POLICIES = tuple({"id": f"policy-{number}", "decision": "allow", "include": []} for number in range(5))
APPLICATIONS = tuple(
    {"id": f"app-{number}", "name": f"app {number}", "policies": [POLICIES[number]]} for number in range(5)
)
NEW_APPLICATION = {"id": "app-new", "name": "new", "policies": ["policy-new"]}
DISCOVERED = 'cloudflare_access_discovered_policy_tests{{account_id="{}"}} {}.0'
SEATS_USED = 'cloudflare_access_seats_used{{account_id="{}"}} {}.0'
RATIO = 'cloudflare_access_policy_test_processed_ratio{{account_id="{}",policy_test="wiki"}} {}'
REGISTRATIONS = 'cloudflare_access_device_registrations{{account_id="{}",type="warp"}} {}.0'
APPROVED = 'cloudflare_access_policy_test_users{{account_id="{}",policy_test="wiki",status="approved"}} {}.0'


def cloudflare(**options: Any) -> Simulator:
    """Simulate an account for each place, with lists of three pages and a policy test that is still running."""
    return Simulator([account(place) for place in PLACES], max_per_page=2, **options)


def account(place: Place) -> Account:
    """Return the account of a place, in its first state."""
    known = Account(place.account_id, PEOPLE, [RUNNING], token=f"token-{place.account_id}")
    known.registrations = DEVICES
    known.lists |= {"apps": APPLICATIONS, "policies": POLICIES}
    return known


def fleet(url: str, places: tuple[Place, ...] = PLACES, timeout: float = 10) -> Fleet:
    """Return an exporter that polls one target of each account, without a rate limit."""
    api = Api(url=url, timeout=Duration(timeout), requests_per_second=10_000, burst=1_000_000)
    return Fleet(Config(api=api, accounts=tuple(place.config for place in places)))


def time_passes(account: Account) -> None:
    """Add a user, a device and an application, and let the policy test finish."""
    account.users = (*account.users, User("new", gateway_seat=True))
    account.policy_tests[TEST] = simulator.PolicyTest(TEST, "complete", RESULTS)
    account.registrations = (*DEVICES, Registration("new", {}, {}))
    account.lists["apps"] = (*APPLICATIONS, NEW_APPLICATION)
    account.lists["policies"] = (*POLICIES, {"id": "policy-new", "decision": "allow"})


_BEFORE = {
    "users": (SEATS_USED, 3),
    "devices": (REGISTRATIONS, 5),
    "apps": (DISCOVERED, 5),
    "policies": (DISCOVERED, 5),
}
_AFTER = {
    "users": (SEATS_USED, 4),
    "devices": (REGISTRATIONS, 6),
    "apps": (DISCOVERED, 6),
    "policies": (DISCOVERED, 6),
}


def is_as_before(numbers: str, place: Place) -> bool:
    """Return whether the numbers are those of the account's first state."""
    series, value = _BEFORE.get(place.endpoint, (RATIO, 0.4))
    return f"{series.format(place.account_id, value)}\n" in numbers


def is_up_to_date(numbers: str, place: Place) -> bool:
    """Return whether the numbers are those after `time_passes`."""
    series, value = _AFTER.get(place.endpoint, (APPROVED, 4))
    return f"{series.format(place.account_id, value)}\n" in numbers


def happening(fault: Fault | Noise, places: tuple[Place, ...] = PLACES) -> Callable[[Request], Serving | None]:
    """Let a fault happen at all places, or make every response unusual."""

    def choose(request: Request) -> Serving | None:
        if isinstance(fault, Noise) or any(place.holds(request, and_all_after=fault.from_there_on) for place in places):
            return fault.happen
        return None

    return choose


class Story:
    """An exporter before, during and after something goes wrong at some places."""

    def __init__(self, server: Simulator, places: tuple[Place, ...], log: Callable[[], list[str]], timeout: float):
        """Poll for the first time, then change the accounts."""
        self._exporter = fleet(server.url, places, timeout)
        self.clock = self._exporter.clock
        self._places = places
        self._log = log
        self._exporter.poll()
        self._before = {place: self._exporter.numbers(place.account_id) for place in places}
        assert all(is_as_before(self._before[place], place) for place in places)
        assert log() == []
        for place in places:
            time_passes(server.accounts[place.account_id])
        self.clock.now += 300

    def fail(self, reason: str, words: str) -> None:
        """Check that a poll fails, is logged once for each place, and changes no numbers."""
        self._exporter.poll()
        said = self._log()
        for place in self._places:
            assert self._exporter.health(place.account_id) == {"success": 0, reason: 1}
            assert self._exporter.numbers(place.account_id) == self._before[place]
            (line,) = [line for line in said if f"account_id={place.account_id} " in line]
            assert f'level=warn msg="poll failed" account_id={place.account_id}' in line
            assert f"reason={reason} " in line
            assert words in line
            assert "planted" not in line
        assert len(said) == len(self._places)
        self.clock.now += 300

    def recover(self, reason: str) -> None:
        """Check that a poll succeeds, has new numbers, and does not reset the error counter."""
        self._exporter.poll()
        for place in self._places:
            assert self._exporter.health(place.account_id) == {"success": 1, reason: 1}
            assert is_up_to_date(self._exporter.numbers(place.account_id), place)
        assert self._log() == []


def timeout(reason: str) -> float:
    """Return the timeout of a request: short only for faults that end with a timeout."""
    return 0.5 if reason == "timeout" else 10
