"""The policies of an application as a policy test takes them, and a revision that changes with every edit.

A reusable policy is tested by its id, one that belongs to an application alone as an object with its rules
(https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/, "Start Access policy test").
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

# The fields of a policy that a test accepts, in the order of the API page. All others are left out.
ACCEPTED = (
    "decision",
    "include",
    "exclude",
    "require",
    "name",
    "approval_groups",
    "approval_required",
    "isolation_required",
    "purpose_justification_prompt",
    "purpose_justification_required",
    "session_duration",
)
# In such lists the order has no meaning.
_RULES = ("include", "exclude", "require")
DECISIONS = ("allow", "deny", "bypass", "non_identity")
_WITHOUT_PEOPLE = ("bypass", "non_identity")  # these allow people without an evaluation

_MOST = 2**53  # what is larger can be no place in a list

# What a test takes for a policy: the id of a reusable one, or an object.
Tested: TypeAlias = str | dict[str, Any]  # Any: JSON that is passed on as it came


class Policy(msgspec.Struct):
    """A policy, reusable or in an application; any field may be missing. Most are passed on as they come."""

    id: str | None = None
    name: str | None = None
    decision: str | None = None
    precedence: Any = None  # Any: a number, or any other value
    reusable: Any = None  # Any: a bool, or any other value
    updated_at: Any = None  # Any: is only compared
    include: Any = None  # Any: passed on, as all below
    exclude: Any = None  # Any: passed on
    require: Any = None  # Any: passed on
    approval_groups: Any = None  # Any: passed on
    approval_required: Any = None  # Any: passed on
    isolation_required: Any = None  # Any: passed on
    purpose_justification_prompt: Any = None  # Any: passed on
    purpose_justification_required: Any = None  # Any: passed on
    session_duration: Any = None  # Any: passed on

    @property
    def evaluates_people(self) -> bool:
        """Whether the policy looks at who somebody is."""
        return self.decision not in _WITHOUT_PEOPLE

    def accepted(self) -> dict[str, Any]:  # Any: JSON
        """Return the policy as an object that a test accepts."""
        fields = ((name, getattr(self, name)) for name in ACCEPTED)
        return {name: value for name, value in fields if value is not None}

    def facts(self) -> dict[str, Any]:  # Any: JSON
        """Return what an edit changes. An empty list is the same as none, and the order of rules has no meaning."""
        facts = {name: value for name, value in self.accepted().items() if value != []}
        facts |= {name: sorted(map(_text, facts[name])) for name in _RULES if isinstance(facts.get(name), list)}
        return facts if self.updated_at is None else facts | {"updated_at": self.updated_at}


Reusable: TypeAlias = Mapping[str, Policy]  # by id


def in_order(rows: Iterable[object], reusable: Reusable) -> list[Policy]:
    """Return the policies of an application in the order of their evaluation.

    A row may be an id alone: the rest of it is in the list of reusable policies. Raises ValueError for a row that is no
    policy.
    """
    policies = [_policy(row, reusable) for row in rows]
    return sorted(policies, key=lambda policy: _precedence(policy.precedence))


def tested(policies: Iterable[Policy], reusable: Reusable) -> list[Tested]:
    """Return what a test of these policies takes, in their order."""
    return [policy.id if policy.id and _is_reusable(policy, reusable) else policy.accepted() for policy in policies]


def revision(policies: Iterable[Policy], reusable: Reusable) -> str:
    """Return a text that changes with the policies, their order, their rules and `updated_at`, and with nothing else.

    Nothing can be read from it. Raises ValueError for what cannot be written as JSON.
    """
    told = [(policy.id, policy.facts(), _reusable_facts(policy.id, reusable)) for policy in policies]
    return _hash(told)


def revisions(reusable: Reusable, ids: Iterable[str]) -> dict[str, str]:
    """Return the revision of each reusable policy with one of these ids."""
    found = {}
    for policy in (reusable[each] for each in ids if each in reusable):
        with contextlib.suppress(ValueError):  # what cannot be read is as good as gone
            found[policy.id or ""] = _hash(policy.facts())
    return found


def together(revisions: Iterable[str | None]) -> str:
    """Return the revision of policies that are tested together; None stands for a deleted policy."""
    return _hash(list(revisions))


def decisions(policies: Iterable[Policy]) -> dict[str, int]:
    """Count policies by their decision; `unknown` is any that is not documented."""
    found = Counter(policy.decision if policy.decision in DECISIONS else "unknown" for policy in policies)
    return {name: found[name] for name in (*DECISIONS, "unknown")}


def _policy(row: object, reusable: Reusable) -> Policy:
    """Return a policy of an application; what it does not say of itself is as in the list of reusable ones."""
    try:
        policy = Policy(id=row) if isinstance(row, str) else msgspec.convert(row, Policy)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        raise ValueError("not a policy") from None
    if isinstance(row, str | dict) and (policy.id or policy.decision):
        known = reusable.get(policy.id or "")
        return msgspec.structs.replace(policy, decision=policy.decision or (known.decision if known else None))
    raise ValueError("not a policy")


def _is_reusable(policy: Policy, reusable: Reusable) -> bool:
    """Return whether a test takes the id. A policy without rules, of which only the id is known, can be no other."""
    return policy.id in reusable or policy.reusable is True or policy.include is None


def _reusable_facts(policy_id: str | None, reusable: Reusable) -> dict[str, Any] | None:  # Any: JSON
    policy = reusable.get(policy_id or "")
    return policy.facts() if policy else None


def _precedence(value: object) -> float:
    """Return the place of a policy; those without one come last, as they are listed."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return float("inf")
    return value


def _hash(value: object) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: object) -> str:
    """Return JSON that does not depend on the order of its keys."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, RecursionError):
        raise ValueError("not to be written as JSON") from None
