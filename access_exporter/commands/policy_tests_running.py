"""Policy tests that run at Cloudflare. The command starts each test once, waits until it ends, and reads all rows."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from access_exporter.clock import Clock
from access_exporter.collectors import policy_preview
from access_exporter.commands.policy_results import Results
from access_exporter.commands.progress_line import ProgressLine
from access_exporter.errors import CommandError, InvalidResponseError, PollError, RateLimitedError, RetryableError
from access_exporter.logs import facts

log = logging.getLogger(__name__)

LATE_ROWS_SECONDS = 30  # Cloudflare can report `complete` before it lists all rows
FAILING_SECONDS = 30  # how long requests may fail, besides the retries of each request
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1, 10
_UNKNOWN_POLICIES = (400, 404, 422)

T = TypeVar("T")


@dataclass
class RunningTest:
    """A test: what it tests, its id, and its progress in the last response."""

    name: str
    id: str
    progress: policy_preview.Progress

    @property
    def words(self) -> str:
        """The progress as text for people."""
        total, ratio = self.progress.population, self.progress.processed_ratio
        if total is None or ratio is None:
            return f"{self.name}: waiting"
        return f"{self.name}: {round(total * ratio):,} of {total:,} people processed"


class RunningTests:
    """The tests of one command, which may take `timeout` seconds together."""

    def __init__(self, preview: policy_preview.PolicyPreview, clock: Clock, timeout: float, line: ProgressLine) -> None:
        """Start no test yet. The time of `timeout` starts now."""
        self._preview = preview
        self._clock = clock
        self._timeout = timeout
        self._began = clock.monotonic()
        self._line = line
        self._tests: list[RunningTest] = []
        self._is_starting = False

    def start(self, name: str, policies: list[policy_preview.Tested]) -> None:
        """Start a test. Raises CommandError if it fails, and never sends the request a second time."""
        try:
            test_id = self._preview.start(policies, before=self._note_start)
        except PollError as failure:
            words = _not_started(failure, was_sent=self._is_starting and failure.was_sent)
            self._is_starting = False
            raise CommandError("; ".join(filter(None, (words, self.left_behind())))) from None
        self._is_starting = False
        self._tests.append(RunningTest(name, test_id, policy_preview.Progress()))
        log.info("policy test started", extra=facts(policy_test_id=test_id, policies=name))

    def _note_start(self) -> None:
        self._is_starting = True

    def left_behind(self) -> str | None:
        """Return a message about tests that continue at Cloudflare after this command ends, or None without tests."""
        if ids := " and ".join(each.id for each in self._tests):
            return f"the policy test continues at Cloudflare, with the id {ids}; no policy was saved"
        return "a policy test may have started, and would continue at Cloudflare" if self._is_starting else None

    def results(self) -> list[Results]:
        """Return the results of the tests, in the order of their start. Raises CommandError if a test has no result."""
        waiting = self._tests
        while waiting := [test for test in waiting if not self._has_finished(test)]:
            self._pause(waiting[0])
        return [self._read(test) for test in self._tests]

    def _has_finished(self, test: RunningTest) -> bool:
        """Request the progress of a test, and return whether it has finished.

        Raises CommandError if the test ended without results.
        """
        test.progress = self._patiently(test, lambda: self._preview.progress(test.id))
        self._show()
        state = test.progress.state
        if state in (None, "processing"):
            return False
        if state == "complete":
            return True
        words = "a status that the exporter does not know" if state == "undocumented" else f"the status `{state}`"
        raise CommandError(f"{_named(test)} ended with {words}, so there is no result; try again")

    def _read(self, test: RunningTest) -> Results:
        """Read the rows of a finished test. If rows are missing, read them again for at most LATE_ROWS_SECONDS."""
        finished = self._clock.monotonic()
        announced = policy_preview.expected_rows(test.progress.population, test.progress.processed)
        while True:
            rows = self._patiently(
                test, lambda: list(self._preview.people(test.id, announced, max(1.0, self._remaining())))
            )
            results = Results.of(test.id, announced, rows)
            waited = self._clock.monotonic() - finished
            if not results.missing or waited >= LATE_ROWS_SECONDS or self._remaining() <= 0:
                return results
            self._clock.sleep(min(max(_SHORTEST_PAUSE_SECONDS, waited / 2), max(0.0, self._remaining())))

    def _patiently(self, test: RunningTest, ask: Callable[[], T]) -> T:
        """Send a request, and repeat it after a temporary failure for at most FAILING_SECONDS.

        After a 429, repeat it until `timeout` ends. A contradictory response is a temporary failure as well. Raises
        CommandError if the request still fails.
        """
        failing_since: float | None = None
        while True:
            try:
                return ask()
            except (RetryableError, InvalidResponseError) as failure:
                now = self._clock.monotonic()
                failing_since = now if failing_since is None else failing_since
                if not isinstance(failure, RateLimitedError) and now - failing_since >= FAILING_SECONDS:
                    raise _unreadable(test, failure) from None
                self._pause(test)
            except PollError as failure:
                raise _unreadable(test, failure) from None

    def _pause(self, test: RunningTest) -> None:
        """Wait for a tenth of the time since the start. Raises CommandError if `timeout` has ended."""
        left = self._remaining()
        if left <= 0:
            exceeded = f"exceeded --timeout of {self._timeout:g} s"
            raise CommandError(f"{_named(test)} {exceeded} ({test.words}); it continues at Cloudflare")
        elapsed = self._clock.monotonic() - self._began
        self._clock.sleep(min(max(_SHORTEST_PAUSE_SECONDS, elapsed / 10), _LONGEST_PAUSE_SECONDS, left))
        self._show()

    def _remaining(self) -> float:
        return self._began + self._timeout - self._clock.monotonic()

    def _show(self) -> None:
        minutes, seconds = divmod(int(self._clock.monotonic() - self._began), 60)
        self._line.show(f"{'; '.join(each.words for each in self._tests)}; {minutes}m {seconds}s")


def _named(test: RunningTest) -> str:
    return f"policy test {test.id} of {test.name}"


def _unreadable(test: RunningTest, failure: PollError) -> CommandError:
    goes_on = "" if test.progress.state == "complete" else "; it continues at Cloudflare"
    return CommandError(f"{_named(test)} cannot be read: {failure}{goes_on}")


def _not_started(failure: PollError, *, was_sent: bool) -> str:
    """Return why there is no test. If Cloudflare may have started one, the command does not start a second test."""
    if was_sent and (failure.status is None or failure.status >= 500):
        return f"Cloudflare may have started a policy test, so the exporter starts no second one: {failure}"
    hint = ""
    if failure.status in _UNKNOWN_POLICIES:
        hint = "; check the id of the account, the fields of the policies, and the ids of reusable policies"
    return f"no policy test was started: {failure}{hint}"
