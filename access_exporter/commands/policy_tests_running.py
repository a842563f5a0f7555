"""Policy tests that run at Cloudflare: each started once, followed until it ends, and its rows read to their end."""

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

LATE_ROWS_SECONDS = 30  # `complete` can arrive before all rows do
FAILING_SECONDS = 30  # beyond the retries of each request
_SHORTEST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1, 10
_UNKNOWN_POLICIES = (400, 404, 422)

T = TypeVar("T")


@dataclass
class RunningTest:
    """A test: what it tests, its id, and how far it was when that was asked last."""

    name: str
    id: str
    progress: policy_preview.Progress

    @property
    def words(self) -> str:
        """How far it is, for people."""
        total, ratio = self.progress.population, self.progress.processed_ratio
        if total is None or ratio is None:
            return f"{self.name}: waiting"
        return f"{self.name}: {round(total * ratio):,} of {total:,} people processed"


class RunningTests:
    """The tests of one command, which may take `timeout` seconds in all."""

    def __init__(self, preview: policy_preview.PolicyPreview, clock: Clock, timeout: float, line: ProgressLine) -> None:
        """Start none yet; the time runs."""
        self._preview = preview
        self._clock = clock
        self._timeout = timeout
        self._began = clock.monotonic()
        self._line = line
        self._tests: list[RunningTest] = []
        self._is_starting = False

    def start(self, name: str, policies: list[policy_preview.Tested]) -> None:
        """Start a test, or raise CommandError. Nothing is asked for twice."""
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
        """Return what goes on at Cloudflare when nobody follows the tests any more; None where nothing does."""
        if ids := " and ".join(each.id for each in self._tests):
            return f"the policy test continues at Cloudflare, with the id {ids}; no policy was saved"
        return "a policy test may have started; it continues at Cloudflare" if self._is_starting else None

    def results(self) -> list[Results]:
        """Return the results of the tests, in the order of their start. Raises CommandError where there are none."""
        waiting = self._tests
        while waiting := [test for test in waiting if not self._has_finished(test)]:
            self._pause(waiting[0])
        return [self._read(test) for test in self._tests]

    def _has_finished(self, test: RunningTest) -> bool:
        """Ask how far a test is; raises CommandError for one that has ended without results."""
        test.progress = self._patiently(test, lambda: self._preview.progress(test.id))
        self._show()
        state = test.progress.state
        if state in (None, "processing"):
            return False
        if state == "complete":
            return True
        words = "a status that is not documented" if state == "undocumented" else f"the status `{state}`"
        raise CommandError(f"{_named(test)} ended with {words}, so there is no result")

    def _read(self, test: RunningTest) -> Results:
        """Read the rows of a finished test; those that do not add up are read again for a while."""
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
        """Return an answer; a failure that may pass is endured for a while, and a 429 as long as there is time.

        An answer that contradicts itself may be right when it is asked for again.
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
        """Wait a tenth of the time so far; raises CommandError where there is no time left."""
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
    """Return why there is no test; where that is not known, no second one is asked for."""
    if was_sent and (failure.status is None or failure.status >= 500):
        return f"Cloudflare may have started a policy test, and it is not asked for again: {failure}"
    hint = ""
    if failure.status in _UNKNOWN_POLICIES:
        hint = "; if the account is right, check the fields of the policies, and the ids of reusable ones"
    return f"no policy test was started: {failure}{hint}"
