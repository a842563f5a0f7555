"""How far a walk is, as the status page and the log say it."""

from access_exporter.cloudflare.progress import Walked, WalkProgress
from tests.fakes import FakeClock


def walk(progress: WalkProgress, clock: FakeClock, pages: int, total: int | None, seconds: float = 0.5) -> None:
    """Fetch so many pages of 1,000 rows, one after so many seconds each."""
    for _ in range(pages):
        clock.now += seconds
        progress.note(1000, total)


def test_nothing_is_known_before_the_first_page() -> None:
    """Before its first page, a walk has no progress to show."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    assert progress.walked() is None
    progress.begin(260_000, 1000)
    assert progress.walked() is None


def test_total_gives_pages_and_time() -> None:
    """A total_count gives the pages that are expected, and the pace of the latest pages the time that is left."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 40, 260_000, seconds=0.01)  # the burst
    walk(progress, clock, 40, 260_000)
    assert progress.walked() == Walked(80, 260, 90)


def test_pause_makes_the_rest_longer() -> None:
    """While no page comes, the time that is left grows instead of staying too good."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 10, 20_000, seconds=1)
    clock.now += 10
    assert progress.walked() == Walked(10, 20, 20)


def test_without_a_total_the_last_walk_tells() -> None:
    """A list without totals is expected to be as long as the last time; where nothing is known, nothing is said."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    progress.begin(3500, 1000)
    walk(progress, clock, 1, None, seconds=2)
    assert progress.walked() == Walked(1, 4, 6)
    progress.begin(0, 1000)
    walk(progress, clock, 3, None)
    assert progress.walked() == Walked(3, None, None)


def test_server_may_give_smaller_pages() -> None:
    """The pages that are expected are as long as those that came, not as those that were asked for."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    progress.begin(0, 1000)
    progress.note(50, 500)
    assert progress.walked() == Walked(1, 10, 0)


def test_wrong_totals_are_harmless() -> None:
    """A total that is too small or absurdly large never gives fewer pages than were fetched, or more than any list."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 3, 10)
    assert progress.walked() == Walked(3, 3, 0)
    progress.note(0, 2**63 - 1)
    assert (found := progress.walked())
    assert found.expected == 10_000
