"""A time that can be stored. Its age stays right even if someone changes the machine's clock."""

import msgspec

from access_exporter.clock import Clock
from access_exporter.collectors.possible import Moment


class Stamp(msgspec.Struct, frozen=True):
    """A moment in one `run` of the process.

    `time` is in seconds since the epoch. `uptime` is in seconds of a monotonic clock.
    """

    time: Moment
    run: str
    uptime: float

    @classmethod
    def now(cls, clock: Clock) -> "Stamp":
        """Return the current moment."""
        return cls(clock.time(), clock.run, clock.monotonic())

    def jump_to(self, later: "Stamp") -> float:
        """Return how many seconds the machine's clock jumped between two moments; 0 if they are from two runs."""
        if self.run != later.run:
            return 0.0
        return (later.time - later.uptime) - (self.time - self.uptime)

    def dated(self, now: "Stamp") -> "Stamp":
        """Return the same moment as the clocks of `now` show it. A future moment of another run becomes `now`."""
        age = now.uptime - self.uptime if self.run == now.run else max(0.0, now.time - self.time)
        return Stamp(now.time - age, now.run, now.uptime - age)
