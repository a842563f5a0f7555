"""What to keep of a target while it is not polled, or while its name belongs to another subject.

Such is that a policy test was started: policies that are exchanged and come back must not start it before its time.
"""

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from access_exporter.collectors import AnyCollector, Key

# Of all names, and of one; the oldest is forgotten first.
MOST_NAMES = 10_000
MOST_SUBJECTS = 100

Others: TypeAlias = Mapping[str, msgspec.Raw]


def fingerprint(collector: AnyCollector) -> str:
    """Return a digest that identifies the subject of a target without showing it."""
    return hashlib.sha256(repr(collector.subject).encode()).hexdigest()


class Lasting:
    """Encoded summaries by the name and the subject of their targets."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self._kept: dict[Key, dict[str, msgspec.Raw]] = {}

    def note(self, collector: AnyCollector, summary: object) -> None:
        """Remember what must last of a summary."""
        lasting = None if summary is None else collector.lasting(summary)
        if lasting is not None:
            self._add(collector.identity, {fingerprint(collector): msgspec.Raw(msgspec.json.encode(lasting))})

    def restore(self, collector: AnyCollector, others: Others) -> None:
        """Remember what was stored beside a target, unless there is something newer."""
        known = self._kept.get(collector.identity, {})
        self._add(collector.identity, {subject: summary for subject, summary in others.items() if subject not in known})

    def of(self, collector: AnyCollector) -> object:
        """Return what was noted of the subject, or None."""
        noted = self._kept.get(collector.identity, {}).get(fingerprint(collector))
        try:
            return None if noted is None else msgspec.json.decode(noted, type=collector.summary_type)
        except msgspec.MsgspecError:  # of another kind of target with this name
            return None

    def others(self, collector: AnyCollector) -> Others:
        """Return what must last of the other subjects that the name had."""
        mine = fingerprint(collector)
        return {subject: noted for subject, noted in self._kept.get(collector.identity, {}).items() if subject != mine}

    def _add(self, key: Key, noted: Others) -> None:
        older = {subject: summary for subject, summary in self._kept.pop(key, {}).items() if subject not in noted}
        self._kept[key] = dict([*older.items(), *noted.items()][-MOST_SUBJECTS:])
        if len(self._kept) > MOST_NAMES:
            del self._kept[next(iter(self._kept))]
