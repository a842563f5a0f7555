"""A request, and the answer to it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """A request's path, query and headers (their names in lower case), and the address of who sent it."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    client: str


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
