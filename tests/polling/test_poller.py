"""When what is polled, and what a failure does: with a clock turned by hand and polls run on the spot."""

import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from access_exporter.collectors.protocol import Key
from access_exporter.errors import AuthError, PollError, ServerError
from access_exporter.exposition.families import gauge
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from tests.fakes import FakeClock, FakeCollector


class Bench:
    """A poller whose polls happen when `turn` says, and what they came to."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.snapshots = Snapshots(self.clock)
        self.started: list[Callable[[], None]] = []
        self.poller = Poller(self.snapshots, self.clock, lambda poll, name: self.started.append(poll))
        self.polled: list[tuple[str, float]] = []
        self.outcome: dict[str, Exception | float] = {}
        self.took: dict[str, float] = {}

    def target(self, name: str, interval: float = 60, stale_after: float = 150, **changes: Any) -> FakeCollector:
        def fetch(_: Any, _now: float) -> float:
            self.polled.append((name, self.clock.monotonic()))
            self.clock.now += self.took.get(name, 0)
            outcome = self.outcome.get(name, 1.0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        made = FakeCollector(
            key=Key("account", "users", name),
            answer=fetch,
            shown=lambda value: [gauge("value", "A value.", [({"target": name}, value)])],
            subject=name,
            interval=interval,
            stale_after=stale_after,
        )
        return replace(made, **changes)

    def start(self) -> float | None:
        return self.poller.start_due()

    def finish(self) -> None:
        started, self.started = self.started, []
        for poll in started:
            poll()

    def turn(self, seconds: float) -> None:
        """Let time pass, running every poll the moment it is due."""
        end = self.clock.now + seconds
        while True:
            self.start()
            self.finish()
            wait = self.start()
            if wait is None or self.clock.now + wait > end:
                break
            self.clock.now += wait
        self.clock.now = max(end, self.clock.now)

    def series(self) -> dict[tuple[str, str], float]:
        """Return what is served, by name and target, the errors added up."""
        text = b"".join(self.snapshots.page(Format.TEXT).text_with(Encoded())).decode()
        found: dict[tuple[str, str], float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                key = sample.name.removeprefix("cloudflare_access_"), sample.labels["target"]
                found[key] = found.get(key, 0) + sample.value
        return found


def test_every_target_is_polled_at_once_and_then_at_its_interval() -> None:
    """First polls start at once; later ones come at the target's own interval, counted from start to start."""
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
    """A poll that outlasts its interval delays the next one, which then starts at once."""
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


def test_a_target_that_is_to_be_left_alone() -> None:
    """A wait that an answer asks for puts off the next poll of its target, and of no other; then all is as before."""
    bench = Bench()
    bench.outcome["down"] = ServerError("503 from /users", retry_after=150)
    bench.poller.configure([bench.target("down"), bench.target("up")])
    bench.turn(130)
    bench.outcome["down"] = 1.0
    bench.turn(120)
    assert [at for name, at in bench.polled if name == "down"] == [0, 150, 210]
    assert [at for name, at in bench.polled if name == "up"] == [0, 60, 120, 180, 240]


def test_a_time_of_day_that_is_set_during_a_poll() -> None:
    """However far the time of day is set while a poll fails, the next one is when it would have been."""
    bench = Bench()

    def fails(*_: object) -> float:
        bench.polled.append(("one", bench.clock.monotonic()))
        bench.clock.set_forward += 8 * 3600
        raise ServerError("503 from /users", retry_after=5)

    bench.poller.configure([bench.target("one", answer=fails)])
    bench.turn(130)
    assert bench.polled == [("one", 0), ("one", 60), ("one", 120)]


@pytest.mark.parametrize("wait", [None, 0.0, 30.0])
def test_a_short_wait(wait: float | None) -> None:
    """A wait that is over before the next poll changes nothing."""
    bench = Bench()
    bench.outcome["one"] = ServerError("503 from /users", retry_after=wait)
    bench.poller.configure([bench.target("one")])
    bench.turn(130)
    assert bench.polled == [("one", 0), ("one", 60), ("one", 120)]


def test_a_failing_target_does_not_disturb_another() -> None:
    """A failure is counted and told for its own target; the others' numbers and schedules go on."""
    bench = Bench()
    bench.outcome["bad"] = ServerError("503 from /users")
    bench.poller.configure([bench.target("bad"), bench.target("good")])
    bench.turn(59)
    found = bench.series()
    assert ("value", "bad") not in found
    assert found["value", "good"] == 1
    assert (found["poll_success", "bad"], found["poll_success", "good"]) == (0, 1)
    assert (found["poll_errors_total", "bad"], found["poll_errors_total", "good"]) == (1, 0)


def test_a_failed_poll_changes_nothing_but_health() -> None:
    """After a failure the last good numbers are served to the digit, with the time they are from."""
    bench = Bench()
    bench.outcome["one"] = 0.1
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    before = bench.series()
    bench.outcome["one"] = AuthError("401 from /users")
    bench.turn(60)
    after = bench.series()
    assert after["value", "one"] == before["value", "one"] == 0.1
    assert after["poll_last_success_timestamp_seconds", "one"] == before["poll_last_success_timestamp_seconds", "one"]
    assert (before["poll_success", "one"], after["poll_success", "one"]) == (1, 0)


def test_numbers_vanish_when_stale_and_come_back() -> None:
    """Series vanish when stale_after has passed since the last good poll, and a good poll brings them back."""
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
    """Before its first poll has ended a target has an interval and errors at 0, but no success, duration or numbers."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    assert bench.series() == {("poll_interval_seconds", "one"): 60, ("poll_errors_total", "one"): 0}
    assert not bench.snapshots.all_tried()


@pytest.mark.parametrize("error", [KeyError("jdoe@example.com"), RecursionError(), MemoryError(), ZeroDivisionError()])
def test_an_unforeseen_error_is_a_failed_poll(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An error nobody foresaw fails the poll, is logged without its message, and the next poll comes as planned."""
    bench = Bench()
    bench.outcome["one"] = error
    bench.poller.configure([bench.target("one")])
    bench.turn(61)
    found = bench.series()
    assert (found["poll_success", "one"], found["poll_errors_total", "one"]) == (0, 2)
    assert "unexpected error" in caplog.text
    assert "jdoe" not in "".join(str(record.__dict__) for record in caplog.records)


def test_a_failure_is_one_line_a_person_can_act_on(caplog: pytest.LogCaptureFixture) -> None:
    """A failed poll is logged once, as a warning that names the target, the reason and what to do."""
    bench = Bench()
    bench.outcome["one"] = AuthError("401 from /users: the token is not accepted")
    bench.poller.configure([bench.target("one")])
    bench.turn(1)
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "poll failed")
    said = record.__dict__["facts"]
    assert (said["account_id"], said["collector"], said["target"], said["reason"]) == (
        "account",
        "users",
        "one",
        "auth",
    )
    assert str(said["error"]) == "401 from /users: the token is not accepted"


def test_a_reload_keeps_what_is_unchanged() -> None:
    """At a reload unchanged targets keep schedule, numbers and counters; new ones start; removed ones vanish."""
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
    """A target whose settings changed is polled at once, and keeps its numbers and counters until then."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    bench.poller.configure([bench.target("one", interval=20, settings="other")])
    assert bench.series()["value", "one"] == 1
    assert bench.series()["poll_interval_seconds", "one"] == 20
    bench.turn(25)
    assert [at for _, at in bench.polled] == [0, 30, 50]


def test_another_subject_under_the_same_name_starts_empty() -> None:
    """Numbers of one policy test are never shown for another that takes over its name."""
    bench = Bench()
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    bench.poller.configure([bench.target("one", subject="another test")])
    assert ("value", "one") not in bench.series()


def test_a_reload_in_the_middle_of_a_walk_is_safe() -> None:
    """A walk that ends after its target was taken away or exchanged publishes nothing, and the new target is polled."""
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
    """A poll cut short because the process stops is neither counted nor logged as a failure."""
    bench = Bench()
    from access_exporter.errors import StoppingError

    bench.outcome["one"] = StoppingError("the process is stopping")
    bench.poller.configure([bench.target("one")])
    bench.turn(1)
    assert bench.series()["poll_errors_total", "one"] == 0


def test_ready_means_every_target_was_tried() -> None:
    """Readiness needs one attempt of every target, not its success."""
    bench = Bench()
    bench.outcome["bad"] = ServerError("500 from /users")
    bench.poller.configure([bench.target("good"), bench.target("bad")])
    assert not bench.snapshots.all_tried()
    bench.turn(1)
    assert bench.snapshots.all_tried()


def test_a_poll_error_tells_its_reason() -> None:
    """Every kind of failure has a reason of its own, and together they are the documented ones."""
    documented = ["auth", "permission", "not_found", "rate_limited", "server", "timeout", "network", "invalid_response"]

    def kinds(base: type[PollError]) -> list[str]:
        own = [base.reason] if "reason" in vars(base) else []
        return own + [reason for kind in base.__subclasses__() for reason in kinds(kind)]

    assert sorted(kinds(PollError)) == sorted(documented)


def test_without_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no more threads to give, polls are made one after the other, and none is lost."""

    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    bench = Bench()
    bench.poller = Poller(bench.snapshots, bench.clock)
    bench.poller.configure([bench.target("one"), bench.target("two")])
    monkeypatch.setattr(threading.Thread, "start", none_left)
    assert bench.start() == 60
    assert [name for name, _ in bench.polled] == ["one", "two"]
    assert (bench.series()["value", "one"], bench.series()["value", "two"]) == (1, 1)


def test_what_a_failure_came_through_is_let_go() -> None:
    """A failure is kept until the next poll, but nothing with it that a page of rows or a connection hangs on."""

    class Page:
        """Stands for a large page."""

    def fetch(_: Any, _now: float) -> float:
        page = Page()
        pages.append(weakref.ref(page))
        try:
            raise OSError("reset")
        except OSError as error:
            raise ServerError("503 from /users") from error

    bench = Bench()
    pages: list[weakref.ref[Page]] = []
    bench.poller.configure([bench.target("one", answer=fetch)])
    bench.turn(1)
    (snapshot,) = bench.snapshots.all()
    assert str(snapshot.failure) == "503 from /users"
    assert pages[0]() is None


def test_numbers_that_cannot_be_shown_are_a_failed_poll() -> None:
    """An error in what becomes of the numbers is a failure of the poll, not the end of a thread."""
    bench = Bench()
    bench.poller.configure([bench.target("one", shown=lambda _: [1 / 0])])
    bench.turn(61)
    assert (bench.series()["poll_success", "one"], bench.series()["poll_errors_total", "one"]) == (0, 2)
