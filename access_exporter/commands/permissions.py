"""The permissions of the tokens, for `--config.check --online`. Prints no data from the responses of Cloudflare."""

from collections.abc import Iterator
from typing import NamedTuple

from access_exporter.cloudflare import Client, Permission
from access_exporter.collectors import configured
from access_exporter.config import Account
from access_exporter.errors import AuthError, PermissionMissingError, PollError


class Answer(NamedTuple):
    """Whether the token has a permission, and why not. If `is_good` is True, nothing has to be done."""

    permission: Permission
    verdict: str
    why: str
    is_good: bool

    def line(self) -> str:
        """Return the line to print."""
        optional = " (optional)" if self.permission.is_optional else ""
        why = f": {self.why}" if self.why else ""
        return f"    {self.verdict:<11}  {self.permission.name}{optional}{why}"


def answers(account: Account, client: Client) -> Iterator[Answer]:
    """Send one request for each permission that the account needs, and yield the answers."""
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
        return Answer(
            permission, "not checked", "only starting a policy test shows whether the token has it", is_good=True
        )
    try:
        client.get_once(permission.resource.one_row(), object)
    except (AuthError, PermissionMissingError) as failure:
        return Answer(permission, "missing", str(failure), is_good=permission.is_optional)
    except PollError as failure:
        return Answer(permission, "unknown", str(failure), is_good=permission.is_optional)
    return Answer(permission, "yes", "", is_good=True)
