"""A moment that outlasts the process; its age stays right if the machine's clock is changed meanwhile."""

import msgspec

from access_exporter.clock import Clock
from access_exporter.collectors.possible import Moment


class Stamp(msgspec.Struct, frozen=True):
    """A moment in one `run` of the process.

    `time` is in seconds since the epoch, and `uptime` in seconds of a clock that never jumps.
    """

    time: Moment
    run: str
    uptime: float

    @classmethod
    def now(cls, clock: Clock) -> "Stamp":
        """Return the present moment."""
        return cls(clock.time(), clock.run, clock.monotonic())

    def jump_to(self, later: "Stamp") -> float:
        """Return by how many seconds the machine's clock was set between two moments of one run; 0 of two runs."""
        if self.run != later.run:
            return 0.0
        return (later.time - later.uptime) - (self.time - self.uptime)

    def dated(self, now: "Stamp") -> "Stamp":
        """Return the same moment as the clocks of now have it; one of another run that is in the future is now."""
        age = now.uptime - self.uptime if self.run == now.run else max(0.0, now.time - self.time)
        return Stamp(now.time - age, now.run, now.uptime - age)
