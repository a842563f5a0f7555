"""The history of a number since the start."""

import sys
from itertools import pairwise

import pytest

from access_exporter.polling.history import MOST_POINTS, History


def noted(*numbers: float) -> History:
    """Return the history of these numbers, one every ten seconds."""
    history = History()
    for poll, number in enumerate(numbers):
        history = history.noted(10 * poll, number)
    return history


def test_few_numbers_are_all_kept() -> None:
    """A history of few polls has a point for each poll."""
    assert noted(40, 41, 39).course() == [(0, 40), (10, 41), (20, 39)]
    assert noted().course() == []


@pytest.mark.parametrize("polls", [MOST_POINTS, 500, 10_000])
def test_memory_is_bounded(polls: int) -> None:
    """After any number of polls, a history has few points: the first, the latest, and evenly spaced ones between."""
    history = noted(*range(polls))
    course = history.course()
    assert MOST_POINTS // 2 <= len(course) <= MOST_POINTS + 1
    assert (course[0], course[-1]) == ((0, 0), (10 * (polls - 1), polls - 1))
    gaps = {later[0] - earlier[0] for earlier, later in pairwise(course[:-1])}
    assert len(gaps) == 1
    assert sys.getsizeof(history.points) < 2048


def test_lowest_and_highest_are_kept() -> None:
    """The history keeps the lowest and highest value of all polls, even of polls without a point."""
    history = noted(*([5] * 333), 9, *([5] * 333), 1, *([5] * 3333))
    assert (history.lowest, history.highest) == (1, 9)


def test_history_never_changes_under_a_reader() -> None:
    """A history that a reader holds does not change when the next number is added."""
    before = noted(1, 2)
    before.noted(20, 3)
    assert before.course() == [(0, 1), (10, 2)]
