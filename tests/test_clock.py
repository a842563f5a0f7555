"""The machine's clocks: which of them include the time of a suspension, and waits that notice it."""

import threading
import time

import pytest

from access_exporter.clock import Clock
from access_exporter.errors import StoppingError
from tests.machine import PATIENCE_SECONDS, Machine, started

THREE_DAYS = 3 * 86400.0


def test_time_of_a_suspension(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals and ages include the time of a suspension; measured durations do not."""
    machine, clock = Machine(monkeypatch), Clock()
    before, awake_before = clock.monotonic(), clock.awake()
    machine.suspend(THREE_DAYS)
    assert THREE_DAYS <= clock.monotonic() - before < THREE_DAYS + PATIENCE_SECONDS
    assert 0 <= clock.awake() - awake_before < PATIENCE_SECONDS


@pytest.mark.parametrize("missing", ["name", "kernel"])
def test_a_system_without_the_clock(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """If the system or the kernel has no clock that includes suspensions, the exporter uses the monotonic clock."""
    gettime = time.clock_gettime

    def without(number: int) -> float:
        if number == boottime:
            raise OSError(22, "Invalid argument")
        return gettime(number)

    boottime = time.CLOCK_BOOTTIME
    if missing == "name":
        monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    monkeypatch.setattr(time, "clock_gettime", without)
    clock = Clock()
    assert time.monotonic() <= clock.monotonic() <= time.monotonic()
    clock.sleep(0.001)


def test_a_sleep_ends_soon_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sleep that should have ended during a suspension ends soon after the machine resumes."""
    machine, clock = Machine(monkeypatch), Clock()
    sleeping = started(clock.sleep, 3600)
    machine.suspend(1800)
    sleeping.join(0.1)
    assert sleeping.is_alive()
    machine.suspend(1800)
    sleeping.join(PATIENCE_SECONDS)
    assert not sleeping.is_alive()


@pytest.mark.parametrize("seconds", [3600.0, float("inf")])
def test_a_stop_ends_every_sleep(seconds: float) -> None:
    """A sleep of any length ends when the process stops."""
    clock = Clock()
    threading.Timer(0.01, clock.stop.set).start()
    with pytest.raises(StoppingError):
        clock.sleep(seconds)
    with pytest.raises(StoppingError):
        clock.sleep(0)
