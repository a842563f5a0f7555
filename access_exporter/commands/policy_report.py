"""The report on a policy: how many people get each result, which results change, and which limits are exceeded."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from access_exporter.collectors import policy_preview
from access_exporter.commands import policy_results
from access_exporter.commands.limit import Limit
from access_exporter.commands.policy_results import CHANGES, NOT_COMPARED, Change, Results
from access_exporter.commands.table import Row, writable

MAX_BLOCKED, MAX_NEWLY_BLOCKED = "--max-blocked", "--max-newly-blocked"
_PERSON = ("email", "name", "id")
_WORDS = {MAX_BLOCKED: "blocked", MAX_NEWLY_BLOCKED: "newly blocked"}


class Verdict(NamedTuple):
    """A limit, the number of people that it counts, and the number of people tested."""

    flag: str
    limit: Limit
    people: int
    tested: int

    @property
    def is_exceeded(self) -> bool:
        """Whether there are more people than the limit allows."""
        return self.limit.is_exceeded(self.people, self.tested)

    def __str__(self) -> str:
        share = f" ({100 * self.people / self.tested:.1f}%)" if self.tested else ""
        held = "exceeded" if self.is_exceeded else "kept"
        counted = f"{self.people:,} of {self.tested:,} people tested are {_WORDS[self.flag]}{share}"
        return f"{self.flag}={self.limit.text} is {held}: {counted}"


@dataclass(frozen=True)
class Report:
    """The results of the new policies and, with `--compare-with`, those of the saved policies.

    `limits` has each limit by its flag. With `lists_all`, the report lists all people by name. Otherwise it lists only
    the people who are blocked, in error or get another result.
    """

    account_id: str
    proposed: Results
    saved: policy_preview.Saved | None = None
    present: Results | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    lists_all: bool = False

    @cached_property
    def changes(self) -> list[Change]:
        """All people with the change of their result; empty without a comparison."""
        return policy_results.changes(self.present, self.proposed) if self.present else []

    @cached_property
    def changed(self) -> dict[str, int]:
        """The number of people with each change."""
        found = Counter(each.kind for each in self.changes)
        return {kind: found[kind] for kind in CHANGES}

    def verdicts(self) -> list[Verdict]:
        """Return for each limit whether it is exceeded. Return nothing if the results are incomplete."""
        if list(self.problems()):
            return []
        people = {MAX_BLOCKED: self.proposed.counts["blocked"], MAX_NEWLY_BLOCKED: self.changed["newly_blocked"]}
        tested = len(self.proposed.people)
        return [Verdict(flag, limit, people[flag], tested) for flag, limit in self.limits.items()]

    def problems(self) -> Iterator[str]:
        """Yield the reasons why the results are incomplete."""
        yield from self.proposed.problems()
        if not self.present:
            return
        yield from self.present.problems()
        for each in (self.proposed, self.present):
            if each.unnamed:
                yield f"policy test {each.test_id} lists {each.unnamed:,} people without an id, who cannot be compared"
        if sum(self.changed.values()) == self.changed[NOT_COMPARED] > 0:
            yield "no person is in both tests, so they cannot be compared"

    def counts(self) -> Iterator[tuple[str, int, int | None]]:
        """Yield each result with the number of people who would get it, and the number who have it now."""
        present = self.present.counts if self.present else {}
        for name, number in self.proposed.counts.items():
            before = present.get(name)
            if name != policy_results.UNKNOWN or number or before:
                yield name, number, before

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the list of people."""
        return ("change", "status_before", "status", *_PERSON) if self.present else ("status", *_PERSON)

    def people(self) -> Iterator[Row]:
        """Yield a row for each listed person."""
        if self.present:
            for change in self.changes:
                if self.lists_all or change.kind.startswith("newly_"):
                    yield change.kind, change.before, change.after, *_person(change.person)
            return
        for person in sorted(self.proposed.people.values(), key=policy_results.place):
            status = policy_results.status(person)
            if self.lists_all or status != "approved":
                yield status, *_person(person)


def _person(person: policy_preview.Person) -> Row:
    return writable(person.email), writable(person.name), writable(person.id)
