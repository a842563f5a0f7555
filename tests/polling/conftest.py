"""A simulated account with users and finished policy tests."""

from collections.abc import Iterator

import pytest

from access_exporter.simulator import Account, PolicyTest, Simulator
from tests.polling.restarts import ACCOUNT, PEOPLE, RESULTS


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    tests = [PolicyTest("t1", "complete", RESULTS), PolicyTest("t2", "complete", RESULTS[:1])]
    with Simulator([Account(ACCOUNT, PEOPLE, tests)]) as simulated:
        yield simulated
