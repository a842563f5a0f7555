"""The clock. Everything that reads the time gets it as an argument, so that tests can set the time."""

import secrets
import threading
import time

from access_exporter.errors import StoppingError

# A wait in Python does not count the time that the machine is suspended. So every wait looks at the clock at least this
# often, and after a resume no poll is later than this. An idle exporter wakes up this often, and not more often.
LONGEST_WAIT_SECONDS = 60

# Two machines that share a folder may have clocks that differ by seconds. A time server may correct a clock by seconds.
# If numbers are one minute older than they seem, the exporter shows them for one minute too long at most.
CLOCK_SKEW_SECONDS = 60


class Clock:
    """The clocks of the machine, and a sleep that ends early when the process stops."""

    def __init__(self) -> None:
        """Choose a clock. `run` is a random name for this run of the process, and `stop` is set when it has to stop."""
        self.run = secrets.token_hex(8)
        self.stop = threading.Event()
        self._clock_id = _clock_id()

    def time(self) -> float:
        """Return the seconds since the epoch, for timestamps that people read."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump back, for intervals, ages and `Retry-After`.

        They include the time that the machine was suspended, if the system has such a clock.
        """
        return time.clock_gettime(self._clock_id)

    def awake(self) -> float:
        """Return seconds that do not count while the machine is suspended, to measure how long work takes."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for this many seconds. Raises StoppingError as soon as the process has to stop."""
        end = self.monotonic() + seconds
        while not self.stop.wait(min(max(0.0, end - self.monotonic()), LONGEST_WAIT_SECONDS)):
            if self.monotonic() >= end:
                return
        raise StoppingError("the process is stopping")


class Stopwatch:
    """Measures how long something takes, from the moment that the stopwatch is created."""

    def __init__(self, clock: Clock) -> None:
        """Start the measurement."""
        self._clock = clock
        self._started, self._awake = clock.monotonic(), clock.awake()

    def seconds(self) -> float:
        """Return the seconds since the start, without the time that the machine was suspended."""
        return self._clock.awake() - self._awake

    def suspended(self) -> float:
        """Return for how many seconds since the start the machine was suspended."""
        return self._clock.monotonic() - self._started - self.seconds()


def is_future(moment: float | None, now: float) -> bool:
    """Return whether a stored time is more than CLOCK_SKEW_SECONDS in the future. Such a time is wrong."""
    return moment is not None and not moment <= now + CLOCK_SKEW_SECONDS


def _clock_id() -> int:
    """Return a clock that counts while the machine is suspended. Otherwise return one that never jumps."""
    clock_id: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # on macOS CLOCK_MONOTONIC counts as well
    try:
        time.clock_gettime(clock_id)
    except OSError:  # a kernel or a sandbox without CLOCK_BOOTTIME
        return time.CLOCK_MONOTONIC
    return clock_id
