"""A simulated account with users, their devices and finished policy tests."""

from collections.abc import Iterator

import pytest

from access_exporter.simulator import Account, PolicyTest, Simulator
from tests.polling.restarts import ACCOUNT, DEVICES, PEOPLE, RESULTS


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    tests = [PolicyTest("t1", "complete", RESULTS), PolicyTest("t2", "complete", RESULTS[:1])]
    account = Account(ACCOUNT, PEOPLE, tests)
    account.registrations = DEVICES
    with Simulator([account]) as simulated:
        yield simulated
