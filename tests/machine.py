"""A suspended machine as the exporter's real clock sees it: the process stops, but time passes."""

import threading
import time

import pytest

from access_exporter import clock
from access_exporter.polling import poller

PATIENCE_SECONDS = 20


class Machine:
    """The kernel's clocks; one of them includes the time of suspensions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._suspended = 0.0
        self._read = time.clock_gettime
        monkeypatch.setattr(time, "clock_gettime", self._gettime)
        # The exporter waits up to a minute, which is too long for a test.
        for module in (clock, poller):
            monkeypatch.setattr(module, "LONGEST_WAIT_SECONDS", 0.01)

    def _gettime(self, number: int) -> float:
        return self._read(number) + (self._suspended if number == time.CLOCK_BOOTTIME else 0)

    def suspend(self, seconds: float) -> None:
        self._suspended += seconds


def started(function: object, *arguments: object) -> threading.Thread:
    """Run a function in a new thread."""
    assert callable(function)
    thread = threading.Thread(target=function, args=arguments, daemon=True)
    thread.start()
    return thread
