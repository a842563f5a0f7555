"""Checks the policies in a request for a policy test: ids of reusable policies, or objects with known fields."""

from access_exporter.simulator.account import Account, members

_REQUIRED = {"name": str, "decision": str, "include": list}
_OPTIONAL = {
    "exclude": list,
    "require": list,
    "approval_groups": list,
    "approval_required": bool,
    "isolation_required": bool,
    "purpose_justification_prompt": str,
    "purpose_justification_required": bool,
    "session_duration": str,
}
_DECISIONS = ("allow", "deny", "non_identity", "bypass")


def tested_policy(account: Account, policy: object) -> str | None:
    """Return the id of a reusable policy or the name of another policy, or None if it cannot be tested.

    If the account has a list of reusable policies, only the ids in it can be tested.
    """
    if isinstance(policy, str):
        listed = account.lists.get("policies")
        ids = None if listed is None else [members(each).get("id") for each in listed]
        return policy if ids is None or policy in ids else None
    if not isinstance(policy, dict) or not policy.keys() <= (_REQUIRED | _OPTIONAL).keys():
        return None
    if not policy.keys() >= _REQUIRED.keys() or policy["decision"] not in _DECISIONS:
        return None
    fits = (isinstance(value, (_REQUIRED | _OPTIONAL)[name]) for name, value in policy.items())
    return str(policy["name"]) if all(fits) else None
