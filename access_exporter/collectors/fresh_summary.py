"""The state of a policy test that the exporter starts: the last test that it started, and the last counts."""

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from access_exporter.collectors.followed_policy_test import RESULTS, PolicyTestSummary, is_over, is_possible
from access_exporter.collectors.possible import MOST, Count, Digest, Moment, add_up
from access_exporter.collectors.result_digest import DigestBuilder, ResultDigest
from access_exporter.collectors.stamps import Stamp
from access_exporter.errors import BY_REASON

TEST_ID = "[A-Za-z0-9_-]{1,64}"  # an id becomes a label, and part of a URL
LEAST_SHARE = 0.5
_CLOCK_JUMP_SECONDS = 1


class Refusal(msgspec.Struct, frozen=True):
    """The reason why Cloudflare did not start a test, or why the exporter does not know whether it did."""

    reason: str
    message: str


class FreshSummary(msgspec.Struct, frozen=True):
    """The last test that the exporter started (the current test), and the counts of the last finished test.

    Times are in seconds since the epoch, by the machine's clock at `dated`.

    - `asked` is when the exporter started the current test, and `edited` when it last started one because of an edit.
    - `users` and `missing` are the counts of the last finished test. `stale` is True if they are too old to be shown.
    - `outcomes` are the results of the last finished test, for the comparison with the next one.
    - `before` are the results of the test before the current one, until all rows of the current test are counted.
    - `partial` are the results of the current test while some of its rows are missing.
    - `revision` is the revision of the policies in the current test.
    - `share` is the share of `refresh` after which the next test starts; see `Schedule`.
    """

    asked: Moment | None = None
    refusal: Refusal | None = None
    test_id: Annotated[str, Meta(pattern=rf"^{TEST_ID}\Z")] | None = None
    test: PolicyTestSummary = PolicyTestSummary()
    users: dict[str, Count] | None = None
    finished: Moment | None = None
    changed: dict[str, Count] | None = None
    outcomes: ResultDigest | None = None
    before: ResultDigest | None = None
    partial: ResultDigest | None = None
    missing: Annotated[int, Meta(ge=-MOST, le=MOST)] = 0
    stale: bool = False
    revision: Digest | None = None
    edited: Moment | None = None
    share: Annotated[float, Meta(ge=LEAST_SHARE, le=1)] = 1
    dated: Stamp | None = None

    def is_possible(self) -> bool:
        """Return whether the numbers are possible for a test; see `Collector.is_possible`."""
        changes = [f"newly_{result}" for result in RESULTS]
        counted = PolicyTestSummary(users=self.users, missing=self.missing)
        is_known = self.refusal is None or self.refusal.reason in BY_REASON
        return is_known and is_possible(self.test) and is_possible(counted) and add_up(self.changed, changes, MOST)

    @property
    def shown(self) -> PolicyTestSummary:
        """The progress of the current test, with the counts of the last finished test."""
        users, missing = (None, 0) if self.stale else (self.users, self.missing)
        return replace(self.test, users=users, missing=missing, finished=self.finished)

    def is_running(self) -> bool:
        """Return whether a test was started and may still run."""
        return self.test_id is not None and not is_over(self.test)

    def at(self, now: Stamp) -> "FreshSummary":
        """Return the summary with its times shifted by the change of the machine's clock since `dated`.

        The exporter cannot measure a change of the clock from before a restart. So a start in the future counts as a
        start now, and counts from the future are dropped, because their age is unknown.
        """
        jump = self.dated.jump_to(now) if self.dated else 0.0
        if self.dated and self.dated.run == now.run and abs(jump) < _CLOCK_JUMP_SECONDS:
            return self
        asked = None if self.asked is None else min(self.asked + jump, now.time)
        finished = None if self.finished is None else self.finished + jump
        seen = None if self.test.finished is None else self.test.finished + jump
        edited = None if self.edited is None else min(self.edited + jump, now.time)
        test = replace(self.test, finished=seen)
        moved = replace(self, dated=now, asked=asked, edited=edited, finished=finished, test=test)
        if finished is None or finished <= now.time + _CLOCK_JUMP_SECONDS:
            return moved
        return replace(moved, finished=None, users=None, changed=None, test=replace(moved.test, finished=None))

    def asking(self, now: Stamp) -> "FreshSummary":
        """Return the summary at the start of a new test."""
        test = PolicyTestSummary()
        return replace(
            self, dated=now, asked=now.time, refusal=None, test_id=None, test=test, before=self.outcomes, partial=None
        )

    def with_results(self, test: PolicyTestSummary, digest: DigestBuilder) -> "FreshSummary":
        """Return the summary after a poll of the current test. `digest` has the results of the rows of this poll."""
        most = self.test.awaited.users if self.test.awaited else None
        if test.users is self.test.users:
            is_more = test.awaited is not None and test.awaited.users is not most
            partial = digest.finished() if is_more else self.partial
            return replace(self, test=test, partial=partial if test.awaited else None)
        outcomes = self.partial if self.partial and test.users is most else digest.finished()
        return replace(
            self,
            test=test,
            users=test.users,
            finished=test.finished,
            missing=test.missing,
            changed=self.before.changes_to(outcomes) if self.before else None,
            outcomes=outcomes,
            partial=None,
            before=None if is_over(test) else self.before,
            stale=False,
        )
