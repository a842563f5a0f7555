"""The effect of a failed poll: on its own target, on other targets, on the log, and on the served metrics."""

import logging
import weakref
from typing import Any

import pytest

from access_exporter.errors import AuthError, PollError, ServerError
from tests.polling.targets import Bench


def test_a_failing_target_does_not_disturb_another() -> None:
    """A failed poll is counted and logged for its own target; other targets keep their numbers and schedules."""
    bench = Bench()
    bench.outcome["bad"] = ServerError("503 from /users")
    bench.poller.configure([bench.target("bad"), bench.target("good")])
    bench.turn(59)
    found = bench.series()
    assert ("value", "bad") not in found
    assert found["value", "good"] == 1
    assert (found["poll_success", "bad"], found["poll_success", "good"]) == (0, 1)
    assert (found["poll_errors_total", "bad"], found["poll_errors_total", "good"]) == (1, 0)


def test_a_failed_poll_changes_nothing_but_health() -> None:
    """After a failed poll, the exporter serves the numbers and the time of the last good poll unchanged."""
    bench = Bench()
    bench.outcome["one"] = 0.1
    bench.poller.configure([bench.target("one")])
    bench.turn(30)
    before = bench.series()
    bench.outcome["one"] = AuthError("401 from /users")
    bench.turn(60)
    after = bench.series()
    assert after["value", "one"] == before["value", "one"] == 0.1
    assert after["poll_last_success_timestamp_seconds", "one"] == before["poll_last_success_timestamp_seconds", "one"]
    assert (before["poll_success", "one"], after["poll_success", "one"]) == (1, 0)


@pytest.mark.parametrize("error", [KeyError("jdoe@example.com"), RecursionError(), MemoryError(), ZeroDivisionError()])
def test_an_unexpected_error_is_a_failed_poll(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error fails the poll, is logged without its message, and does not delay the next poll."""
    bench = Bench()
    bench.outcome["one"] = error
    bench.poller.configure([bench.target("one")])
    bench.turn(61)
    found = bench.series()
    assert (found["poll_success", "one"], found["poll_errors_total", "one"]) == (0, 2)
    assert "unexpected error" in caplog.text
    assert "jdoe" not in "".join(str(record.__dict__) for record in caplog.records)


def test_a_failure_is_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """A failed poll is logged once, as a warning with the target, the reason and what to do."""
    bench = Bench()
    bench.outcome["one"] = AuthError("401 from /users: the token is not accepted")
    bench.poller.configure([bench.target("one")])
    bench.turn(1)
    (record,) = caplog.records
    assert (record.levelno, record.message) == (logging.WARNING, "poll failed")
    said = record.__dict__["facts"]
    assert (said["account_id"], said["collector"], said["target"], said["reason"]) == (
        "account",
        "users",
        "one",
        "auth",
    )
    assert str(said["error"]) == "401 from /users: the token is not accepted"


def test_each_kind_of_failure_has_a_reason() -> None:
    """Each kind of failure has its own reason, and the documentation lists all of them."""
    documented = ["auth", "permission", "not_found", "rate_limited", "server", "timeout", "network", "invalid_response"]

    def kinds(base: type[PollError]) -> list[str]:
        own = [base.reason] if "reason" in vars(base) else []
        return own + [reason for kind in base.__subclasses__() for reason in kinds(kind)]

    assert sorted(kinds(PollError)) == sorted(documented)


def test_a_failure_keeps_no_large_objects() -> None:
    """A stored failure holds no reference to a page of rows or to a connection, so their memory is freed."""

    class Page:
        """A stand-in for a large page."""

    def fetch(_: Any, _now: float) -> float:
        page = Page()
        pages.append(weakref.ref(page))
        try:
            raise OSError("reset")
        except OSError as error:
            raise ServerError("503 from /users") from error

    bench = Bench()
    pages: list[weakref.ref[Page]] = []
    bench.poller.configure([bench.target("one", answer=fetch)])
    bench.turn(1)
    (snapshot,) = bench.snapshots.all()
    assert str(snapshot.failure) == "503 from /users"
    assert pages[0]() is None


def test_numbers_that_cannot_be_shown_are_a_failed_poll() -> None:
    """An error while numbers are converted to metrics is a failed poll; it does not end the thread."""
    bench = Bench()
    bench.poller.configure([bench.target("one", shown=lambda _: [1 / 0])])
    bench.turn(61)
    assert (bench.series()["poll_success", "one"], bench.series()["poll_errors_total", "one"]) == (0, 2)
