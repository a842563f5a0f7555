"""The API's pages: what each is called, where it is, and the permission it asks for."""

import re
from typing import NamedTuple
from urllib.parse import quote

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """An API page: its name in metrics, its path below the account, and the permission it asks for.

    `has_totals` says whether the API states how many rows a list has, and `page_size` is the most rows of it
    that are requested at once. `query` is added to each request for a list with cursor pagination.
    `shows_text` says whether text from its answers may be shown.
    """

    name: str
    path: str
    permission: str
    has_totals: bool = True
    page_size: int = 1000
    query: str = ""
    shows_text: bool = True

    @property
    def place(self) -> str:
        """The path in messages: below the account, and the same for every id."""
        return re.sub(r"\{\w+\}", "ID", self.path.removeprefix("/accounts/{account_id}"))

    def of(self, account_id: str, policy_test_id: str = "") -> "Resource":
        """Return what this page says of one account, or of one policy test in it."""
        path = self.path.format(account_id=quote(account_id, safe=""), policy_test_id=quote(policy_test_id, safe=""))
        return Resource(self, path)


class Resource(NamedTuple):
    """An endpoint with its path filled in."""

    endpoint: Endpoint
    path: str

    def one_row(self) -> "Resource":
        """Return the same list with a single row; a policy test is no list."""
        if "policy_test_id" in self.endpoint.path:
            return self
        query = "&".join(filter(None, (self.endpoint.query, "per_page=1")))
        return self._replace(path=f"{self.path}?{query}")


class Permission(NamedTuple):
    """A permission that a collector needs.

    `resource` is what a request can try it on; None: only a request that changes something. If it `is_optional`, a
    refusal is no failure.
    """

    name: str
    resource: Resource | None
    is_optional: bool = False
