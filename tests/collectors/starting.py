"""A simulated account for policy tests that the exporter starts, and the whole exposition of one test."""

import itertools
from typing import Any

from prometheus_client.utils import floatToGoString

from access_exporter.config.durations import Interval
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.serving.status_accounts import Row
from access_exporter.serving.status_page import View, render
from access_exporter.simulator import Account, PolicyTestUser, Simulator
from access_exporter.simulator.account import TOKEN, Life
from access_exporter.simulator.server import Fault
from tests.exporter import ACCOUNT_ID, page_of
from tests.fakes import START, FakeClock
from tests.fleet import Fleet

REFRESH = 3600
POLICIES = ("a-reusable-policy", "another")
COUNTS = ("users_approved", "users_blocked", "users_error", "users_unknown")
CHANGES = ("newly_approved", "newly_blocked", "newly_error")
STATUSES = ("is_blocked", "is_processing", "is_exceeded_time", "is_complete")


def results(*statuses: str) -> list[PolicyTestUser]:
    """Return one result for each of several people."""
    return [PolicyTestUser(f"person-{number}", "jdoe@example.com", status=word) for number, word in enumerate(statuses)]


def payroll(**changes: Any) -> PolicyTest:
    """Return a test that is started every hour and polled every five minutes."""
    values: dict[str, Any] = {"name": "payroll", "policies": POLICIES, "refresh": Interval(REFRESH)}
    return PolicyTest(**(values | changes))


class Bench:
    """An exporter with one fresh policy test, and an account where each test takes a minute by default."""

    def __init__(self, *lives: Life, config: PolicyTest | None = None, **api: Any) -> None:
        self.clock = FakeClock()
        self.account = Account(ACCOUNT_ID)
        default = Life(results("approved", "approved", "approved", "blocked"), seconds=60)
        self.lives = itertools.chain(lives, itertools.repeat(lives[-1] if lives else default))
        self.account.lives[POLICIES] = lambda: next(self.lives)
        self.server = Simulator([self.account], clock=lambda: self.clock.now)  # the clock of Cloudflare never jumps
        self.server.start()
        self.api = api
        self.exporter = Fleet(self.config(config or payroll()), self.clock)

    def config(self, *tests: PolicyTest) -> Config:
        """Return a configuration with only these tests."""
        api = Api(url=self.server.url, **({"requests_per_second": 10_000, "burst": 1_000_000} | self.api))
        account = AccountConfig(id=ACCOUNT_ID, api_token=Secret("test", TOKEN), users=False, policy_tests=tests)
        return Config(api=api, accounts=(account,))

    def page(self) -> str:
        """Return the exposition, with ID in place of the test id."""
        page = self.exporter.page()
        for test_id in self.account.policy_tests:
            page = page.replace(test_id, "ID")
        return page

    def status_page(self) -> str:
        """Return the status page."""
        config = self.config(payroll())
        rows = [Row(snapshot, fresh=True) for snapshot in self.exporter.snapshots()]
        page = render(config.accounts, rows, self.clock.time(), View())
        return page.replace("\N{NO-BREAK SPACE}", " ")

    def asked(self, method: str, endpoint: str = "") -> list[float]:
        """Return the times of requests with this method and endpoint, in seconds since the start."""
        arrivals = [each for each in self.server.arrivals if each.method == method]
        return [each.time - START for each in arrivals if not endpoint or each.endpoint == endpoint]


def expected(**values: float | str | None) -> str:
    """Return the exposition with these values; all other values are absent or 0."""
    absent: dict[str, Any] = dict.fromkeys((*COUNTS, *CHANGES, "finished"))
    return page_of("fresh_policy_test", **(absent | {"info": 1, "population": 4, "started": moment(0)} | values))


def counted(**values: float | str | None) -> dict[str, Any]:
    """Return the values of a finished test with three approved users and one blocked user."""
    counts: dict[str, Any] = {"users_approved": 3, "users_blocked": 1, "users_error": 0, "users_unknown": 0}
    return counts | values


def moment(seconds: float) -> str:
    """Return the timestamp this number of seconds after the start, in the format of the exposition."""
    return str(floatToGoString(START + seconds))  # type: ignore[no-untyped-call]  # it has no types


def shows(page: str, **counts: int) -> bool:
    """Return whether the exposition has these numbers of users by result."""
    sample = 'cloudflare_access_policy_test_users{{account_id="{}",policy_test="payroll",status="{}"}} {}.0\n'
    return all(sample.format(ACCOUNT_ID, status, number) in page for status, number in counts.items())


def only(endpoint: str, happen: Fault) -> Any:
    """Return a fault that affects only the requests for one endpoint."""
    return lambda request: happen if request.endpoint == endpoint else None
