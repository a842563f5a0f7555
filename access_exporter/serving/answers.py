"""The large answers under way: how many and how much of pages they hold, and which one makes room.

An answer holds its page until the client has read it, also when there is a newer page. A client that does not read
makes room for another address soon, for its own address and others with as many answers later.
"""

import asyncio
from typing import Protocol

from access_exporter.serving.turns import Turn, Turns, Waiter

MAX_ANSWERS = 40
MAX_HELD_BYTES = 32 * 1024 * 1024
UNREAD_SECONDS = 5  # without reading, while another answer waits for a turn
UNFAIR_SECONDS = 0.5  # the same, where the other answer is of an address that has fewer
_LOOK_SECONDS = 0.1


class Reader(Waiter, Protocol):
    """A client that is being answered."""

    @property
    def unread_since(self) -> float | None:
        """When the client stopped reading, in the time of the event loop; None while it reads."""

    def abort(self) -> None:
        """Drop the client."""


class Answers:
    """The large answers under way."""

    def __init__(self, most: int = MAX_ANSWERS) -> None:
        """Allow so many at a time; a quarter of them is for addresses that have none."""
        self._turns = Turns(most, max(1, most * 3 // 4))
        self._under_way: dict[Reader, Turn] = {}
        self._parts: dict[Reader, tuple[bytes, ...]] = {}
        self._look: asyncio.TimerHandle | None = None

    async def begin(self, reader: Reader) -> None:
        """Wait until one more answer may be under way."""
        if self._look is None:
            self._look_later()
        self._under_way[reader] = await self._turns.take(reader)

    def hold(self, reader: Reader, parts: tuple[bytes, ...]) -> None:
        """Note what an answer holds; who has not read for the longest time makes room if that is too much."""
        if reader not in self._under_way:
            return
        self._parts[reader] = parts
        while self._held_bytes() > MAX_HELD_BYTES and (victim := self._longest_unread()):
            self._drop(victim)

    def end(self, reader: Reader) -> None:
        """Note that an answer is no longer under way."""
        self._parts.pop(reader, None)
        if turn := self._under_way.pop(reader, None):
            self._turns.give_back(turn)

    def _held_bytes(self) -> int:
        """Return the bytes of all answers; what several share counts once."""
        return sum({id(part): len(part) for parts in self._parts.values() for part in parts}.values())

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._make_room)

    def _make_room(self) -> None:
        """Drop clients that do not read for those who wait, and look again while anybody waits."""
        while (address := self._turns.next_address()) is not None and (victim := self._victim(address)):
            self._drop(victim)
        self._look = None
        if self._turns.next_address() is not None:
            self._look_later()

    def _victim(self, address: str) -> Reader | None:
        """Return who makes room for an address: a client of the busiest address, and there who has read last."""
        now = asyncio.get_running_loop().time()
        burden = self._turns.burden(address)
        candidates = [
            (self._turns.burden(reader.address), now - reader.unread_since, reader)
            for reader in self._under_way
            if reader.unread_since is not None
        ]
        unread = [each for each in candidates if each[1] >= (UNFAIR_SECONDS if each[0] > burden else UNREAD_SECONDS)]
        return max(unread, key=lambda each: each[:2])[2] if unread else None

    def _longest_unread(self) -> Reader | None:
        unread = [(reader.unread_since, reader) for reader in self._parts if reader.unread_since is not None]
        return min(unread, key=lambda each: each[0])[1] if unread else None

    def _drop(self, reader: Reader) -> None:
        reader.abort()
        self.end(reader)
