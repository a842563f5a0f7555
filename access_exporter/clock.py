"""The clock, passed to everything that reads the time, so that tests can set it."""

import secrets
import threading
import time

from access_exporter.errors import StoppingError

# Python's waits stand still while the machine is suspended. Nothing waits longer than this without looking at the
# clock, so after a resume nothing is later than this; and an idle exporter wakes up no more often.
LONGEST_WAIT_SECONDS = 60

# Two machines that share a folder, or one before and after it asked a time server, differ by seconds. And numbers that
# are a minute older than they seem are still shown for hardly longer than they should be.
CLOCK_SKEW_SECONDS = 60


class Clock:
    """The machine's clocks, and a sleep that ends early when the process stops."""

    def __init__(self) -> None:
        """Start with nobody having asked to stop; `run` names this run of the process."""
        self.run = secrets.token_hex(8)
        self.stop = threading.Event()
        self._clock_id = _clock_id()

    def time(self) -> float:
        """Return seconds since the epoch, for timestamps people read."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump back, for intervals, ages and what the server asks to wait.

        They include the time that the machine was suspended, where the system counts that.
        """
        return time.clock_gettime(self._clock_id)

    def awake(self) -> float:
        """Return seconds that stand still while the machine is suspended, for how long something took."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds.

        Raises StoppingError as soon as the process is asked to stop.
        """
        end = self.monotonic() + seconds
        while not self.stop.wait(min(max(0.0, end - self.monotonic()), LONGEST_WAIT_SECONDS)):
            if self.monotonic() >= end:
                return
        raise StoppingError("the process is stopping")


class Stopwatch:
    """How long something takes, from the moment that the watch is made."""

    def __init__(self, clock: Clock) -> None:
        """Start to measure."""
        self._clock = clock
        self._started, self._awake = clock.monotonic(), clock.awake()

    def seconds(self) -> float:
        """Return how long it took, without the time that the machine was suspended."""
        return self._clock.awake() - self._awake

    def suspended(self) -> float:
        """Return for how many seconds the machine was suspended meanwhile."""
        return self._clock.monotonic() - self._started - self.seconds()


def is_future(moment: float | None, now: float) -> bool:
    """Tell whether a moment that was noted is further ahead than clocks differ: when it really was is not known."""
    return moment is not None and not moment <= now + CLOCK_SKEW_SECONDS


def _clock_id() -> int:
    """Return the clock that goes on while the machine is suspended, or else one that never jumps."""
    clock_id: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # on macOS CLOCK_MONOTONIC goes on, too
    try:
        time.clock_gettime(clock_id)
    except OSError:  # a kernel or a sandbox that does not know it
        return time.CLOCK_MONOTONIC
    return clock_id
