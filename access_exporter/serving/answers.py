"""The large answers under way: how many and how much of pages they hold, and which one makes room.

An answer holds its page until the client has read it, also when there is a newer page. While others wait for a turn, a
client that does not read makes room: one of the address that has the most answers, and there who has read last.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from access_exporter.serving.turns import Turn, Turns, Waiter

MAX_ANSWERS = 40
MAX_HELD_BYTES = 32 * 1024 * 1024
UNREAD_SECONDS = 0.25  # without reading, while another answer waits for a turn
# What a client's system has taken of an unread answer stays in its buffers, which may be on this machine. So a crowd is
# answered slowly after so many were dropped; who asks last is next (turns.py), and waits no longer.
QUICK_DROPS = 200
DROPS_PER_SECOND = 2
_LOOK_SECONDS = 0.05


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
        self._drops = float(QUICK_DROPS)  # that are allowed at the moment
        self._looked_at = 0.0

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
        while self._held_bytes() > MAX_HELD_BYTES and (unread := self._unread(self._parts, float("inf"))):
            self._drop(unread[0])

    def __contains__(self, reader: Reader) -> bool:
        """Tell whether an answer is under way."""
        return reader in self._under_way

    def end(self, reader: Reader) -> None:
        """Note that an answer is no longer under way."""
        self._parts.pop(reader, None)
        if turn := self._under_way.pop(reader, None):
            self._turns.give_back(turn)

    def taken(self, reader: Reader) -> None:
        """Note that a client has taken its answer whole; its address then goes before those that took none so far."""
        if reader in self._under_way:
            self._turns.trust(reader.address)
        self.end(reader)

    def _held_bytes(self) -> int:
        """Return the bytes of all answers; what several share counts once."""
        return sum({id(part): len(part) for parts in self._parts.values() for part in parts}.values())

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._make_room)

    def _make_room(self) -> None:
        """Drop clients that do not read for those who wait, and look again while anybody waits."""
        now = asyncio.get_running_loop().time()
        self._drops = min(QUICK_DROPS, self._drops + DROPS_PER_SECOND * (now - self._looked_at))
        self._looked_at = now
        while (
            (address := self._turns.next_address()) is not None
            and (self._drops >= 1 or self._turns.is_trusted(address))
            and (victim := self._victim(address, now - UNREAD_SECONDS))
        ):
            self._drops -= not self._turns.is_trusted(address)
            self._drop(victim)
        self._look = None
        if self._turns.next_address() is not None:
            self._look_later()

    def _victim(self, address: str, since: float) -> Reader | None:
        """Return who makes room for an address, if anybody has not read since then."""
        least = self._turns.burden(address)
        burdens = {reader: self._turns.burden(reader.address) for reader in self._unread(self._under_way, since)}
        busiest = max(burdens.values(), default=-1)
        # Those who have not read for the longest time come first.
        return next(reader for reader in burdens if burdens[reader] == busiest) if busiest >= least else None

    @staticmethod
    def _unread(readers: Iterable[Reader], since: float) -> list[Reader]:
        """Return who has not read since then, and first who has not read for the longest time."""
        unread = [(reader.unread_since, reader) for reader in readers if reader.unread_since is not None]
        return [reader for when, reader in sorted(unread, key=lambda pair: pair[0]) if when <= since]

    def _drop(self, reader: Reader) -> None:
        self._turns.distrust(reader.address)
        reader.abort()
        self.end(reader)
