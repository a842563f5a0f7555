"""Pages that take long to make: whoever asks while one is being made shares the next one.

So each page is from after it was asked for, and a crowd costs no more than two pages.
"""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from access_exporter.background import call

T = TypeVar("T")


class Shared(Generic[T]):
    """Something that is made in a thread, for all who wait for it."""

    def __init__(self, make: Callable[[], T], name: str) -> None:
        """`name` is that of the thread."""
        self._make = make
        self._name = name
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return what was made after this call."""
        if self._next is None:
            self._next = asyncio.create_task(self._make_after(self._current))
        return await asyncio.shield(self._next)  # who stops waiting does not stop it for others

    async def _make_after(self, current: "asyncio.Task[T] | None") -> T:
        if current and not current.done():
            await asyncio.wait((current,))
        self._current, self._next = self._next, None
        return await asyncio.wrap_future(call(self._make, self._name))
