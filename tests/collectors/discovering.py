"""A simulated account with applications, and an exporter that discovers them."""

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, Simulator
from access_exporter.simulator.account import TOKEN, Life
from tests.collectors.starting import results
from tests.exporter import ACCOUNT_ID
from tests.fakes import START, FakeClock
from tests.fleet import Fleet

HOUR, DAY = 3600, 86400
STAFF = {"email_domain": {"domain": "example.com"}}
GUESTS = {"email": {"email": "guest@example.org"}}


def own(name: str = "own", decision: str = "allow", **more: Any) -> dict[str, Any]:
    """Return a policy that belongs to one application."""
    rules = {"include": [STAFF], "exclude": [], "require": []}
    row = {"id": f"id-of-{name}", "name": name, "decision": decision, "precedence": 1, "reusable": False}
    return row | rules | {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"} | more


def reusable(name: str, decision: str = "allow", **more: Any) -> dict[str, Any]:
    """Return a reusable policy, as the list of reusable policies contains it."""
    return own(name, decision, reusable=True, app_count=1) | more


def application(name: str | None, *policies: Any, **more: Any) -> dict[str, Any]:
    """Return an application; the default id contains its name."""
    return {"id": f"app-{name}", "name": name, "type": "self_hosted", "policies": list(policies)} | more


def discovery(**changes: Any) -> PolicyTest:
    """Return the configuration of a policy test that discovers applications."""
    return PolicyTest(discover="applications", **changes)


def in_order(bodies: Iterable[list[Any]]) -> list[list[Any]]:
    """Return the contents of tests in a fixed order."""
    return sorted(bodies, key=partial(json.dumps, sort_keys=True))


class Discovery:
    """An exporter that discovers applications, and an account with 25 rows a page where each test takes a minute."""

    def __init__(
        self,
        *applications: dict[str, Any],
        policies: Iterable[dict[str, Any]] = (),
        tests: Iterable[PolicyTest] = (),
        folder: Path | None = None,
        **api: Any,
    ) -> None:
        self.clock = FakeClock()
        self.account = Account(ACCOUNT_ID)
        self.account.any_life = lambda _: Life(results("approved", "blocked"), seconds=60)
        self.lists(*applications)
        self.account.lists["policies"] = tuple(policies)
        self.server = Simulator([self.account], clock=lambda: self.clock.now, max_per_page=25)
        self.server.start()
        self.api, self._folder = api, folder
        self.exporter = Fleet(self.config(*tests or [discovery()]), self.clock, folder)

    def restart(self, *tests: PolicyTest) -> None:
        """Start a new exporter with the state folder of the old one."""
        self.exporter = Fleet(self.config(*tests or [discovery()]), self.clock, self._folder)

    def lists(self, *applications: dict[str, Any]) -> None:
        """Replace the applications of the account."""
        self.account.lists["apps"] = applications

    def config(self, *tests: PolicyTest) -> Config:
        """Return a configuration with only these tests."""
        api = Api(url=self.server.url, **({"requests_per_second": 10_000, "burst": 1_000_000} | self.api))
        account = AccountConfig(id=ACCOUNT_ID, api_token=Secret("test", TOKEN), users=False, policy_tests=tests)
        return Config(api=api, accounts=(account,))

    def run(self, seconds: float) -> None:
        """Let this number of seconds pass."""
        self.exporter.run(seconds)

    def started(self) -> list[tuple[float, list[Any]]]:
        """Return the start of each test, in seconds since the start, and its policies."""
        posts = [each for each in self.server.arrivals if each.method == "POST"]
        return [(round(each.time - START, 3), msgspec.json.decode(each.body)["policies"]) for each in posts]

    def bodies(self) -> list[list[Any]]:
        """Return the policies of each requested test, in a fixed order."""
        return in_order(policies for _, policies in self.started())

    def labels(self) -> dict[str, str]:
        """Return the label of each test by the id of its application."""
        sample = r'policy_test_info\{account_id="[^"]*",application_id="([^"]*)",policy_test="((?:[^"\\]|\\.)*)"'
        return dict(re.findall(sample, self.exporter.page()))

    def value(self, sample: str) -> float | None:
        """Return the value of a sample on `/metrics`, given its name and its labels after `account_id`."""
        name, _, labels = sample.partition(" ")
        start = f'cloudflare_access_{name}{{account_id="{ACCOUNT_ID}"{labels and ","}{labels}}} '
        lines = [line for line in self.exporter.page().splitlines() if line.startswith(start)]
        return float(lines[0].rpartition(" ")[2]) if lines else None
