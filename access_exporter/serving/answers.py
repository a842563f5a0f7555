"""Limits on the number and the memory of large responses in progress, and the choice of the client to drop.

A response keeps its page in memory until the client has read it, even after the exporter made a newer page. While other
clients wait for a turn, the server drops a client that does not read: of the clients at the address with the most
responses in progress, the one that has not read for the longest time.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from access_exporter.serving.turns import Turn, Turns, Waiter

MAX_ANSWERS = 40
MAX_HELD_BYTES = 32 * 1024 * 1024
UNREAD_SECONDS = 0.25  # while other clients wait for a turn, a client that has not read for this time may be dropped
# After the server drops a client, the bytes that the client's system has already received stay in the buffers of that
# system. It may be this machine, so drops can use up memory. So after QUICK_DROPS drops in a burst, the server drops
# only DROPS_PER_SECOND clients. The client with the newest request does not wait longer: its turn is next (turns.py).
QUICK_DROPS = 200
DROPS_PER_SECOND = 2
_LOOK_SECONDS = 0.05


class Reader(Waiter, Protocol):
    """A client that waits for a response or reads one."""

    @property
    def unread_since(self) -> float | None:
        """The time when the client stopped reading (clock of the event loop); None while it reads."""

    def abort(self) -> None:
        """Drop the client: close its connection at once."""


class Answers:
    """The large responses in progress."""

    def __init__(self, most: int = MAX_ANSWERS) -> None:
        """Allow `most` responses at a time. A quarter is reserved for addresses without a response in progress."""
        self._turns = Turns(most, max(1, most * 3 // 4))
        self._under_way: dict[Reader, Turn] = {}
        self._parts: dict[Reader, tuple[bytes, ...]] = {}
        self._look: asyncio.TimerHandle | None = None
        self._drops = float(QUICK_DROPS)  # the number of clients that may be dropped now
        self._looked_at = 0.0

    async def begin(self, reader: Reader) -> None:
        """Wait for a turn to send a large response. Raises CancelledError if the client is dropped."""
        if self._look is None:
            self._look_later()
        self._under_way[reader] = await self._turns.take(reader)

    def hold(self, reader: Reader, parts: tuple[bytes, ...]) -> None:
        """Count the memory of a response. Above MAX_HELD_BYTES, drop clients, first the longest without reading."""
        if reader not in self._under_way:
            return
        self._parts[reader] = parts
        while self._held_bytes() > MAX_HELD_BYTES and (unread := self._unread(self._parts, float("inf"))):
            self._drop(unread[0])

    def __contains__(self, reader: Reader) -> bool:
        """Return whether a large response to this client is in progress."""
        return reader in self._under_way

    def end(self, reader: Reader) -> None:
        """End the response to a client, and free its turn."""
        self._parts.pop(reader, None)
        if turn := self._under_way.pop(reader, None):
            self._turns.give_back(turn)

    def taken(self, reader: Reader) -> None:
        """End a response that the client has received completely, and trust its address from now on."""
        if reader in self._under_way:
            self._turns.trust(reader.address)
        self.end(reader)

    def _held_bytes(self) -> int:
        """Return the bytes of all responses; a part that several responses share counts once."""
        return sum({id(part): len(part) for parts in self._parts.values() for part in parts}.values())

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._make_room)

    def _make_room(self) -> None:
        """Drop clients that do not read while other clients wait; repeat this until no client waits."""
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
        """Return the client to drop so that `address` gets a turn, or None if no client may be dropped for it."""
        least = self._turns.burden(address)
        burdens = {reader: self._turns.burden(reader.address) for reader in self._unread(self._under_way, since)}
        busiest = max(burdens.values(), default=-1)
        # The readers are sorted, so this takes the one that has not read for the longest time.
        return next(reader for reader in burdens if burdens[reader] == busiest) if busiest >= least else None

    @staticmethod
    def _unread(readers: Iterable[Reader], since: float) -> list[Reader]:
        """Return the clients that have not read since the time `since`. The client that stopped first comes first."""
        unread = [(reader.unread_since, reader) for reader in readers if reader.unread_since is not None]
        return [reader for when, reader in sorted(unread, key=lambda pair: pair[0]) if when <= since]

    def _drop(self, reader: Reader) -> None:
        self._turns.distrust(reader.address)
        reader.abort()
        self.end(reader)
