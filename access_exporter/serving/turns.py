"""Turns that clients share fairly by their address: for large answers, and for checks of passwords.

An address has a burden: its turns under way, and those that were held against it. The address with the smallest burden
is next, so that a flood from some addresses keeps no other address waiting. Of those with the same burden, an address
that has read its last response completely goes first. A client that was refused before waits behind all other clients
whose address has a burden.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

# If all waiting clients can have a turn within this time, the requests of an address are served in their order. In a
# longer queue, a patient flood has the oldest requests, so the newest one is next. A part of the turns goes to the oldest
# one, because a flood that keeps connecting again has the newest requests.
PATIENT_SECONDS = 7
OLDEST_SHARE = 1 / 4
MAX_ADDRESSES = 1000  # whose burden is remembered


class Waiter(Protocol):
    """A client that waits for its turn."""

    @property
    def address(self) -> str:
        """Whose share its turns count for."""

    after_refusal: Callable[[], None] | None
    """What to do when the connection ends; None if no turn of the client was held against it."""

    async def wait(self, turn: "asyncio.Future[Turn]") -> "Turn":
        """Wait for the turn; to drop the client cancels the turn, which raises CancelledError here."""


@dataclass(frozen=True)
class Turn:
    """A turn that was taken, and when (monotonic)."""

    address: str
    since: float


class Turns:
    """At most so many turns at a time."""

    def __init__(self, most: int, most_burdened: int, clock: Callable[[], float] = monotonic) -> None:
        """Keep the turns above `most_burdened` for addresses without a burden."""
        self._most = most
        self._most_burdened = most_burdened
        self._clock = clock
        self._taken = 0
        self._seconds = 0.0  # that the last turn took
        self._burdens: dict[str, int] = {}
        self._trusted: dict[str, None] = {}  # the one that was trusted last is the last
        # The address that asked last is the last one, and so is its newest request.
        self._waiting: dict[str, dict[asyncio.Future[Turn], Waiter]] = {}

    async def take(self, waiter: Waiter) -> Turn:
        """Wait for a turn. Whoever takes one gives it back."""
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
        """End a turn, and return how many seconds it took.

        One that is held against its address stays a burden until nobody has a turn or waits for one.
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
        """Return how many turns count against an address."""
        return self._burdens.get(address, 0)

    def next_address(self) -> str | None:
        """Return the address that is next, if a client waits: of several, the one that asked last."""
        return min(reversed(self._waiting), key=self._rank, default=None)

    def trust(self, address: str) -> None:
        """Let an address go first among those with the same burden."""
        self._trusted.pop(address, None)
        self._trusted[address] = None
        if len(self._trusted) > MAX_ADDRESSES:
            del self._trusted[next(iter(self._trusted))]

    def distrust(self, address: str) -> None:
        """Take that back."""
        self._trusted.pop(address, None)

    def is_trusted(self, address: str) -> bool:
        """Return whether an address goes first."""
        return address in self._trusted

    def _rank(self, address: str) -> tuple[bool, int, bool]:
        """Return the place of an address among those that wait; the smallest is next."""
        burden = self.burden(address)
        was_refused = bool(burden) and all(waiter.after_refusal for waiter in self._waiting[address].values())
        return was_refused, burden, address not in self._trusted

    def _give(self) -> None:
        """Give away the turns that are free."""
        while (address := self.next_address()) is not None:
            if self._taken >= (self._most_burdened if self.burden(address) else self._most):
                return
            turn = self._next_of(self._waiting[address])
            self._forget(address, turn)
            if not turn.cancelled():
                self._taken += 1
                self._add_burden(address, 1)
                turn.set_result(Turn(address, self._clock()))

    def _next_of(self, waiting: "dict[asyncio.Future[Turn], Waiter]") -> "asyncio.Future[Turn]":
        """Return which of the requests that wait at an address is next."""
        turns = [turn for turn, waiter in waiting.items() if not waiter.after_refusal] or list(waiting)
        seconds = sum(map(len, self._waiting.values())) * self._seconds / self._most_burdened
        return turns[0] if seconds < PATIENT_SECONDS or random.random() < OLDEST_SHARE else turns[-1]

    def _forget(self, address: str, turn: asyncio.Future[Turn]) -> None:
        waiting = self._waiting.get(address, {})
        waiting.pop(turn, None)
        if not waiting:
            self._waiting.pop(address, None)

    def _add_burden(self, address: str, turns: int) -> None:
        burden = self._burdens.pop(address, 0) + turns
        if burden > 0:
            self._burdens[address] = burden
        if len(self._burdens) > MAX_ADDRESSES:
            del self._burdens[next(iter(self._burdens))]
