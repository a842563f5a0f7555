"""A request, and the answer to it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qs

from access_exporter.serving.turns import Waiter


class Client(Waiter, Protocol):
    """Who sent a request and waits for the answer."""

    async def take_turn(self) -> None:
        """Wait until one more large answer may be under way; the turn ends with the answer."""


@dataclass(frozen=True)
class Request:
    """A request's path, query, the headers that a page looks at (their names in lower case), and who sent it."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    client: Client

    def values(self, name: str) -> list[str]:
        """Return the values of a query parameter. They are not kept: a request that waits takes little memory."""
        return parse_qs(self.query).get(name, [])


@dataclass(frozen=True)
class Response:
    """An answer: text, sent as UTF-8, or bytes in parts."""

    body: str | tuple[bytes, ...]
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> tuple[bytes, ...]:
        """Return the body as bytes."""
        return (self.body.encode(errors="replace"),) if isinstance(self.body, str) else self.body


Application = Callable[[Request], Awaitable[Response]]
