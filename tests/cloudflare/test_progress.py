"""The progress of reading a list, for the status page and the log."""

from access_exporter.cloudflare.progress import Walked, WalkProgress
from tests.fakes import FakeClock


def walk(progress: WalkProgress, clock: FakeClock, pages: int, total: int | None, seconds: float = 0.5) -> None:
    """Fetch this number of pages of 1,000 rows, each after this number of seconds."""
    for _ in range(pages):
        clock.now += seconds
        progress.note(1000, total)


def test_no_progress_before_the_first_page() -> None:
    """There is no progress to show before the first page of a list."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    assert progress.walked() is None
    progress.begin(260_000, 1000)
    assert progress.walked() is None


def test_total_gives_pages_and_time() -> None:
    """The exporter takes the expected pages from total_count, and the remaining time from the latest pace."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 40, 260_000, seconds=0.01)  # the burst
    walk(progress, clock, 40, 260_000)
    assert progress.walked() == Walked(80, 260, 90)


def test_remaining_time_grows_during_a_pause() -> None:
    """The remaining time grows while no page arrives."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 10, 20_000, seconds=1)
    clock.now += 10
    assert progress.walked() == Walked(10, 20, 20)


def test_expected_pages_without_a_total() -> None:
    """Without totals, the expected number of pages is that of the last poll, or unknown at the first poll."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    progress.begin(3500, 1000)
    walk(progress, clock, 1, None, seconds=2)
    assert progress.walked() == Walked(1, 4, 6)
    progress.begin(0, 1000)
    walk(progress, clock, 3, None)
    assert progress.walked() == Walked(3, None, None)


def test_server_may_give_smaller_pages() -> None:
    """If the server sends smaller pages than requested, the expected number of pages is based on their real size."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    progress.begin(0, 1000)
    progress.note(50, 500)
    assert progress.walked() == Walked(1, 10, 0)


def test_wrong_totals_are_harmless() -> None:
    """The expected pages are never fewer than the fetched pages, and at most 10,000, even if total_count is wrong."""
    clock = FakeClock()
    progress = WalkProgress(clock)
    walk(progress, clock, 3, 10)
    assert progress.walked() == Walked(3, 3, 0)
    progress.note(0, 2**63 - 1)
    assert (found := progress.walked())
    assert found.expected == 10_000
