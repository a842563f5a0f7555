"""The simulated account of `--demo`, and the configuration that polls it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from access_exporter import simulator
from access_exporter.config import Account, Api, Config, Duration, Interval, PolicyTest, Users
from access_exporter.credentials import Secret

INTERVAL = Interval(10)
REFRESH = Interval(15)
STALE_AFTER = Duration(300)


@contextmanager
def account(clock: Callable[[], float] = time.time) -> Iterator[Callable[[], Config]]:
    """Run the simulated account by a clock in Unix seconds; give what loads its configuration."""
    with simulator.demo(clock=clock) as simulated:
        config = Config(
            api=Api(url=simulated.url),
            accounts=(
                Account(
                    id=simulator.DEMO_ACCOUNT_ID,
                    name="Demo (simulated)",
                    api_token=Secret(source="the simulator", value=simulator.DEMO_TOKEN),
                    seat_limit=simulator.DEMO_SEAT_LIMIT,
                    users=Users(interval=INTERVAL, domains=10),
                    policy_tests=(
                        *(
                            PolicyTest(id=test_id, name=name, interval=INTERVAL)
                            for test_id, name in simulator.DEMO_POLICY_TESTS.items()
                        ),
                        PolicyTest(
                            name="started afresh",
                            policies=simulator.DEMO_POLICIES,
                            interval=INTERVAL,
                            refresh=REFRESH,
                            stale_after=STALE_AFTER,
                        ),
                    ),
                ),
            ),
        )
        yield lambda: config
