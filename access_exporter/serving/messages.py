"""An HTTP request, its response, and the client that sent the request."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

from access_exporter.serving.turns import Waiter


class Client(Waiter, Protocol):
    """The client that sent a request and waits for the response."""

    async def take_turn(self) -> None:
        """Wait for a turn to send a large response. The turn ends with the response."""


@dataclass(frozen=True)
class Request:
    """A request: method, path, query, the headers that pages read (names in lower case), and the client."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    client: Client

    def values(self, name: str) -> list[str]:
        """Return the values of a query parameter. They are not cached, so a waiting request needs little memory."""
        return parse_qs(self.query).get(name, [])


@dataclass(frozen=True)
class Response:
    """A response. Its body is text, which is sent as UTF-8, or a series of byte strings."""

    body: str | tuple[bytes, ...]
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> tuple[bytes, ...]:
        """Return the body as byte strings."""
        return (self.body.encode(errors="replace"),) if isinstance(self.body, str) else self.body


Application = Callable[[Request], Awaitable[Response]]
