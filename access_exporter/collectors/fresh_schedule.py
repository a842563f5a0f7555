"""Decides when the exporter starts a policy test: after each `refresh`, or soon after an edit of the policies."""

from dataclasses import dataclass

from msgspec.structs import replace

from access_exporter.collectors.fresh_summary import FreshSummary
from access_exporter.collectors.stamps import Stamp

HOUR = 3600


@dataclass(frozen=True)
class Schedule:
    """The time from the start of one test to the start of the next.

    The next test starts after `refresh` seconds. It starts earlier, after `share` times `refresh`, if the last test was
    the first one or followed an edit. So tests that all started at once spread over time.

    An edit starts a test at once, but at most one test an hour, and not while another test runs. The running test must
    finish first, because the exporter compares its results with the new ones. If it does not end, the edit waits an
    hour.
    """

    refresh: float
    share: float = 1

    def next_start(self, state: FreshSummary, revision: str | None) -> float:
        """Return when the next test starts, in seconds since the epoch.

        `revision` is the current revision of the policies, or None if it is unknown.
        """
        if state.asked is None:
            return float("-inf")
        regular = state.asked + state.share * self.refresh
        if not _is_edited(state, revision):
            return regular
        at_once = state.asked + HOUR if state.is_running() else state.asked
        return min(regular, at_once if state.edited is None else max(at_once, state.edited + HOUR))

    def asking(self, state: FreshSummary, now: Stamp, revision: str | None) -> FreshSummary:
        """Return the state at the start of a test of these policies."""
        is_edit = _is_edited(state, revision)
        share = self.share if is_edit or state.asked is None else 1
        edited = now.time if is_edit else state.edited
        return replace(state.asking(now), revision=revision, edited=edited, share=share)


def known(state: FreshSummary, revision: str | None) -> FreshSummary:
    """Return the state with this revision, if the revision was unknown when the test started."""
    if state.asked is None or revision is None or state.revision is not None:
        return state
    return replace(state, revision=revision)


def _is_edited(state: FreshSummary, revision: str | None) -> bool:
    return None not in (revision, state.revision) and revision != state.revision
