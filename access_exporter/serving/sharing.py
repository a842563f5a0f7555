"""Pages that take long to make: all clients that ask while a page is being made share the next page.

So each client gets a page that the server began to make after its request. For many requests at the same time, the
server makes only two pages.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from access_exporter.background import call

T = TypeVar("T")


class Shared(Generic[T]):
    """A result that a thread computes once for all callers that wait for it."""

    def __init__(self, make: Callable[[], T], name: str) -> None:
        """Compute the result with `make` in a thread called `name`."""
        self._make = make
        self._name = name
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return a result that the thread began to compute after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._make_after(self._current))
        return await asyncio.shield(self._next)  # one cancelled caller must not cancel it for the others

    async def _make_after(self, current: "asyncio.Task[T] | None") -> T:
        if current and not current.done():
            await asyncio.wait((current,))
        self._current, self._next = self._next, None
        return await asyncio.wrap_future(call(self._make, self._name))
