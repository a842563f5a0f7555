"""A request and how it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import requests

from access_exporter.cloudflare.endpoints import Endpoint
from access_exporter.cloudflare.progress import WalkProgress

STARTED = (200, 201, 202)  # with any status, a good answer of a POST names what it started


@dataclass(frozen=True)
class Call:
    """A request and how it is sent.

    `before` is called right before it, `good` are the statuses of success, and `patience` is how many seconds it may
    wait for its turn. One that `is_optional` takes no place in flight from others. `progress` follows its walk.
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
        """Return the request in the name of a credential."""
        request = self.request.copy()
        request.url = f"{request.url}{self.query}"
        request.headers.update(headers)
        return request
