"""Optional targets: the poller polls them after the other targets of their account, and hides their failures."""

from collections.abc import Callable

import pytest

from access_exporter.collectors.protocol import Key
from access_exporter.errors import ServerError
from tests.polling.targets import Bench


def test_other_targets_come_first() -> None:
    """An optional target waits while another target of its account is polled, but not for other accounts."""
    bench = Bench()
    bench.poller.configure(
        [
            bench.target("walk"),
            bench.target("extra", is_optional=True, key=Key("account", "extra", "extra")),
            bench.target("other", is_optional=True, key=Key("another", "extra", "other")),
        ]
    )
    for _ in range(3):
        bench.start()
        bench.clock.now += 5
    assert len(bench.started) == 2
    bench.finish()
    assert [name for name, _ in bench.polled] == ["walk", "other"]
    bench.start()
    bench.finish()
    assert [name for name, _ in bench.polled] == ["walk", "other", "extra"]


def test_a_slow_optional_target_delays_nothing() -> None:
    """A slow poll of an optional target does not delay the next poll of another target of the account."""
    bench = Bench()
    extra = bench.target("extra", is_optional=True, key=Key("account", "extra", "extra"))
    bench.poller.configure([extra, bench.target("walk")])
    bench.start()
    (_, walk), bench.started = bench.started, []
    walk()
    bench.clock.now += 60
    bench.start()
    bench.finish()
    assert bench.polled == [("walk", 0), ("walk", 60)]


def test_a_failure_is_not_shown(log: Callable[[], list[str]]) -> None:
    """A failed poll of an optional target causes no warning, no health series, and does not delay readiness."""
    bench = Bench()
    bench.outcome["extra"] = ServerError("500 from /extra")
    bench.poller.configure([bench.target("extra", is_optional=True)])
    assert bench.snapshots.all_tried()
    bench.turn(130)
    assert [at for _, at in bench.polled] == [0, 60, 120]
    assert bench.series() == {}
    assert log() == []


def test_polls_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """The polls of an optional target are logged at debug."""
    bench = Bench()
    bench.outcome["extra"] = ServerError("500 from /extra")
    bench.poller.configure([bench.target("extra", is_optional=True)])
    with caplog.at_level("DEBUG"):
        bench.turn(10)
        for outcome in (1.0, ServerError("500 from /extra"), 1.0):
            bench.outcome["extra"] = outcome
            bench.turn(60)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("DEBUG", "poll failed"),
        ("DEBUG", "poll succeeded"),
        ("DEBUG", "poll failed"),
        ("DEBUG", "poll succeeded"),
    ]


def test_numbers_are_shown_and_grow_stale() -> None:
    """The numbers of an optional target are shown and become stale like those of any other target."""
    bench = Bench()
    bench.poller.configure([bench.target("extra", is_optional=True)])
    bench.turn(1)
    assert bench.series() == {("value", "extra"): 1.0}
    bench.outcome["extra"] = ServerError("500 from /extra")
    bench.turn(160)
    assert bench.series() == {}
