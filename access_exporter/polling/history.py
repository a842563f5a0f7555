"""The course of one number since the start, in as many points as a small drawing needs."""

from array import array
from typing import NamedTuple

MOST_POINTS = 48


class History(NamedTuple):
    """The number at every `every`-th poll, and at the latest; none is ever changed, so any thread may read it.

    `points` are times and numbers in turn; a time is monotonic, in seconds. `lowest` and `highest` are of every poll,
    also of those that have no point.
    """

    points: "array[float]" = array("d")
    every: int = 1
    polls: int = 0
    latest: tuple[float, float] | None = None
    lowest: float = float("inf")
    highest: float = float("-inf")

    def noted(self, time: float, number: float) -> "History":
        """Return the history with one more number; where there are too many points, every other one is left out."""
        points, every = self.points, self.every
        if self.polls % every == 0:
            points = points + array("d", (time, number))
        if len(points) > 2 * MOST_POINTS:
            points = array("d", (each for place, each in enumerate(points) if place % 4 < 2))
            every *= 2
        lowest, highest = min(self.lowest, number), max(self.highest, number)
        return History(points, every, self.polls + 1, (time, number), lowest, highest)

    def course(self) -> list[tuple[float, float]]:
        """Return times and numbers, up to the latest."""
        pairs = list(zip(self.points[::2], self.points[1::2], strict=True))
        return pairs if self.latest is None or pairs[-1:] == [self.latest] else [*pairs, self.latest]
