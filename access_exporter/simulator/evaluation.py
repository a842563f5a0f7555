"""Evaluates policies for each user of an account, in a simulated policy test. The policies may be saved or unsaved.

The first policy that applies to a user decides. A user is blocked if no policy applies. A policy applies to a user who
matches one rule of `include`, all rules of `require` and no rule of `exclude`
(https://developers.cloudflare.com/cloudflare-one/access-controls/policies/).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import TypeAlias

from access_exporter.simulator.account import Account, PolicyTestUser, members

Groups: TypeAlias = Mapping[str, Set[str]]  # the ids of the users in a group, by the id of the group
_SHARE_OF_UNKNOWN_RULES = 80  # percent of users who match a rule that the simulator does not know


def results(account: Account, policies: Iterable[object], groups: Groups | None = None) -> Iterator[PolicyTestUser]:
    """Yield the result of a policy test for each user. `policies` are policy objects or ids of reusable policies."""
    reusable = {str(members(row).get("id")): members(row) for row in account.lists.get("policies", ())}
    known = [_policy(policy, reusable) for policy in policies]
    for user in map(members, account.users):
        status = _status(known, user, groups or {})
        yield PolicyTestUser(str(user.get("id")), _text(user.get("email")), _text(user.get("name")), status)


def _policy(policy: object, reusable: Mapping[str, Mapping[str, object]]) -> Mapping[str, object]:
    return policy if isinstance(policy, Mapping) else reusable.get(str(policy), {})


def _status(policies: Sequence[Mapping[str, object]], user: Mapping[str, object], groups: Groups) -> str:
    if not user.get("email"):
        return "error"  # a user without an email cannot be evaluated
    for policy in policies:
        if _applies(policy, user, groups):
            return "blocked" if policy.get("decision") == "deny" else "approved"
    return "blocked"


def _applies(policy: Mapping[str, object], user: Mapping[str, object], groups: Groups) -> bool:
    fits = {
        name: [_fits(rule, user, groups) for rule in rules] if isinstance(rules := policy.get(name), list) else []
        for name in ("include", "require", "exclude")
    }
    return any(fits["include"]) and all(fits["require"]) and not any(fits["exclude"])


def _fits(rule: Mapping[str, Mapping[str, object]], user: Mapping[str, object], groups: Groups) -> bool:
    """Return whether a user matches a rule."""
    email = str(user.get("email")).lower()
    if "everyone" in rule:
        return True
    if "email" in rule:
        return str(rule["email"].get("email")).lower() == email
    if "email_domain" in rule:
        return str(rule["email_domain"].get("domain")).lower() == email.rpartition("@")[2]
    if "group" in rule and (group := str(rule["group"].get("id"))) in groups:
        return user.get("id") in groups[group]
    named = json.dumps([rule, user.get("id")], sort_keys=True, default=str)
    return hashlib.sha256(named.encode()).digest()[0] * 100 < _SHARE_OF_UNKNOWN_RULES * 256


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
