"""Targets that the summary of another target names, such as the policy tests of discovered applications."""

from typing import Any

import pytest

from access_exporter.errors import ServerError
from tests.polling.targets import Bench


class Named(Bench):
    """A poller with one target; the summary of that target is a number, and it names that many other targets."""

    def __init__(self) -> None:
        super().__init__()
        self.others = [self.target(name, interval=1000) for name in ("first", "second", "third")]
        self.parent = self.target("parent", names=lambda number: self.others[: int(number)])
        self.poller.configure([self.parent])

    def times(self, name: str) -> list[float]:
        return [time for target, time in self.polled if target == name]


@pytest.fixture
def bench() -> Any:
    return Named()


def test_named_targets_are_polled_at_once(bench: Named) -> None:
    """A target is polled as soon as a summary names it, and then on its own schedule."""
    bench.turn(0)
    bench.turn(61)
    bench.outcome["parent"] = 2.0
    bench.turn(59)
    bench.turn(1000)
    assert bench.times("first") == [0, 1000]
    assert bench.times("second") == [120, 1120]
    assert bench.times("third") == []
    assert bench.series()["poll_success", "second"] == 1


def test_targets_no_longer_named_are_removed(bench: Named) -> None:
    """If a summary no longer names a target, the poller stops polling it and removes its series."""
    bench.outcome["parent"] = 3.0
    bench.turn(30)
    bench.outcome["parent"] = 1.0
    bench.turn(3000)
    assert len(bench.times("second")) == 1
    assert {target for _, target in bench.series()} == {"parent", "first"}


def test_a_failed_poll_removes_no_target(bench: Named) -> None:
    """After a failed poll, the poller still polls the targets that the last good summary named."""
    bench.outcome["parent"] = 2.0
    bench.turn(0)
    bench.turn(30)
    bench.outcome["parent"] = ServerError("500")
    bench.turn(2000)
    assert bench.times("first") == bench.times("second") == [0, 1000, 2000]


def test_a_target_removed_during_its_poll(bench: Named) -> None:
    """If a target is removed during its poll, that poll publishes nothing, and no other poll follows."""
    bench.start()
    bench.finish()
    bench.start()
    (poll,) = bench.started
    bench.started = []
    bench.outcome["parent"] = 0.0
    bench.turn(60)
    poll()
    bench.turn(3000)
    assert len(bench.times("first")) == 1
    assert {target for _, target in bench.series()} == {"parent"}


def test_readiness_does_not_wait_for_named_targets(bench: Named) -> None:
    """The exporter is ready when it has tried all configured targets; targets that are named later do not matter."""
    bench.start()
    assert not bench.snapshots.all_tried()
    bench.finish()
    assert len(bench.snapshots.all()) == 2
    assert bench.snapshots.all_tried()


def test_named_targets_are_removed_with_their_parent(bench: Named) -> None:
    """When a target is removed from the configuration, the targets that its summary named are removed too."""
    bench.turn(30)
    bench.poller.configure([bench.target("other")])
    assert [each.collector.key.target for each in bench.snapshots.all()] == ["other"]
