"""Policies from the API: what a policy test uses of them, and how an edit is detected."""

import random
from typing import Any

import pytest

from access_exporter.collectors import access_policies
from access_exporter.collectors.access_policies import KnownPolicy, Policy

STAFF = {"email_domain": {"domain": "example.com"}}
GUESTS = {"group": {"id": "guests"}}
OWN: dict[str, Any] = {
    "id": "own",
    "name": "Allow staff",
    "decision": "allow",
    "precedence": 2,
    "include": [STAFF, GUESTS],
    "exclude": [],
    "require": None,
    "session_duration": "24h",
    "approval_required": False,
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-02T00:00:00Z",
    "uid": "something",
    "app_count": 1,
}
LISTED: dict[str, Any] = {"id": "reusable", "name": "Deny guests", "decision": "deny", "include": [GUESTS]}
DENY_GUESTS = Policy(id="reusable", name="Deny guests", decision="deny", include=[GUESTS])
REUSABLE = {"reusable": access_policies.known(DENY_GUESTS)}


def body(*rows: object) -> list[Any]:
    return access_policies.tested(access_policies.in_order(rows, REUSABLE), REUSABLE)


def revision(*rows: object, reusable: dict[str, KnownPolicy] = REUSABLE) -> str:
    return access_policies.revision(access_policies.in_order(rows, reusable), reusable)


def test_an_own_policy_is_an_object() -> None:
    """From a policy of one application, a test gets only the fields that it accepts, without null values."""
    kept = ("name", "decision", "include", "exclude", "session_duration", "approval_required")
    assert body(OWN) == [{name: OWN[name] for name in kept}]


@pytest.mark.parametrize("row", ["reusable", {"id": "reusable"}, LISTED, LISTED | {"reusable": True}])
def test_a_reusable_policy_is_its_id(row: object) -> None:
    """A reusable policy is tested by its id, whether the application gives the id or the whole policy."""
    assert body(row) == ["reusable"]


@pytest.mark.parametrize("row", ["new", {"id": "new"}, OWN | {"id": "new", "reusable": True}])
def test_policy_with_only_an_id(row: object) -> None:
    """A policy without rules, or one marked as reusable, is tested by its id, even if no list contains it."""
    assert body(row) == ["new"]


def test_precedence() -> None:
    """Policies are tested in order of precedence; policies without a valid precedence come last, in listed order."""
    places = [3, None, 1, "2", 2, True, 10**400, float("nan"), 1.5]
    rows = [{"id": str(number), "precedence": place} for number, place in enumerate(places)]
    assert body(*rows) == ["2", "8", "4", "0", "1", "3", "5", "6", "7"]


@pytest.mark.parametrize("row", [None, 5, [], {}, {"id": 5}, {"id": ""}, {"name": "x"}, {"id": "x", "decision": []}])
def test_invalid_policy(row: object) -> None:
    """An invalid row is an error, because a test without this policy would give wrong results."""
    with pytest.raises(ValueError, match="not a policy"):
        body(OWN, row)


@pytest.mark.parametrize(
    "changes",
    [
        {"decision": "deny"},
        {"include": [STAFF]},
        {"exclude": [GUESTS]},
        {"require": [GUESTS]},
        {"updated_at": "2026-01-03T00:00:00Z"},
        {"id": "another"},
        {"session_duration": "1h"},
        {"name": "Allow everyone"},
    ],
)
def test_edit(changes: dict[str, Any]) -> None:
    """Any change that can alter the test result counts as an edit, and so does a new `updated_at`."""
    assert revision(OWN | changes) != revision(OWN)


def test_an_edit_of_a_reusable_policy() -> None:
    """A change of rules in the list of reusable policies is an edit, even if the application only names the id."""
    edited = {"reusable": access_policies.known(Policy(id="reusable", decision="deny", include=[STAFF]))}
    assert revision({"id": "reusable"}, reusable=edited) != revision({"id": "reusable"})


def test_an_edit_of_the_order() -> None:
    """A new order of policies is an edit; new precedence numbers in the same order are not."""
    first, second = {"id": "1", "precedence": 1}, {"id": "2", "precedence": 2}
    assert revision(first | {"precedence": 3}, second) != revision(first, second)
    assert revision(first, second | {"precedence": 7}) == revision(first, second) == revision(second, first)


def test_no_edit() -> None:
    """A new order of keys or rules is not an edit, and neither is an empty list instead of null or nothing."""
    names = list(OWN)
    random.Random(1).shuffle(names)
    shuffled = {name: OWN[name] for name in names} | {"include": [dict(reversed(GUESTS.items())), STAFF]}
    without = {name: value for name, value in shuffled.items() if name not in ("exclude", "require")}
    assert revision(without) == revision(shuffled) == revision(OWN | {"require": []}) == revision(OWN)


def test_revision_is_a_hash() -> None:
    """A revision is a hash, because rules contain names of people."""
    assert len(revision(OWN)) == len(revision()) == 64


def test_rules_that_are_not_json() -> None:
    """Rules that cannot be written as JSON are an error."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for rules in ([float("nan")], deep):
        with pytest.raises(ValueError, match="JSON"):
            revision(OWN | {"include": rules})
