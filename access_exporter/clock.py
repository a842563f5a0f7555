"""The time, passed in wherever it is read, so that tests can turn it by hand."""

import secrets
import threading
import time

from access_exporter.errors import StoppingError


class Clock:
    """The machine's clocks, and a sleep that ends early when the process stops."""

    def __init__(self) -> None:
        """Start with nobody having asked to stop; `run` names this run of the process."""
        self.run = secrets.token_hex(8)
        self.stop = threading.Event()

    def time(self) -> float:
        """Return seconds since the epoch, for timestamps people read."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never jump, for intervals and waits."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds.

        Raises StoppingError as soon as the process is asked to stop.
        """
        if self.stop.wait(seconds):
            raise StoppingError("the process is stopping")
