"""`--demo`: a simulated account, and the configuration that polls it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from access_exporter import config
from access_exporter.config import Config, Secret
from access_exporter.simulator import DEMO, demo


@contextmanager
def account(clock: Callable[[], float] = time.time) -> Iterator[Config]:
    """Run the simulated account within the block, and yield a configuration that polls it.

    `clock` returns the time in Unix seconds.
    """
    with demo(clock=clock) as simulated:
        polled = {
            "id": DEMO.account_id,
            "name": "Demo (simulated)",
            "api_token": Secret(source="the simulator", value=DEMO.token),
            "seat_limit": DEMO.seat_limit,
            **DEMO.polled(),
        }
        yield config.parse({"api": {"url": simulated.url}, "accounts": [polled]}).of_this_machine()
