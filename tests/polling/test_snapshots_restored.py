"""Stored numbers of targets: which of them the exporter shows, and which target it polls first."""

import pytest

from access_exporter.collectors import AnyCollector
from access_exporter.polling.lasting import Others
from access_exporter.polling.storage import Kept
from tests.fakes import START
from tests.polling.targets import Bench


class Stored:
    """A store with a number of each target, and the time of the last good poll."""

    def __init__(self, **times: float | None) -> None:
        self._times = times

    def save(self, collector: AnyCollector, summary: object, succeeded_at: float | None, others: Others) -> bool:
        return True

    def load(self, collector: AnyCollector) -> Kept | None:
        name = collector.key.target
        return Kept(7.0, self._times[name], {}) if name in self._times else None

    def set_aside(self, collector: AnyCollector, reason: str) -> None:
        del self._times[collector.key.target]


def order(bench: Bench) -> list[str]:
    """Poll all targets that are due, and return their names in the order of the polls."""
    bench.polled.clear()
    bench.turn(1)
    return [name for name, _ in bench.polled]


def test_numbers_dated_in_the_future_are_polled_first() -> None:
    """A target with stored numbers dated in the future is polled before all other targets, even new ones."""
    bench = Bench(Stored(restored=START - 10, future=START + 3600, late=START - 1000))
    names = ["new", "restored", "late", "future", "other"]
    bench.poller.configure([bench.target(name) for name in names])
    shown = {target for name, target in bench.series() if name == "value"}
    assert shown == {"restored"}
    assert ("poll_last_success_timestamp_seconds", "future") not in bench.series()
    assert not bench.snapshots.all_tried()
    assert order(bench) == ["future", "new", "restored", "late", "other"]
    assert bench.series()["value", "future"] == 1


def test_a_reload_before_the_first_poll_changes_nothing() -> None:
    """After a reload, numbers dated in the future stay hidden, even with a huge stale_after, and are polled first."""
    bench = Bench(Stored(future=START + 3600))
    bench.poller.configure([bench.target("future")])
    targets = [bench.target("new"), bench.target("future", stale_after=1e9, settings="other")]
    bench.poller.configure(targets)
    assert ("value", "future") not in bench.series()
    assert order(bench) == ["future", "new"]


@pytest.mark.parametrize(
    ("ahead", "shown"), [(0.0, True), (59.0, True), (61.0, False), (1e12, False), (float("inf"), False)]
)
def test_a_minute_ahead_is_shown(ahead: float, shown: bool) -> None:
    """Stored numbers dated up to a minute ahead are shown, since the clocks of two machines may differ by seconds."""
    bench = Bench(Stored(one=START + ahead))
    bench.poller.configure([bench.target("one")])
    assert (("value", "one") in bench.series()) is shown


def test_numbers_that_were_made_in_the_future() -> None:
    """Numbers that carry their own time are hidden if that time is in the future, even after a poll."""
    bench = Bench(Stored(one=START - 10))
    target = bench.target("one")
    made = [START + 3600]
    object.__setattr__(target, "made_at", lambda _: made[0])
    bench.poller.configure([target])
    assert ("value", "one") not in bench.series()
    bench.turn(1)
    assert ("value", "one") not in bench.series()
    made[0] = START
    bench.turn(60)
    assert ("value", "one") in bench.series()
