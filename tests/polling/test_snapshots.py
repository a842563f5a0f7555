"""The metrics page of the last good numbers: when it is built again, and when stale numbers vanish from it."""

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
    """A clock that runs a function once, the next time that it is read."""

    happens: Callable[[], None] | None = None

    def monotonic(self) -> float:
        happens, self.happens = self.happens, None
        if happens:
            happens()
        return super().monotonic()


class Polled:
    """Two targets; each shows the number that its last poll found."""

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
        """Record a successful poll."""
        self.snapshots.succeeded(self.targets[number], found, 0.5)

    def page(self) -> Page:
        """Return the page, in the text format."""
        return self.snapshots.page(Format.TEXT)


def found(page: Page) -> dict[str, float]:
    """Return the number that a page shows of each target."""
    lines = b"".join(page.text_with(Encoded())).decode().splitlines()
    pairs = [line.split('"')[1:] for line in lines if line.startswith("found{")]
    return {name: float(value.removeprefix("} ")) for name, value in pairs}


def test_a_page_is_built_once_per_change() -> None:
    """The page is built once and reused until a poll ends; then it is built again at the next request."""
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


def test_a_poll_that_ends_while_a_page_is_built() -> None:
    """If a poll ends while a page is built, the next scrape gets a page with the numbers of that poll."""
    polled = Polled()
    polled.poll(0, 1)
    polled.clock.happens = lambda: polled.poll(0, 2)
    assert found(polled.page()) in ({"first": 1}, {"first": 2})
    assert polled.snapshots.current_page(Format.TEXT) is None
    assert found(polled.page()) == {"first": 2}


@pytest.mark.parametrize(("seconds", "shown"), [(STALE_AFTER, True), (STALE_AFTER + 1, False)])
def test_numbers_vanish_when_they_are_stale(seconds: float, shown: bool) -> None:
    """A page is built again when the oldest numbers on it become stale, even if no poll ended."""
    polled = Polled()
    polled.poll(0, 1)
    page = polled.page()
    polled.clock.now += seconds
    assert (polled.snapshots.current_page(Format.TEXT) is page) is shown
    assert found(polled.page()) == ({"first": 1} if shown else {})


def test_only_the_stale_numbers_vanish() -> None:
    """The numbers of each target vanish when they are stale, and return with the next good poll of that target."""
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
