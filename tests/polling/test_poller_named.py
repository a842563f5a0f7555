"""Targets that the summary of another one names: polled as long as it names them."""

from typing import Any

import pytest

from access_exporter.errors import ServerError
from tests.polling.targets import Bench


class Named(Bench):
    """A poller of one target, every 60 s, whose summary is a number: it names so many others, which are polled too."""

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


def test_they_are_polled_at_once(bench: Named) -> None:
    """A target is polled as soon as it is named, and then on its own schedule."""
    bench.turn(0)
    bench.turn(61)
    bench.outcome["parent"] = 2.0
    bench.turn(59)
    bench.turn(1000)
    assert bench.times("first") == [0, 1000]
    assert bench.times("second") == [120, 1120]
    assert bench.times("third") == []
    assert bench.series()["poll_success", "second"] == 1


def test_they_are_forgotten(bench: Named) -> None:
    """A target that is named no longer is polled no longer, and nothing of it is shown."""
    bench.outcome["parent"] = 3.0
    bench.turn(30)
    bench.outcome["parent"] = 1.0
    bench.turn(3000)
    assert len(bench.times("second")) == 1
    assert {target for _, target in bench.series()} == {"parent", "first"}


def test_a_failed_poll_forgets_none(bench: Named) -> None:
    """As long as nothing new is known, the targets that were named last are polled."""
    bench.outcome["parent"] = 2.0
    bench.turn(0)
    bench.turn(30)
    bench.outcome["parent"] = ServerError("500")
    bench.turn(2000)
    assert bench.times("first") == bench.times("second") == [0, 1000, 2000]


def test_one_that_is_forgotten_while_it_is_polled(bench: Named) -> None:
    """The poll of a target that is named no longer publishes nothing, and is the last one."""
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


def test_a_new_one_is_no_news_for_who_waits_for_the_start(bench: Named) -> None:
    """The exporter is ready when what is configured was tried; a target that is named later does not change that."""
    bench.start()
    assert not bench.snapshots.all_tried()
    bench.finish()
    assert len(bench.snapshots.all()) == 2
    assert bench.snapshots.all_tried()


def test_what_is_configured_without_it(bench: Named) -> None:
    """With the target that named them, those that it named are forgotten."""
    bench.turn(30)
    bench.poller.configure([bench.target("other")])
    assert [each.collector.key.target for each in bench.snapshots.all()] == ["other"]
