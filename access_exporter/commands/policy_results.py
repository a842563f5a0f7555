"""The result of each person in a policy test, and its change from one test to another."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from access_exporter.collectors import policy_preview

UNKNOWN = "unknown"
SAME, NOT_COMPARED = "same", "not_compared"
# The order of the list: results that need attention come first.
_STATUSES = ("blocked", "error", UNKNOWN, "approved")
CHANGES = ("newly_blocked", "newly_error", "newly_approved", NOT_COMPARED, SAME)


@dataclass(frozen=True)
class Results:
    """The people in a finished test, by id. `announced` is the number of people that the test covers, or None."""

    test_id: str
    announced: int | None
    people: dict[str, policy_preview.Person]

    @classmethod
    def of(cls, test_id: str, announced: int | None, rows: Iterable[policy_preview.Person]) -> "Results":
        """Return the results in these rows. A row without an id counts as one more person, who is in this test only."""
        people: dict[str, policy_preview.Person] = {}
        for number, row in enumerate(rows):
            people.setdefault(row.id or f"row {number} of {test_id}", row)
        return cls(test_id, announced, people)

    @property
    def missing(self) -> int:
        """The difference between the number of people that the test covers and the number that it lists."""
        return abs((self.announced or 0) - len(self.people)) if self.announced is not None else 0

    @cached_property
    def counts(self) -> dict[str, int]:
        """The number of people with each result."""
        found = Counter(status(person) for person in self.people.values())
        return {name: found[name] for name in (*policy_preview.RESULTS, UNKNOWN)}

    @property
    def unnamed(self) -> int:
        """The number of people without an id."""
        return sum(not person.id for person in self.people.values())

    def problems(self) -> Iterator[str]:
        """Yield the reasons why the results are incomplete. A limit checked with such results would prove nothing."""
        if self.announced is None:
            yield f"policy test {self.test_id} does not say how many people it covers"
        elif self.missing:
            listed = f"lists {len(self.people):,} people but covers {self.announced:,}"
            yield f"policy test {self.test_id} {listed}"
        if not self.people and not self.missing:
            yield f"policy test {self.test_id} covers no people: Cloudflare tests only people who have logged in before"
        if unknown := self.counts[UNKNOWN]:
            yield f"policy test {self.test_id} has {unknown:,} results that the exporter does not know"


def status(person: policy_preview.Person) -> str:
    """Return a person's result."""
    return person.status if person.status in policy_preview.RESULTS else UNKNOWN


class Change(NamedTuple):
    """The results of a person before and after. One of them is None if the person is in only one of the tests."""

    kind: str
    before: str | None
    after: str | None
    person: policy_preview.Person

    @property
    def place(self) -> tuple[object, ...]:
        """The sort key of the list."""
        return (CHANGES.index(self.kind), *place(self.person))


def place(person: policy_preview.Person) -> tuple[object, ...]:
    """Return the sort key of a person in the list. People without access come first."""
    return _STATUSES.index(status(person)), person.email or "", person.name or "", person.id or ""


def changes(before: Results, after: Results) -> list[Change]:
    """Return all people of both tests, sorted."""
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
