"""The twelve applications of the demo account. Their policies change from time to time, as by an administrator."""

import random
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime

from access_exporter.simulator.account import Row

# Name, type and policies of each application. A policy that is not reusable belongs to one application only.
_APPLICATIONS: Sequence[tuple[str, str, tuple[str, ...]]] = (
    ("Wiki", "self_hosted", ("Staff",)),
    ("Payroll", "saas", ("No contractors", "Finance")),
    ("Source code", "self_hosted", ("Engineering", "Staff")),
    ("Build servers", "ssh", ("Engineering", "Deploy jobs")),
    ("Grafana", "self_hosted", ("On call", "Staff")),
    ("Grafana", "self_hosted", ("On call",)),
    ("Customer records", "saas", ("No contractors", "Sales")),
    ("Tickets", "saas", ("Staff", "Contractors")),
    ("App launcher", "app_launcher", ("Staff",)),
    ("Public status", "self_hosted", ("Everyone may see it",)),
    ("Old intranet", "self_hosted", ()),
    ("Team calendar", "bookmark", ()),
)
_REUSABLE = ("Staff", "Engineering", "No contractors")
_DECISIONS = {"No contractors": "deny", "Everyone may see it": "bypass", "Deploy jobs": "non_identity"}
# An edit adds one of these policies to its application, and a later edit removes it again.
_ADDED = (("Old intranet", "Staff"), ("Tickets", "Everyone may see it"))
_ROUGH_SHARE = 0.3  # the share of edits that lock out many users
_MOST_LOCKED_OUT = 12  # the most users that such an edit locks out
_EDIT_SHARE = 0.03  # the share of steps with an edit
_MOST_DENIED = 5
_MOST_MOVED = 4  # the most users that any other edit locks out


class Applications:
    """The applications, their policies, and the users that each policy blocks.

    `choices` makes the random choices, `people` is the number of users, and `new_id` makes ids.
    """

    def __init__(self, choices: random.Random, people: int, new_id: Callable[[], str], now: datetime) -> None:
        self._choices = choices
        self._people = people
        names = sorted({name for _, _, policies in _APPLICATIONS for name in policies})
        self._ids = {name: new_id() for name in names}
        self._application_ids = [new_id() for _ in _APPLICATIONS]
        self._edits = dict.fromkeys(names, 0)
        self._edited = dict.fromkeys(names, now)
        self._blocked = {name: set(choices.sample(range(people), people // 5)) for name in names}
        self._blocked["Deploy jobs"] = set(range(people))  # only machines have access
        self._newly_blocked: dict[str, set[int]] = {}  # the users that the last edit blocked, until it is undone
        self._added: set[tuple[str, str]] = set()

    def step(self, now: datetime) -> None:
        """In 3 % of the steps, edit a policy or undo its edit, or add a policy to an application or remove it again."""
        if self._choices.random() >= _EDIT_SHARE:
            return
        edits: list[str | tuple[str, str]] = [*sorted(self._ids), *_ADDED]
        edit = self._choices.choice(edits)
        if isinstance(edit, tuple):
            self._added ^= {edit}
            return
        self._edits[edit] += 1
        self._edited[edit] = now
        if edit in self._newly_blocked:
            self._blocked[edit] -= self._newly_blocked.pop(edit)
            return
        most = _MOST_LOCKED_OUT if self._choices.random() < _ROUGH_SHARE else _MOST_MOVED
        allowed = sorted(set(range(self._people)) - self._blocked[edit])
        self._newly_blocked[edit] = set(
            self._choices.sample(allowed, min(len(allowed), self._choices.randint(1, most)))
        )
        self._blocked[edit] |= self._newly_blocked[edit]

    def policies(self) -> tuple[Row, ...]:
        """Return the reusable policies."""
        return tuple(self._policy(name) for name in _REUSABLE)

    def applications(self) -> tuple[Row, ...]:
        """Return the applications."""
        added = {application: (policy,) for application, policy in self._added}
        return tuple(
            {
                "id": key,
                "name": name,
                "type": kind,
                "policies": [
                    {**self._policy(policy), "precedence": number}
                    for number, policy in enumerate((*policies, *added.get(name, ())), start=1)
                ],
            }
            for key, (name, kind, policies) in zip(self._application_ids, _APPLICATIONS, strict=True)
        )

    def groups(self, people: Sequence[str]) -> dict[str, set[str]]:
        """Return the groups that the policies include: the ids of the users, by the id of the group.

        A test of a policy from before its last edit gives the result of the current policy.
        """
        return {
            self._group(name, edit): {people[number] for number in self._members(name)}
            for name, last in self._edits.items()
            for edit in (last, last - 1)
        }

    def _members(self, name: str) -> set[int]:
        """Return the users that a policy includes: for a deny policy, a few; for others, all that it does not block."""
        blocked = self._blocked[name]
        if _DECISIONS.get(name) == "deny":
            return set(sorted(blocked)[:_MOST_DENIED])
        return set(range(self._people)) - blocked

    def _group(self, name: str, edit: int) -> str:
        """Return the id of the group that a policy includes after its edit number `edit`."""
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name.lower()} {edit}"))

    def _policy(self, name: str) -> dict[str, object]:
        return {
            "id": self._ids[name],
            "name": name,
            "decision": _DECISIONS.get(name, "allow"),
            "include": [{"group": {"id": self._group(name, self._edits[name])}}],
            "exclude": [],
            "require": [],
            "reusable": name in _REUSABLE,
            "updated_at": self._edited[name],
        }
