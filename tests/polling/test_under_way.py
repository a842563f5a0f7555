"""The log of a long poll: one line every 30 seconds, and no line for a short poll."""

import logging
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any

import pytest

from access_exporter import config, simulator
from access_exporter.cloudflare.progress import Walked
from access_exporter.collectors.protocol import Key, Poll
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from access_exporter.polling.under_way import MOST_LINES, UnderWay
from access_exporter.simulator import PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import TOKEN
from tests.exporter import ACCOUNT_ID
from tests.fakes import FakeClock, FakeCollector
from tests.fleet import Fleet


def target(number: int = 0) -> FakeCollector:
    """A target that is never polled."""
    return FakeCollector(Key(f"account-{number}", "users", "users"), lambda *_: None, lambda _: ())


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, dict[str, Any]]]:
    """Return the log messages since the last call, with their facts."""
    found = [(record.getMessage(), record.__dict__["facts"]) for record in caplog.records]
    caplog.clear()
    return found


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")


def test_long_poll_is_logged_every_30_seconds(caplog: pytest.LogCaptureFixture) -> None:
    """A poll of 260 pages at two pages a second logs its pages, the expected pages and the time left every 30 s."""
    clock = FakeClock()
    under_way = UnderWay(clock)
    with under_way.follow(target()) as progress:
        progress.begin(260_000, 1000)
        for _ in range(150):
            clock.now += 0.5
            progress.note(1000, 260_000)
            under_way.report()
    who = {"account_id": "account-0", "collector": "users", "target": "users"}
    assert lines(caplog) == [
        ("poll under way", who | {"pages": 60, "expected": 260, "remaining_seconds": 100}),
        ("poll under way", who | {"pages": 120, "expected": 260, "remaining_seconds": 70}),
    ]
    clock.now += 60
    under_way.report()
    assert lines(caplog) == []


def test_short_polls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A poll that began less than 30 s ago is not logged, and neither is a poll that waits for its first page."""
    clock = FakeClock()
    under_way = UnderWay(clock)
    with under_way.follow(target(1)):
        clock.now += 25
        with under_way.follow(target(2)) as progress:
            progress.note(1000, 2000)
            clock.now += 5
            assert under_way.report() == 30
    assert lines(caplog) == []


def test_unknown_values_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """If the length of the list is unknown, the log line has only the number of pages read."""
    clock = FakeClock()
    under_way = UnderWay(clock)
    with under_way.follow(target()) as progress:
        progress.note(1000, None)
        clock.now += 30
        under_way.report()
    ((_, facts),) = lines(caplog)
    assert (facts["pages"], "expected" in facts, "remaining_seconds" in facts) == (1, False, False)


def test_many_polls_share_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Many polls at once share one log line, so a thousand accounts at their first poll do not fill the log."""
    clock = FakeClock()
    under_way = UnderWay(clock)
    with ExitStack() as stack:
        for number in range(MOST_LINES + 1):
            progress = stack.enter_context(under_way.follow(target(number)))
            progress.note(1000, 3000)
        clock.now += 30
        under_way.report()
    assert lines(caplog) == [("polls under way", {"polls": 11, "pages": 11, "expected": 33, "remaining_seconds": 60})]


def test_progress_ends_with_the_poll() -> None:
    """The progress of a poll disappears from the status page when the poll ends, even if it failed."""
    clock = FakeClock()
    under_way = UnderWay(clock)
    poll = ExitStack()
    poll.enter_context(under_way.follow(target())).note(1000, 2000)
    assert under_way.of(target()) == Walked(1, 2, 0)
    with pytest.raises(ZeroDivisionError), poll:
        raise ZeroDivisionError
    assert under_way.of(target()) is None


def test_poller_reports_while_a_poll_takes_long() -> None:
    """The poller logs the progress of a long poll even when no other poll is due."""
    clock, walking, finish, logged = FakeClock(), Event(), Event(), Event()

    class Long(FakeCollector):
        def fetch(self, poll: Poll[Any]) -> float:
            assert poll.progress
            poll.progress.note(1000, 5000)
            walking.set()
            assert finish.wait(10)
            return 1.0

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "poll under way":
                logged.set()

    handler, poller = Handler(), Poller(Snapshots(clock), clock)
    logging.getLogger().addHandler(handler)
    poller.configure([Long(Key("account", "users", "users"), lambda *_: None, lambda _: ())])
    thread = Thread(target=poller.run)
    thread.start()
    try:
        assert walking.wait(10)
        assert not logged.is_set()
        clock.now += 30
        poller.wake()
        assert logged.wait(10)
    finally:
        clock.stop.set()
        finish.set()
        poller.wake()
        thread.join(10)
        logging.getLogger().removeHandler(handler)


def test_exporter_shows_its_progress(caplog: pytest.LogCaptureFixture) -> None:
    """Log and status page show how many pages of users and of policy test results are read and expected."""
    seen: dict[str, str] = {}
    test = simulator.PolicyTest("t" * 8, "complete", [PolicyTestUser(f"u{number}") for number in range(20)])
    account = simulator.Account(ACCOUNT_ID, [User(f"u{number}") for number in range(20)], [test])

    def look(request: Request) -> None:
        fleet.clock.now += 20
        fleet.report()
        if request.query.get("page") == "6":
            seen.setdefault(request.endpoint, fleet.status_page())

    with Simulator([account], fault=look) as cloudflare:
        tested = config.PolicyTest(id="t" * 8)
        polled = config.Account(
            id=ACCOUNT_ID, api_token=config.Secret("test", TOKEN), devices=False, policy_tests=(tested,)
        )
        api = config.Api(url=cloudflare.url, page_size=2, concurrency=1, requests_per_second=1000, burst=1000)
        fleet = Fleet(config.Config(api=api, accounts=(polled,)))
        fleet.run(400)
    assert "5 of 10 pages read, about 2 min left" in seen["users"]
    assert "<p>5 of 10 pages read, about 2 min left</p>" in seen["policy_test_users"]
    facts = [facts for message, facts in lines(caplog) if message == "poll under way" and facts["collector"] == "users"]
    assert [(each["pages"], each["expected"]) for each in facts[:5]] == [(1, 10), (3, 10), (5, 10), (7, 10), (9, 10)]
