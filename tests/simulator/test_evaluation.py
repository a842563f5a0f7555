"""Results of simulated policies: which users they approve."""

from typing import Any

import pytest

from access_exporter.simulator import Account, User
from access_exporter.simulator.evaluation import results

ANN, BOB, NO_ADDRESS = User("1", email="ann@example.com"), User("2", email="Bob@Example.org"), User("3")
EVERYONE: dict[str, Any] = {"everyone": {}}
IS_ANN = {"email": {"email": "ANN@example.com"}}
IS_ORG = {"email_domain": {"domain": "example.org"}}
IN_GROUP = {"group": {"id": "g"}}


def policy(decision: str, *include: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "Draft", "decision": decision, "include": list(include), **fields}


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ([], ["blocked", "blocked"]),
        ([policy("allow", EVERYONE)], ["approved", "approved"]),
        ([policy("bypass", EVERYONE)], ["approved", "approved"]),
        ([policy("deny", EVERYONE)], ["blocked", "blocked"]),
        ([policy("allow", IS_ANN)], ["approved", "blocked"]),
        ([policy("allow", IS_ORG)], ["blocked", "approved"]),
        ([policy("allow", IN_GROUP)], ["blocked", "approved"]),
        ([policy("allow", IS_ANN, IS_ORG)], ["approved", "approved"]),
        ([policy("allow", EVERYONE, exclude=[IS_ANN])], ["blocked", "approved"]),
        ([policy("allow", EVERYONE, require=[IS_ANN])], ["approved", "blocked"]),
        ([policy("allow", EVERYONE, require=[IS_ANN, IS_ORG])], ["blocked", "blocked"]),
        ([policy("deny", IS_ANN), policy("allow", EVERYONE)], ["blocked", "approved"]),
        ([policy("allow", EVERYONE), policy("deny", IS_ANN)], ["approved", "approved"]),
        (["saved"], ["approved", "blocked"]),
        (["gone"], ["blocked", "blocked"]),
        (["gone", policy("allow", IS_ORG)], ["blocked", "approved"]),
    ],
)
def test_results(policies: list[Any], expected: list[str]) -> None:
    """The first policy that applies decides; a user without an e-mail address ends in an error."""
    account = Account("a", [ANN, BOB, NO_ADDRESS])
    account.lists["policies"] = ({"id": "saved", **policy("allow", IS_ANN)},)
    rows = list(results(account, policies, {"g": {"2"}}))
    assert [row.status for row in rows] == [*expected, "error"]
    assert [row.id for row in rows] == ["1", "2", "3"]


def test_rules_that_are_not_simulated() -> None:
    """An unknown rule matches some users, always the same ones; another rule matches other users."""
    account = Account("a", [User(str(number), email=f"{number}@example.com") for number in range(200)])
    first, again, other = (
        [row.status for row in results(account, [policy("allow", {"okta": {"name": name}})])]
        for name in ("staff", "staff", "sales")
    )
    assert first == again != other
    assert 120 < first.count("approved") < 190
