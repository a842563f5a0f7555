"""Lists the applications and reusable policies of an account: GET /accounts/{account_id}/access/apps and …/policies."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from access_exporter.cloudflare import NOTHING_FOUND, Client, Endpoint, Found, Walk
from access_exporter.collectors import access_policies
from access_exporter.collectors.access_policies import Policy, Reusable, Tested
from access_exporter.collectors.possible import Digest
from access_exporter.errors import InvalidResponseError

NAME = "applications"
PERMISSION = "Access: Apps and Policies Read"
# A row contains all rules, so a page of 1000 rows could be too large.
_ROWS_OF_A_PAGE = 100
APPLICATIONS = Endpoint(NAME, "/accounts/{account_id}/access/apps", PERMISSION, page_size=_ROWS_OF_A_PAGE)
POLICIES = Endpoint("policies", "/accounts/{account_id}/access/policies", PERMISSION, page_size=_ROWS_OF_A_PAGE)

ID = r"[\x20-\x7e]{1,64}"  # an id becomes a label
MOST_ROWS = 10_000  # Cloudflare's default limits are 500 applications and 500 policies
MOST_BYTES = 32 * 1024 * 1024  # decoded rules take up to twelve times their size in memory


_PolicyId = Annotated[str, Meta(min_length=1, max_length=64)]  # the limits of an id in the configuration


class Revisions(msgspec.Struct, frozen=True):
    """The revisions, by id, of the reusable policies that the configuration names. Deleted policies are missing."""

    policies: Annotated[dict[_PolicyId, Digest], Meta(max_length=MOST_ROWS)] = {}


class Application(msgspec.Struct):
    """The fields of a row that the exporter reads. Any field may be missing.

    `unreadable` is True if the row has a value for `policies` that is not a list.
    """

    id: str | None = None
    name: str | None = None
    type: str | None = None
    policies: list[Any] | None = None  # Any: policies, or their ids
    unreadable: bool = False

    def lose(self, fields: set[str]) -> None:
        """Record which fields are invalid."""
        self.unreadable = "policies" in fields

    def in_order(self, reusable: Reusable) -> list[Policy]:
        """Return its policies in the order of their evaluation. Raises ValueError if a policy cannot be read."""
        if self.unreadable:
            raise ValueError("not a list of policies")
        return access_policies.in_order(self.policies or (), reusable)

    def tested(self, reusable: Reusable) -> list[Tested]:
        """Return its policies for the request of a policy test. Raises ValueError as `in_order` does."""
        return access_policies.tested(self.in_order(reusable), reusable)


class ApplicationList:
    """The applications and the reusable policies of one account.

    `applications_found` and `policies_found` are the results of the last walks.
    """

    def __init__(self, client: Client, account_id: str, within: float) -> None:
        """Each walk may take `within` seconds."""
        self._client = client
        self._account_id = account_id
        self._within = within
        self.applications_found = self.policies_found = NOTHING_FOUND

    def reusable(self, before: Found = NOTHING_FOUND, *, is_optional: bool = False) -> Reusable:
        """Return the reusable policies by id. Raises PollError if the list cannot be read to its end.

        `before` is the result of the last walk over the same list.
        """
        resource = POLICIES.of(self._account_id)
        walk = self._client.walk(resource, Policy, self._within, before, is_optional=is_optional)
        policies = {row.id: row for rows in _bounded(walk) for row in rows if row.id and row.reusable is not False}
        self.policies_found = walk.found
        return policies

    def applications(self, before: Found = NOTHING_FOUND) -> Iterator[Application]:
        """Yield the applications that have an id. Raises PollError as `reusable` does."""
        walk = self._client.walk(APPLICATIONS.of(self._account_id), Application, self._within, before)
        for rows in _bounded(walk):
            yield from (row for row in rows if re.fullmatch(ID, row.id or ""))
        self.applications_found = walk.found


def _bounded(walk: Walk[Any]) -> Iterator[list[Any]]:  # Any: rows of either list
    listed = 0
    for rows in walk:
        listed += len(rows)
        if listed > MOST_ROWS:
            raise InvalidResponseError(f"the account lists more than {MOST_ROWS} applications or policies")
        if walk.size > MOST_BYTES:
            raise InvalidResponseError(f"the account's applications or policies take more than {MOST_BYTES} bytes")
        yield rows
