"""Polls in, the page of the last good numbers out: when it is made again, and what is no longer on it."""

from collections.abc import Callable

import pytest

from access_exporter.collectors.protocol import Key
from access_exporter.exposition.families import gauge
from access_exporter.exposition.page import Page
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.snapshots import Snapshots
from tests.fakes import FakeClock, FakeCollector

STALE_AFTER = 150.0


class InterruptedClock(FakeClock):
    """A clock that lets something happen the next time that it is read."""

    happens: Callable[[], None] | None = None

    def monotonic(self) -> float:
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().monotonic()


class Polled:
    """Two targets, each of which shows the number that its last poll found."""

    def __init__(self) -> None:
        self.clock = InterruptedClock()
        self.snapshots = Snapshots(self.clock)
        self.targets = [self._target(name) for name in ("first", "second")]
        self.snapshots.configure(self.targets)

    def _target(self, name: str) -> FakeCollector:
        return FakeCollector(
            key=Key("account", "users", name),
            answer=lambda *_: None,
            shown=lambda number: [gauge("found", "A number.", [({"target": name}, number)])],
            stale_after=STALE_AFTER,
        )

    def poll(self, number: int, found: float) -> None:
        """Let a poll end well."""
        self.snapshots.succeeded(self.targets[number], found, 0.5)

    def page(self) -> Page:
        """Return the page, in the text format."""
        return self.snapshots.page(Format.TEXT)


def found(page: Page) -> dict[str, float]:
    """Return the number that a page shows of each target."""
    lines = b"".join(page.text_with(Encoded())).decode().splitlines()
    pairs = [line.split('"')[1:] for line in lines if line.startswith("found{")]
    return {name: float(value.removeprefix("} ")) for name, value in pairs}


def test_a_page_is_made_once_per_change() -> None:
    """As long as no poll ends, the page stays the very same; then there is none until it is asked for."""
    polled = Polled()
    assert polled.snapshots.current_page(Format.TEXT) is None
    polled.poll(0, 1)
    page = polled.page()
    assert found(page) == {"first": 1}
    assert polled.page() is polled.snapshots.current_page(Format.TEXT) is page
    assert polled.snapshots.current_page(Format.OPENMETRICS) is None
    polled.poll(1, 2)
    assert polled.snapshots.current_page(Format.TEXT) is None
    assert found(polled.page()) == {"first": 1, "second": 2}
    assert found(page) == {"first": 1}, "a page never changes"


def test_a_page_that_a_poll_overtakes_is_not_kept() -> None:
    """Where a poll ends while a page is made, the next scrape has one with what that poll found."""
    polled = Polled()
    polled.poll(0, 1)
    polled.clock.happens = lambda: polled.poll(0, 2)
    assert found(polled.page()) in ({"first": 1}, {"first": 2})
    assert polled.snapshots.current_page(Format.TEXT) is None
    assert found(polled.page()) == {"first": 2}


@pytest.mark.parametrize(("seconds", "shown"), [(STALE_AFTER, True), (STALE_AFTER + 1, False)])
def test_numbers_vanish_when_they_are_stale(seconds: float, shown: bool) -> None:
    """A page is made again when the oldest numbers on it get too old, though no poll ended."""
    polled = Polled()
    polled.poll(0, 1)
    page = polled.page()
    polled.clock.now += seconds
    assert (polled.snapshots.current_page(Format.TEXT) is page) is shown
    assert found(polled.page()) == ({"first": 1} if shown else {})


def test_only_the_stale_numbers_vanish() -> None:
    """Each target's numbers vanish in their own time, and come back with its next good poll."""
    polled = Polled()
    polled.poll(0, 1)
    polled.clock.now += 100
    polled.poll(1, 2)
    assert found(polled.page()) == {"first": 1, "second": 2}
    polled.clock.now += 100
    assert found(polled.page()) == {"second": 2}
    polled.clock.now += 100
    assert found(polled.page()) == {}
    polled.poll(0, 3)
    assert found(polled.page()) == {"first": 3}
