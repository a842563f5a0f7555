"""A small crowd of clients that send requests and read no response; `make crowd` runs a large one."""

import pytest

from benchmarks import crowd
from benchmarks.processes import polled

KINDS = ("metrics", "name[]", "status page", "status page, many addresses")


@pytest.mark.parametrize("name", KINDS)
def test_a_crowd_that_reads_nothing(name: str) -> None:
    """While a crowd reads no response, memory stays within its limit, and scrapes from any address succeed."""
    (number,) = [number for number, kind in enumerate(crowd.KINDS) if kind.name == name]
    with polled(100, crowd.USERS) as running:
        cost = crowd.measure(number, running.process.pid, running.port, connections=300, seconds=3)
    assert cost.process <= crowd.MOST_MB
    assert cost.another
    assert cost.after
    assert all(scrape.is_good for scrape in (*cost.another, *cost.after))
