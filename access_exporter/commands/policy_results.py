"""The results of a policy test, person by person, and who changes from one test to another."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from access_exporter.collectors import policy_preview

UNKNOWN = "unknown"
SAME, NOT_COMPARED = "same", "not_compared"
# In the order in which people want to read of them.
_STATUSES = ("blocked", "error", UNKNOWN, "approved")
CHANGES = ("newly_blocked", "newly_error", "newly_approved", NOT_COMPARED, SAME)


@dataclass(frozen=True)
class Results:
    """The people in a finished test, by id; `announced` is how many there should be, None where that is not known."""

    test_id: str
    announced: int | None
    people: dict[str, policy_preview.Person]

    @classmethod
    def of(cls, test_id: str, announced: int | None, rows: Iterable[policy_preview.Person]) -> "Results":
        """Return the results in these rows; a row without an id is a person of its own, whom no other test knows."""
        people: dict[str, policy_preview.Person] = {}
        for number, row in enumerate(rows):
            people.setdefault(row.id or f"row {number} of {test_id}", row)
        return cls(test_id, announced, people)

    @property
    def missing(self) -> int:
        """By how many people the rows differ from what the test covers."""
        return abs((self.announced or 0) - len(self.people)) if self.announced is not None else 0

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of people by result."""
        found = Counter(status(person) for person in self.people.values())
        return {name: found[name] for name in (*policy_preview.RESULTS, UNKNOWN)}

    @property
    def unnamed(self) -> int:
        """The number of people without an id."""
        return sum(not person.id for person in self.people.values())

    def problems(self) -> Iterator[str]:
        """Yield why the results are not complete: what is checked with them would not be proven."""
        if self.announced is None:
            yield f"policy test {self.test_id} does not say how many people it covers"
        elif self.missing:
            listed = f"lists {len(self.people):,} people but covers {self.announced:,}"
            yield f"policy test {self.test_id} {listed}"
        if not self.people and not self.missing:
            yield f"policy test {self.test_id} covers nobody: it tests only people who have logged in before"
        if unknown := self.counts[UNKNOWN]:
            yield f"policy test {self.test_id} has {unknown:,} results that are not documented"


def status(person: policy_preview.Person) -> str:
    """Return a person's result."""
    return person.status if person.status in policy_preview.RESULTS else UNKNOWN


class Change(NamedTuple):
    """What changes for a person: the results before and after; one is None for who is in one of the tests only."""

    kind: str
    before: str | None
    after: str | None
    person: policy_preview.Person

    @property
    def place(self) -> tuple[object, ...]:
        """What people are sorted by."""
        return (CHANGES.index(self.kind), *place(self.person))


def place(person: policy_preview.Person) -> tuple[object, ...]:
    """Return what people are sorted by: who is not let in comes first."""
    return _STATUSES.index(status(person)), person.email or "", person.name or "", person.id or ""


def changes(before: Results, after: Results) -> list[Change]:
    """Return everybody in either test, sorted."""
    found = [_change(person, before.people.get(key)) for key, person in after.people.items()]
    gone = (person for key, person in before.people.items() if key not in after.people)
    found += [Change(NOT_COMPARED, status(person), None, person) for person in gone]
    return sorted(found, key=lambda change: change.place)


def _change(after: policy_preview.Person, before: policy_preview.Person | None) -> Change:
    if before is None:
        return Change(NOT_COMPARED, None, status(after), after)
    known = status(before), status(after)
    if UNKNOWN in known:
        return Change(NOT_COMPARED, *known, after)
    return Change(SAME if known[0] == known[1] else f"newly_{known[1]}", *known, after)
