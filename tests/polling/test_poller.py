"""The schedule of polls, and the effect of a failed poll on it."""

import threading

import pytest

from access_exporter.errors import ServerError
from access_exporter.polling.poller import Poller
from tests.polling.targets import Bench


def test_every_target_is_polled_at_once_and_then_at_its_interval() -> None:
    """Each first poll starts at once; later polls start at the target's interval, counted from start to start."""
    bench = Bench()
    bench.took["slow"] = 10
    bench.poller.configure([bench.target("slow", 60), bench.target("quick", 25)])
    bench.start()
    assert len(bench.started) == 2
    bench.finish()
    bench.turn(110)
    assert [at for name, at in bench.polled if name == "slow"] == [0, 60, 120]
    assert [name for name, _ in bench.polled].count("quick") >= 4


def test_a_target_is_never_polled_twice_at_once() -> None:
    """If a poll takes longer than its interval, the next poll waits for its end and then starts at once."""
    bench = Bench()
    bench.took["one"] = 100
    bench.poller.configure([bench.target("one", 60)])
    bench.start()
    bench.clock.now += 200
    bench.start()
    assert len(bench.started) == 1
    bench.finish()
    bench.start()
    assert len(bench.started) == 1


def test_retry_after_delays_only_its_target() -> None:
    """A Retry-After of 150 s delays the next poll of its target only, and later polls have the usual interval."""
    bench = Bench()
    bench.outcome["down"] = ServerError("503 from /users", retry_after=150)
    bench.poller.configure([bench.target("down"), bench.target("up")])
    bench.turn(130)
    bench.outcome["down"] = 1.0
    bench.turn(120)
    assert [at for name, at in bench.polled if name == "down"] == [0, 150, 210]
    assert [at for name, at in bench.polled if name == "up"] == [0, 60, 120, 180, 240]


def test_time_of_day_set_during_a_poll() -> None:
    """If the time of day is set during a failing poll, the next poll still starts at its usual time."""
    bench = Bench()

    def fails(*_: object) -> float:
        bench.polled.append(("one", bench.clock.monotonic()))
        bench.clock.set_forward += 8 * 3600
        raise ServerError("503 from /users", retry_after=5)

    bench.poller.configure([bench.target("one", answer=fails)])
    bench.turn(130)
    assert bench.polled == [("one", 0), ("one", 60), ("one", 120)]


@pytest.mark.parametrize("wait", [None, 0.0, 30.0])
def test_a_short_retry_after_changes_nothing(wait: float | None) -> None:
    """A Retry-After that ends before the next poll does not change the schedule."""
    bench = Bench()
    bench.outcome["one"] = ServerError("503 from /users", retry_after=wait)
    bench.poller.configure([bench.target("one")])
    bench.turn(130)
    assert bench.polled == [("one", 0), ("one", 60), ("one", 120)]


def test_numbers_vanish_when_stale_and_come_back() -> None:
    """The series of a target vanish when stale_after has passed since the last good poll; a good poll restores them."""
    bench = Bench()
    bench.poller.configure([bench.target("one", interval=60, stale_after=150)])
    bench.turn(1)
    bench.outcome["one"] = ServerError("502 from /users")
    bench.turn(148)
    assert ("value", "one") in bench.series()
    bench.turn(2)
    assert ("value", "one") not in bench.series()
    assert bench.series()["poll_success", "one"] == 0
    bench.outcome["one"] = 3.0
    bench.turn(60)
    assert bench.series()["value", "one"] == 3


def test_health_is_served_before_the_first_poll_ends() -> None:
    """Before its first poll ends, a target has an interval and 0 errors, but no success, duration or numbers."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    assert bench.series() == {("poll_interval_seconds", "one"): 60, ("poll_errors_total", "one"): 0}
    assert not bench.snapshots.all_tried()


def test_a_reload_keeps_what_is_unchanged() -> None:
    """A reload keeps schedule, numbers and counters of unchanged targets, polls new ones, and removes deleted ones."""
    bench = Bench()
    bench.outcome["bad"] = ServerError("500 from /users")
    first = [bench.target("same"), bench.target("gone"), bench.target("bad")]
    bench.poller.configure(first)
    bench.turn(30)
    bench.poller.configure([bench.target("same"), bench.target("bad"), bench.target("new")])
    bench.start()
    assert len(bench.started) == 1
    bench.finish()
    found = bench.series()
    assert {target for _, target in found} == {"same", "bad", "new"}
    assert found["poll_errors_total", "bad"] == 1
    bench.turn(60)
    assert [at for name, at in bench.polled if name == "same"] == [0, 60]


def test_changed_settings_poll_at_once_and_keep_the_numbers() -> None:
    """If the settings of a target change, it is polled at once, and keeps its numbers and counters until then."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    bench.poller.configure([bench.target("one", interval=20, settings="other")])
    assert bench.series()["value", "one"] == 1
    assert bench.series()["poll_interval_seconds", "one"] == 20
    bench.turn(25)
    assert [at for _, at in bench.polled] == [0, 30, 50]


def test_another_subject_under_the_same_name_starts_empty() -> None:
    """The exporter never shows the numbers of one policy test for another one that gets its name."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    bench.poller.configure([bench.target("one", subject="another test")])
    assert ("value", "one") not in bench.series()


def test_a_reload_during_a_poll_is_safe() -> None:
    """A poll publishes nothing if a reload removed or replaced its target meanwhile, and the new target is polled."""
    bench = Bench()
    bench.poller.configure([bench.target("gone"), bench.target("exchanged")])
    bench.start()
    bench.poller.configure([bench.target("exchanged", subject="another test", settings="other")])
    bench.finish()
    assert all(name != "value" for name, _ in bench.series())
    bench.start()
    assert len(bench.started) == 1
    bench.finish()
    assert bench.series()["value", "exchanged"] == 1


def test_stopping_is_no_failure() -> None:
    """A poll that ends early because the process stops is neither counted nor logged as a failure."""
    bench = Bench()
    from access_exporter.errors import StoppingError

    bench.outcome["one"] = StoppingError("the process is stopping")
    bench.poller.configure([bench.target("one")])
    bench.turn(1)
    assert bench.series()["poll_errors_total", "one"] == 0


def test_ready_means_every_target_was_tried() -> None:
    """The exporter is ready after one attempt for every target, even if some attempts failed."""
    bench = Bench()
    bench.outcome["bad"] = ServerError("500 from /users")
    bench.poller.configure([bench.target("good"), bench.target("bad")])
    assert not bench.snapshots.all_tried()
    bench.turn(1)
    assert bench.snapshots.all_tried()


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system cannot start more threads, the poller polls one target after the other and skips none."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    bench = Bench()
    bench.poller = Poller(bench.snapshots, bench.clock)
    bench.poller.configure([bench.target("one"), bench.target("two")])
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert bench.start() == 60
    assert [name for name, _ in bench.polled] == ["one", "two"]
    assert (bench.series()["value", "one"], bench.series()["value", "two"]) == (1, 1)


def test_first_success_is_logged_at_info(caplog: pytest.LogCaptureFixture) -> None:
    """The first success of a target, and the first one after a failure, are logged at info; all others at debug."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    with caplog.at_level("DEBUG"):
        bench.turn(70)
        bench.outcome["one"] = ServerError("503 from /users")
        bench.turn(60)
        bench.outcome["one"] = 1.0
        bench.turn(120)
    levels = [record.levelname for record in caplog.records if record.message == "poll succeeded"]
    assert levels == ["INFO", "DEBUG", "INFO", "DEBUG"]
