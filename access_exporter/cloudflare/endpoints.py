"""The endpoints of Cloudflare's API: name, path and required permission."""

import re
from typing import NamedTuple
from urllib.parse import quote

import msgspec


class Endpoint(msgspec.Struct, frozen=True):
    """An endpoint of the API: its name in metrics, its path, and the permission that the token needs.

    `has_totals` says whether the API states the number of rows of the list. `page_size` is the most rows that the
    exporter requests at once. The exporter adds `query` to each request for a list with cursor pagination.
    `shows_text` says whether the exporter may show text from the responses.
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
        """The path for messages, without the account, and with ID in place of each id."""
        return re.sub(r"\{\w+\}", "ID", self.path.removeprefix("/accounts/{account_id}"))

    def of(self, account_id: str, policy_test_id: str = "") -> "Resource":
        """Return the resource of an account, or of one policy test of the account."""
        path = self.path.format(account_id=quote(account_id, safe=""), policy_test_id=quote(policy_test_id, safe=""))
        return Resource(self, path)


class Resource(NamedTuple):
    """An endpoint with its path filled in."""

    endpoint: Endpoint
    path: str

    def one_row(self) -> "Resource":
        """Return the resource with at most one row. A policy test is not a list, and stays as it is."""
        if "policy_test_id" in self.endpoint.path:
            return self
        query = "&".join(filter(None, (self.endpoint.query, "per_page=1")))
        return self._replace(path=f"{self.path}?{query}")


class Permission(NamedTuple):
    """A permission that a collector needs.

    A GET of `resource` shows whether the token has the permission. `resource` is None if only a request that changes
    something would show it. If the permission `is_optional`, the collector works without it.
    """

    name: str
    resource: Resource | None
    is_optional: bool = False
