"""Turns that limit concurrent work: large responses and password checks. Each network address gets a fair share.

The burden of an address is the number of its turns in progress, plus the turns that are held against it (checks of
wrong passwords). The address with the smallest burden gets the next turn, so a flood from some addresses does not block
the others. Among addresses with the same burden, a trusted address goes first: its client has read its last response
completely. A refused client waits behind all other clients of addresses with a burden.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

# If all waiting clients can get a turn within this time, the oldest request of an address goes first. In a longer
# queue, the oldest requests likely belong to a patient flood, so the newest request goes first. If all clients of an
# address were refused, one of them may be no part of the flood, so some turns go to the oldest request.
PATIENT_SECONDS = 3
OLDEST_SHARE_OF_REFUSED = 1 / 2
MAX_ADDRESSES = 1000  # limits the memory for burdens and for trusted addresses


class Waiter(Protocol):
    """A client that waits for its turn."""

    @property
    def address(self) -> str:
        """The network address of the client. All clients of an address share its turns."""

    was_refused: bool
    """Whether the last turn of the client was held against it."""

    at_end: Callable[[], None] | None
    """What to call as soon as the server knows that the connection ends."""

    async def wait(self, turn: "asyncio.Future[Turn]") -> "Turn":
        """Wait for the turn. Raises CancelledError if the server drops the client, which cancels the turn."""


@dataclass(frozen=True)
class Turn:
    """A turn in progress: the address that has it, and its start time (monotonic clock)."""

    address: str
    since: float


@dataclass
class _Burden:
    """The turns that count against an address, and the number of its last turn, counted over all addresses."""

    turns: int = 0
    last_turn: int = 0


class Turns:
    """The turns in progress and the clients that wait for one; limits the number of turns in progress."""

    def __init__(self, most: int, most_burdened: int, clock: Callable[[], float] = monotonic) -> None:
        """Allow `most` turns at a time. An address with a burden gets one only while fewer than `most_burdened` run."""
        self._most = most
        self._most_burdened = most_burdened
        self._clock = clock
        self._taken = 0
        self._seconds = 0.0  # the duration of the last turn
        self._given = 0  # turns so far
        self._burdens: dict[str, _Burden] = {}  # the most recently changed one is last
        self._trusted: dict[str, None] = {}  # the most recently trusted address is last
        # The address with the newest request is last, and so is the newest request of an address.
        self._waiting: dict[str, dict[asyncio.Future[Turn], Waiter]] = {}

    async def take(self, waiter: Waiter) -> Turn:
        """Wait for a turn and return it; the caller must give it back. Raises CancelledError for a dropped client."""
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        address = waiter.address
        self._waiting[address] = {**self._waiting.pop(address, {}), turn: waiter}
        self._give()
        try:
            return turn.result() if turn.done() else await waiter.wait(turn)
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(turn.result())
            else:
                self._forget(address, turn)
            raise

    def give_back(self, turn: Turn, *, held_against: bool = False) -> float:
        """End a turn and return its duration in seconds.

        A turn that is held against its address remains a burden until no turn is in progress and no client waits.
        """
        self._taken -= 1
        self._seconds = seconds = self._clock() - turn.since
        if not held_against:
            self._add_burden(turn.address, -1)
        self._give()
        if not self._taken and not self._waiting:
            self._burdens.clear()
        return seconds

    def burden(self, address: str) -> int:
        """Return the burden of an address: its turns in progress and the turns held against it."""
        return self._burdens[address].turns if address in self._burdens else 0

    def next_address(self) -> str | None:
        """Return the address that gets the next turn, or None if no client waits.

        The smallest rank wins, then the address with the newest request. The rank is that of a round-robin for
        addresses with the same burden.
        """
        return min(reversed(self._waiting), key=self._rank, default=None)

    def trust(self, address: str) -> None:
        """Let an address go first among addresses with the same burden."""
        self._trusted.pop(address, None)
        self._trusted[address] = None
        if len(self._trusted) > MAX_ADDRESSES:
            del self._trusted[next(iter(self._trusted))]

    def distrust(self, address: str) -> None:
        """Stop trusting an address."""
        self._trusted.pop(address, None)

    def is_trusted(self, address: str) -> bool:
        """Return whether an address is trusted."""
        return address in self._trusted

    def _rank(self, address: str) -> tuple[bool, int, bool, int]:
        """Return the rank of an address with waiting clients; the smallest rank is next."""
        burden = self._burdens.get(address, _Burden())
        was_refused = burden.turns > 0 and all(waiter.was_refused for waiter in self._waiting[address].values())
        return was_refused, burden.turns, address not in self._trusted, burden.last_turn

    def _give(self) -> None:
        """Give the free turns to waiting clients."""
        while (address := self.next_address()) is not None:
            if self._taken >= (self._most_burdened if self.burden(address) else self._most):
                return
            turn = self._next_of(self._waiting[address])
            self._forget(address, turn)
            if not turn.cancelled():
                self._taken += 1
                self._given += 1
                self._add_burden(address, 1)
                self._burdens[address].last_turn = self._given
                turn.set_result(Turn(address, self._clock()))

    def _next_of(self, waiting: "dict[asyncio.Future[Turn], Waiter]") -> "asyncio.Future[Turn]":
        """Return the request that goes first among the waiting requests of an address."""
        fresh = [turn for turn, waiter in waiting.items() if not waiter.was_refused]
        turns = fresh or list(waiting)
        seconds = sum(map(len, self._waiting.values())) * self._seconds / self._most_burdened
        is_oldest = seconds < PATIENT_SECONDS or (not fresh and random.random() < OLDEST_SHARE_OF_REFUSED)
        return turns[0 if is_oldest else -1]

    def _forget(self, address: str, turn: asyncio.Future[Turn]) -> None:
        waiting = self._waiting.get(address, {})
        waiting.pop(turn, None)
        if not waiting:
            self._waiting.pop(address, None)

    def _add_burden(self, address: str, turns: int) -> None:
        burden = self._burdens.pop(address, _Burden())
        burden.turns += turns
        if burden.turns > 0:
            self._burdens[address] = burden
        if len(self._burdens) > MAX_ADDRESSES:
            del self._burdens[next(iter(self._burdens))]
