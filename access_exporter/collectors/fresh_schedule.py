"""When the exporter starts a policy test: each `refresh`, and sooner where somebody edited its policies."""

from dataclasses import dataclass

from msgspec.structs import replace

from access_exporter.collectors.fresh_summary import FreshSummary
from access_exporter.collectors.stamps import Stamp

HOUR = 3600


@dataclass(frozen=True)
class Schedule:
    """When a test follows the one before.

    It follows after `refresh` seconds, or after this `share` of them where the one before was the first or followed an
    edit: tests that were all started at once are spread like that. An edit starts a test at once, but at most one an
    hour, and not while the test before it runs: its results are what the new ones are compared with. For a test that
    does not end, an edit waits an hour.
    """

    refresh: float
    share: float = 1

    def next_start(self, state: FreshSummary, revision: str | None) -> float:
        """Return when the next test starts, in seconds since the epoch.

        `revision` is that of the policies now, or None if it is unknown.
        """
        if state.asked is None:
            return float("-inf")
        regular = state.asked + state.share * self.refresh
        if not _is_edited(state, revision):
            return regular
        at_once = state.asked + HOUR if state.is_running() else state.asked
        return min(regular, at_once if state.edited is None else max(at_once, state.edited + HOUR))

    def asking(self, state: FreshSummary, now: Stamp, revision: str | None) -> FreshSummary:
        """Return the state as it is when a test of these policies is asked for now."""
        is_edit = _is_edited(state, revision)
        share = self.share if is_edit or state.asked is None else 1
        edited = now.time if is_edit else state.edited
        return replace(state.asking(now), revision=revision, edited=edited, share=share)


def known(state: FreshSummary, revision: str | None) -> FreshSummary:
    """Return the state with the tested revision, if that was unknown when the test started."""
    if state.asked is None or revision is None or state.revision is not None:
        return state
    return replace(state, revision=revision)


def _is_edited(state: FreshSummary, revision: str | None) -> bool:
    return None not in (revision, state.revision) and revision != state.revision
