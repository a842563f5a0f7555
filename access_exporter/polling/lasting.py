"""Keeps parts of a target's summary after the target was removed, or while its name belongs to another subject.

Example: the start time of a policy test. If someone replaces the policies of a target and later restores them, the
exporter must not start the test too early.
"""

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from access_exporter.collectors import AnyCollector, Key

# Limits: the names of targets, and the subjects of one name. The exporter drops the oldest first.
MOST_NAMES = 10_000
MOST_SUBJECTS = 100

Others: TypeAlias = Mapping[str, msgspec.Raw]


def fingerprint(collector: AnyCollector) -> str:
    """Return a digest that identifies the subject of a target without revealing it."""
    return hashlib.sha256(repr(collector.subject).encode()).hexdigest()


class Lasting:
    """The kept parts of summaries, encoded, by the name and the subject of their targets."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: dict[Key, dict[str, msgspec.Raw]] = {}

    def note(self, collector: AnyCollector, summary: object) -> None:
        """Keep the part of a summary that must outlast the target."""
        lasting = None if summary is None else collector.lasting(summary)
        if lasting is not None:
            self._add(collector.identity, {fingerprint(collector): msgspec.Raw(msgspec.json.encode(lasting))})

    def restore(self, collector: AnyCollector, others: Others) -> None:
        """Keep the stored parts of other subjects, unless there are newer ones."""
        known = self._kept.get(collector.identity, {})
        self._add(collector.identity, {subject: summary for subject, summary in others.items() if subject not in known})

    def of(self, collector: AnyCollector) -> object:
        """Return the kept part for the subject of a target, or None."""
        noted = self._kept.get(collector.identity, {}).get(fingerprint(collector))
        try:
            return None if noted is None else msgspec.json.decode(noted, type=collector.summary_type)
        except msgspec.MsgspecError:  # it is from another kind of target with the same name
            return None

    def others(self, collector: AnyCollector) -> Others:
        """Return the kept parts of other subjects that had the same name."""
        mine = fingerprint(collector)
        return {subject: noted for subject, noted in self._kept.get(collector.identity, {}).items() if subject != mine}

    def _add(self, key: Key, noted: Others) -> None:
        older = {subject: summary for subject, summary in self._kept.pop(key, {}).items() if subject not in noted}
        self._kept[key] = dict([*older.items(), *noted.items()][-MOST_SUBJECTS:])
        if len(self._kept) > MOST_NAMES:
            del self._kept[next(iter(self._kept))]
