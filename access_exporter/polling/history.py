"""The history of one number since the start of the exporter, with few enough points for a small drawing."""

from array import array
from typing import NamedTuple

MOST_POINTS = 48


class History(NamedTuple):
    """The number at each `every`-th poll and at the latest poll. It is immutable, so any thread may read it.

    `points` holds a time, its number, the next time, and so on. Times are seconds of the monotonic clock. `lowest` and
    `highest` include all polls, also polls without a point.
    """

    points: "array[float]" = array("d")
    every: int = 1
    polls: int = 0
    latest: tuple[float, float] | None = None
    lowest: float = float("inf")
    highest: float = float("-inf")

    def noted(self, time: float, number: float) -> "History":
        """Return the history with one more number. If it has too many points, drop every second one."""
        points, every = self.points, self.every
        if self.polls % every == 0:
            points = points + array("d", (time, number))
        if len(points) > 2 * MOST_POINTS:
            points = array("d", (each for place, each in enumerate(points) if place % 4 < 2))
            every *= 2
        lowest, highest = min(self.lowest, number), max(self.highest, number)
        return History(points, every, self.polls + 1, (time, number), lowest, highest)

    def course(self) -> list[tuple[float, float]]:
        """Return the pairs of time and number, including the latest."""
        pairs = list(zip(self.points[::2], self.points[1::2], strict=True))
        return pairs if self.latest is None or pairs[-1:] == [self.latest] else [*pairs, self.latest]
