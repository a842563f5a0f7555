"""What a policy test takes for a policy: the id of a reusable one, or an object of the fields that it knows."""

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
    """Return the id or the name of a policy to test; None for what a test does not accept.

    An account that lists reusable policies knows no other ids.
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
