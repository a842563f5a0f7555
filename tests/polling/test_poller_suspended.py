"""Schedules, ages and polls on a machine that is suspended and resumes."""

import threading
from collections.abc import Callable

import pytest

from access_exporter.clock import LONGEST_WAIT_SECONDS, Clock
from access_exporter.errors import NetworkError
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from tests.machine import PATIENCE_SECONDS, Machine, started
from tests.polling.targets import Bench


class Running:
    """A poller with the machine's real clock, and one target with an interval of an hour."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.polls = threading.Semaphore(0)
        self.snapshots = Snapshots(self.clock)
        self.poller = Poller(self.snapshots, self.clock, self._poll)
        target = Bench().target("one", 3600, stale_after=150)
        self.poller.configure([target])
        self.thread = started(self.poller.run)

    def _poll(self, poll: Callable[[], None], _: str) -> None:
        poll()
        self.polls.release()

    def shown(self) -> bool:
        """Return whether the exporter serves the numbers of the last poll."""
        return b"value{" in b"".join(self.snapshots.page(Format.TEXT).text_with(Encoded()))

    def polled(self) -> bool:
        """Wait for the next poll, and return whether it came."""
        return self.polls.acquire(timeout=PATIENCE_SECONDS)

    def stop(self) -> None:
        self.clock.stop.set()
        self.poller.wake()
        self.thread.join(PATIENCE_SECONDS)


def test_a_target_is_polled_when_the_machine_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time while the machine was suspended counts towards the next poll, even if the poller is already waiting."""
    machine, running = Machine(monkeypatch), Running()
    assert running.polled()
    for _ in range(3):
        machine.suspend(3600)
        assert running.polled()
    running.stop()


def test_an_idle_poller_hardly_wakes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poller with nothing due for an hour checks the clock once a minute."""
    waits: list[float | None] = []

    def wait(_: threading.Condition, timeout: float | None = None) -> bool:
        waits.append(timeout)
        if len(waits) == 5:
            bench.clock.stop.set()
        bench.clock.now += timeout or 0
        return False

    bench = Bench()
    bench.poller.configure([bench.target("one", 3600)])
    bench.start()
    bench.finish()
    monkeypatch.setattr(threading.Condition, "wait", wait)
    bench.poller.run()
    assert waits == [LONGEST_WAIT_SECONDS] * 5 == [60] * 5


def test_numbers_age_while_the_machine_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that became stale while the machine was suspended are not served after it resumes."""
    machine, running = Machine(monkeypatch), Running()
    assert running.polled()
    running.stop()
    machine.suspend(100)
    assert running.shown()
    machine.suspend(100)
    assert not running.shown()


@pytest.mark.parametrize("suspended", [90.0, 3 * 86400.0])
def test_a_suspension_during_a_poll(suspended: float) -> None:
    """A poll during which the machine was suspended fails, and is repeated at its usual time or at once."""
    bench = Bench()

    def fetch(*_: object) -> float:
        bench.polled.append(("one", bench.clock.monotonic()))
        bench.clock.now += 4
        if len(bench.polled) == 2:
            bench.clock.suspend(suspended)
        return float(len(bench.polled))

    bench.poller.configure([bench.target("one", answer=fetch)])
    bench.turn(59)
    bench.start()
    bench.clock.now += 1
    bench.start()
    bench.finish()
    found = bench.series()
    assert (found["poll_success", "one"], found["poll_errors_total", "one"]) == (0, 1)
    assert found["poll_duration_seconds", "one"] == 4, "without the time of the suspension"
    assert found.get(("value", "one")) == (1 if suspended < 100 else None), "older than stale_after"
    assert str(bench.snapshots.all()[0].failure) == f"the machine was suspended for {suspended:.0f} s during the poll"
    bench.start()
    bench.finish()
    assert bench.polled[2][1] == 60 + 4 + suspended
    assert bench.series()["value", "one"] == 3


def test_a_short_suspension_changes_nothing() -> None:
    """A suspension of 10 s during a poll, no longer than a slow page may take, changes nothing."""
    bench = Bench()

    def fetch(*_: object) -> float:
        bench.clock.suspend(10)
        return 1.0

    bench.poller.configure([bench.target("one", answer=fetch)])
    bench.turn(1)
    assert bench.series()["value", "one"] == 1
    assert bench.series()["poll_duration_seconds", "one"] == 0


def test_a_connection_that_a_suspension_broke() -> None:
    """If a connection breaks because the machine was suspended, the failure keeps the reason of the network error."""
    bench = Bench()

    def fetch(*_: object) -> float:
        bench.clock.suspend(600)
        raise NetworkError("no complete response from /access/users: connection reset")

    bench.poller.configure([bench.target("one", answer=fetch)])
    bench.turn(1)
    assert isinstance(bench.snapshots.all()[0].failure, NetworkError)
