"""Prepares policies for a policy test, and hashes them to a revision. The revision changes with every edit.

To test a reusable policy, the exporter sends its id. To test a policy that belongs to one application, it sends an
object with the rules (https://developers.cloudflare.com/api/resources/zero_trust/subresources/access/, "Start Access
policy test").
"""

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import msgspec

# The fields of a policy that a test accepts, in the order of the API page.
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
# The order of these lists has no meaning.
_RULES = ("include", "exclude", "require")
DECISIONS = ("allow", "deny", "bypass", "non_identity")
_WITHOUT_PEOPLE = ("bypass", "non_identity")  # these allow people without an evaluation

_MOST = 2**53  # a larger number is not a precedence

# A policy in the request of a test: the id of a reusable policy, or an object.
Tested: TypeAlias = str | dict[str, Any]  # Any: JSON that is passed on unchanged


class Policy(msgspec.Struct):
    """A policy, reusable or of one application. Any field may be missing. The exporter passes rules on unchanged."""

    id: str | None = None
    name: str | None = None
    decision: str | None = None
    precedence: Any = None  # Any: a number, or any other value
    reusable: Any = None  # Any: a bool, or any other value
    updated_at: Any = None  # Any: the exporter only compares it
    include: Any = None  # Any: passed on
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
        """Whether the policy evaluates people. The decisions `bypass` and `non_identity` do not."""
        return self.decision not in _WITHOUT_PEOPLE

    def accepted(self) -> dict[str, Any]:  # Any: JSON
        """Return the policy as an object that a test accepts."""
        fields = ((name, getattr(self, name)) for name in ACCEPTED)
        return {name: value for name, value in fields if value is not None}

    def facts(self) -> dict[str, Any]:  # Any: JSON
        """Return the fields that an edit changes. Empty lists count as missing. The order of rules does not matter."""
        facts = {name: value for name, value in self.accepted().items() if value != []}
        facts |= {name: sorted(map(_text, facts[name])) for name in _RULES if isinstance(facts.get(name), list)}
        return facts if self.updated_at is None else facts | {"updated_at": self.updated_at}


Reusable: TypeAlias = Mapping[str, Policy]  # by id


def in_order(rows: Iterable[object], reusable: Reusable) -> list[Policy]:
    """Return the policies of an application in the order of their evaluation.

    A row may be only an id. Its decision then comes from the list of reusable policies. Raises ValueError for a row
    that is not a policy.
    """
    policies = [_policy(row, reusable) for row in rows]
    return sorted(policies, key=lambda policy: _precedence(policy.precedence))


def tested(policies: Iterable[Policy], reusable: Reusable) -> list[Tested]:
    """Return the policies for the request of a test, in the same order."""
    return [policy.id if policy.id and _is_reusable(policy, reusable) else policy.accepted() for policy in policies]


def revision(policies: Iterable[Policy], reusable: Reusable) -> str:
    """Return a hash of the policies. It changes only with the policies, their order, their rules and `updated_at`.

    Raises ValueError if a value cannot be written as JSON.
    """
    return _hash([(policy.id, policy.facts(), _reusable_facts(policy.id, reusable)) for policy in policies])


def revisions(reusable: Reusable, ids: Iterable[str]) -> dict[str, str]:
    """Return the revision of each reusable policy with one of these ids."""
    found = {}
    for policy in (reusable[each] for each in ids if each in reusable):
        with contextlib.suppress(ValueError):  # an unreadable policy counts as deleted
            found[policy.id or ""] = _hash(policy.facts())
    return found


def together(revisions: Iterable[str | None]) -> str:
    """Return one revision for several policies that are tested together; None means a deleted policy."""
    return _hash(list(revisions))


def decisions(policies: Iterable[Policy]) -> dict[str, int]:
    """Count policies by decision; `unknown` counts decisions that Cloudflare does not document."""
    found = Counter(policy.decision if policy.decision in DECISIONS else "unknown" for policy in policies)
    return {name: found[name] for name in (*DECISIONS, "unknown")}


def _policy(row: object, reusable: Reusable) -> Policy:
    """Return a policy of an application. If its decision is missing, take it from the list of reusable policies."""
    try:
        policy = Policy(id=row) if isinstance(row, str) else msgspec.convert(row, Policy)
    except (msgspec.ValidationError, UnicodeError, RecursionError):
        raise ValueError("not a policy") from None
    if isinstance(row, str | dict) and (policy.id or policy.decision):
        known = reusable.get(policy.id or "")
        return msgspec.structs.replace(policy, decision=policy.decision or (known.decision if known else None))
    raise ValueError("not a policy")


def _is_reusable(policy: Policy, reusable: Reusable) -> bool:
    """Return whether a test accepts the id of the policy. A policy without rules must be a reusable one."""
    return policy.id in reusable or policy.reusable is True or policy.include is None


def _reusable_facts(policy_id: str | None, reusable: Reusable) -> dict[str, Any] | None:  # Any: JSON
    policy = reusable.get(policy_id or "")
    return policy.facts() if policy else None


def _precedence(value: object) -> float:
    """Return the precedence of a policy. Policies without a valid precedence come last, in the order of the list."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:
        return float("inf")
    return value


def _hash(value: object) -> str:
    return hashlib.sha256(_text(value).encode()).hexdigest()


def _text(value: object) -> str:
    """Return a value as JSON with sorted keys."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, RecursionError):
        raise ValueError("cannot be written as JSON") from None
