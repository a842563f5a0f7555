"""A request and how the client sends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.progress import WalkProgress

STARTED = (200, 201, 202)  # the statuses of a good response to a POST; its body names what the POST started


@dataclass(frozen=True)
class Call:
    """A request and how the client sends it.

    The client calls `before` right before it sends the request. `good` has the statuses that mean success. `patience`
    is how many seconds the request may wait for the rate limit. Required requests never wait for an optional request
    (`is_optional`) to end. `progress` counts the pages of the walk that the request belongs to.
    """

    endpoint: Endpoint
    session: requests.Session
    request: requests.PreparedRequest
    query: str = ""
    patience: float = float("inf")
    before: Callable[[], None] = lambda: None
    good: tuple[int, ...] = (200,)
    is_optional: bool = False
    progress: WalkProgress | None = None

    def signed(self, headers: Mapping[str, str]) -> requests.PreparedRequest:
        """Return the request with the headers of a credential."""
        request = self.request.copy()
        request.url = f"{request.url}{self.query}"
        request.headers.update(headers)
        return request
