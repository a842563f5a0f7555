"""`--demo`: the simulated account, and the configuration that polls it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from access_exporter import config, simulator
from access_exporter.config import Config, Secret


@contextmanager
def account(clock: Callable[[], float] = time.time) -> Iterator[Config]:
    """Run the simulated account by a clock in Unix seconds, and give the configuration that polls it."""
    existing = [
        {"id": test_id, "name": name, "interval": "10s"} for test_id, name in simulator.DEMO_POLICY_TESTS.items()
    ]
    fresh = {
        "name": "started afresh",
        "policies": list(simulator.DEMO_POLICIES),
        "interval": "10s",
        "refresh": "15s",
        "stale_after": "5m",
    }
    with simulator.demo(clock=clock) as simulated:
        polled = {
            "id": simulator.DEMO_ACCOUNT_ID,
            "name": "Demo (simulated)",
            "api_token": Secret(source="the simulator", value=simulator.DEMO_TOKEN),
            "seat_limit": simulator.DEMO_SEAT_LIMIT,
            "users": {"interval": "10s", "domains": 10},
            "policy_tests": [*existing, fresh],
        }
        yield config.parse({"api": {"url": simulated.url}, "accounts": [polled]})
