"""What a store kept of targets: which of it is shown, and which target is polled first."""

import pytest

from access_exporter.collectors import AnyCollector
from access_exporter.polling.lasting import Others
from access_exporter.polling.storage import Kept
from tests.fakes import START
from tests.polling.targets import Bench


class Stored:
    """A store that kept a number of each target, with the time of the last good poll."""

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
    """Poll all that is due and return in which order."""
    bench.polled.clear()
    bench.turn(1)
    return [name for name, _ in bench.polled]


def test_what_is_dated_in_the_future_is_polled_first() -> None:
    """Its numbers are not shown, so it goes before targets with numbers and before those that never had any."""
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
    """A target with numbers of an unknown age stays first, and they stay hidden, however late they may be stale."""
    bench = Bench(Stored(future=START + 3600))
    bench.poller.configure([bench.target("future")])
    targets = [bench.target("new"), bench.target("future", stale_after=1e9, settings="other")]
    bench.poller.configure(targets)
    assert ("value", "future") not in bench.series()
    assert order(bench) == ["future", "new"]


@pytest.mark.parametrize(
    ("ahead", "shown"), [(0.0, True), (59.0, True), (61.0, False), (1e12, False), (float("inf"), False)]
)
def test_how_far_ahead_is_normal(ahead: float, shown: bool) -> None:
    """Clocks of two machines differ by seconds, so up to a minute is as good as now."""
    bench = Bench(Stored(one=START + ahead))
    bench.poller.configure([bench.target("one")])
    assert (("value", "one") in bench.series()) is shown


def test_numbers_that_were_made_in_the_future() -> None:
    """Where the numbers themselves have a time, that must not be in the future either, not even after a poll."""
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
