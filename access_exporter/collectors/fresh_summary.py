"""What is known of a policy test that the exporter starts: the one that was asked for last, and the last counts."""

from typing import Annotated

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from access_exporter.collectors.followed_policy_test import RESULTS, PolicyTestSummary, is_over, is_possible
from access_exporter.collectors.possible import MOST, Count, Digest, Moment, add_up
from access_exporter.collectors.result_digest import DigestBuilder, ResultDigest
from access_exporter.collectors.stamps import Stamp
from access_exporter.errors import BY_REASON

TEST_ID = "[A-Za-z0-9_-]{1,64}"  # it becomes a label, and part of a path
LEAST_SHARE = 0.5
_CLOCK_JUMP_SECONDS = 1


class Refusal(msgspec.Struct, frozen=True):
    """Why a test was not started."""

    reason: str
    message: str


class FreshSummary(msgspec.Struct, frozen=True):
    """The test that was asked for last, and the numbers of the one that finished last; times are in seconds.

    `before` are the results of the test before the present one, while its rows may still have to be counted, and
    `partial` those rows of the present one that are there. `missing` is of `users`, which are not shown while they are
    `stale`. `revision` is that of the policies that were tested last, `edited` is when a test was asked for because of
    an edit, and the next one follows after this `share` of the time between two tests. The times are as the machine's
    clock had them at `dated`.
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
        """Return whether these are the numbers of tests; see `Collector.is_possible`."""
        changes = [f"newly_{result}" for result in RESULTS]
        counted = PolicyTestSummary(users=self.users, missing=self.missing)
        is_known = self.refusal is None or self.refusal.reason in BY_REASON
        return is_known and is_possible(self.test) and is_possible(counted) and add_up(self.changed, changes, MOST)

    @property
    def shown(self) -> PolicyTestSummary:
        """The progress of the present test, with the counts of the last finished one."""
        users, missing = (None, 0) if self.stale else (self.users, self.missing)
        return replace(self.test, users=users, missing=missing, finished=self.finished)

    def is_running(self) -> bool:
        """Return whether a test was started and may still run."""
        return self.test_id is not None and not is_over(self.test)

    def at(self, now: Stamp) -> "FreshSummary":
        """Return it with its times as the machine's clock has them now, however that was set meanwhile.

        Of another run of the process, a time in the future is of a clock that was wrong: what was asked for then may
        have been asked for just now, and nobody knows how old its numbers are.
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
        """Return it as it is when a test is asked for now."""
        test = PolicyTestSummary()
        return replace(
            self, dated=now, asked=now.time, refusal=None, test_id=None, test=test, before=self.outcomes, partial=None
        )

    def with_results(self, test: PolicyTestSummary, digest: DigestBuilder) -> "FreshSummary":
        """Return it after a poll of the present test; the digest is of the rows that were read, if they were."""
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
