"""The simulated account of `--demo`, and the configuration that polls it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from access_exporter import simulator
from access_exporter.config import Account, Api, Config, Interval, PolicyTest, Users
from access_exporter.credentials import Secret

INTERVAL = Interval(10)


@contextmanager
def account() -> Iterator[Callable[[], Config]]:
    """Run the simulated account; give what loads its configuration."""
    with simulator.demo() as simulated:
        config = Config(
            api=Api(url=simulated.url),
            accounts=(
                Account(
                    id=simulator.DEMO_ACCOUNT_ID,
                    name="Demo (simulated)",
                    api_token=Secret(source="the simulator", value=simulator.DEMO_TOKEN),
                    seat_limit=simulator.DEMO_SEAT_LIMIT,
                    users=Users(interval=INTERVAL, domains=10),
                    policy_tests=tuple(
                        PolicyTest(id=test_id, name=name, interval=INTERVAL)
                        for test_id, name in simulator.DEMO_POLICY_TESTS.items()
                    ),
                ),
            ),
        )
        yield lambda: config
