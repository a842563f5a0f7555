"""The permissions that the tokens have: for `--config.check --online`. Shows nothing that Cloudflare answers."""

from collections.abc import Iterator
from typing import NamedTuple

from access_exporter.cloudflare import Client, Permission
from access_exporter.collectors import configured
from access_exporter.config import Account
from access_exporter.errors import AuthError, PermissionMissingError, PollError


class Answer(NamedTuple):
    """Whether the token has a permission, in a word, and why not; `is_good` if nothing has to be done."""

    permission: Permission
    verdict: str
    why: str
    is_good: bool

    def line(self) -> str:
        """Return the answer as a line."""
        optional = " (optional)" if self.permission.is_optional else ""
        why = f": {self.why}" if self.why else ""
        return f"    {self.verdict:<11}  {self.permission.name}{optional}{why}"


def answers(account: Account, client: Client) -> Iterator[Answer]:
    """Ask once for each permission that the account needs, and yield the answers."""
    needed: dict[str, Permission] = {}
    for collector in configured(account, client):
        for permission in collector.permissions():
            before = needed.get(permission.name)
            if before is None or before.is_optional:
                needed[permission.name] = permission
    for permission in needed.values():
        yield _answer(permission, client)


def _answer(permission: Permission, client: Client) -> Answer:
    if permission.resource is None:
        return Answer(permission, "not checked", "only to start a test would tell", is_good=True)
    try:
        client.get_once(permission.resource.one_row(), object)
    except (AuthError, PermissionMissingError) as failure:
        return Answer(permission, "missing", str(failure), is_good=permission.is_optional)
    except PollError as failure:
        return Answer(permission, "unknown", str(failure), is_good=permission.is_optional)
    return Answer(permission, "yes", "", is_good=True)
