"""Simulated accounts, and configurations of them that change while the exporter runs."""

from typing import Any

from access_exporter import simulator
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.simulator import Account, PolicyTestUser, Simulator, User
from access_exporter.simulator.account import TOKEN

TEST = "f1a8" * 16
USERS = [User(str(number), access_seat=True) for number in range(5)]
RESULTS = [PolicyTestUser(str(number)) for number in range(5)]


def cloudflare(*names: str, **options: Any) -> Simulator:
    """Simulate accounts with five users on three pages, and a policy test of five users."""
    test = simulator.PolicyTest(TEST, "complete", RESULTS)
    return Simulator([Account(name, USERS, [test]) for name in names], max_per_page=2, **options)


def account(account_id: str, secret: Secret | None = None, **more: Any) -> AccountConfig:
    """Return an account with users to poll, and `more`; devices are off by default."""
    return AccountConfig(id=account_id, api_token=secret or Secret("the test", TOKEN), **({"devices": False} | more))


def config(server: Simulator, *accounts: AccountConfig, **api: Any) -> Config:
    """Return a configuration with these accounts."""
    return Config(api=Api(url=server.url, **api), accounts=accounts)
