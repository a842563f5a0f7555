"""Turns that clients share fairly by their address: for large answers, and for checks of passwords.

An address has a burden: its turns under way, and those that were held against it. The address with the smallest burden
is next, so that a flood from some addresses keeps no other address waiting. Of those with the same burden, an address
that has read its last answer whole goes first.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

# While everybody who waits can have a turn so soon, requests of an address are served in their order. In a longer queue
# the oldest ones are likely given up, and one of the newest is next: a flood always has the oldest.
PATIENT_SECONDS = 7
NEWEST = 4
MAX_ADDRESSES = 1000  # whose burden is remembered


class Waiter(Protocol):
    """A client that waits for its turn."""

    @property
    def address(self) -> str:
        """Whose share its turns count for."""

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
        self._waiting: dict[str, list[asyncio.Future[Turn]]] = {}  # the address that asked last is the last

    async def take(self, waiter: Waiter) -> Turn:
        """Wait for a turn. Whoever takes one gives it back."""
        turn: asyncio.Future[Turn] = asyncio.get_running_loop().create_future()
        address = waiter.address
        self._waiting[address] = [*self._waiting.pop(address, ()), turn]
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
        """Return the address that is next, if anybody waits: of the least burdened ones the one that asked last."""
        return min(
            reversed(self._waiting),
            key=lambda address: (self.burden(address), address not in self._trusted),
            default=None,
        )

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

    def _give(self) -> None:
        """Give away the turns that are free."""
        while (address := self.next_address()) is not None:
            if self._taken >= (self._most_burdened if self.burden(address) else self._most):
                return
            turn = self._waiting[address][self._place(address)]
            self._forget(address, turn)
            if not turn.cancelled():
                self._taken += 1
                self._add_burden(address, 1)
                turn.set_result(Turn(address, self._clock()))

    def _place(self, address: str) -> int:
        """Return which of those that wait at an address is next."""
        number = len(self._waiting[address])
        seconds = sum(map(len, self._waiting.values())) * self._seconds / self._most_burdened
        return 0 if seconds < PATIENT_SECONDS else number - random.randint(1, min(NEWEST, number))

    def _forget(self, address: str, turn: asyncio.Future[Turn]) -> None:
        waiting = self._waiting.get(address, [])
        if turn in waiting:
            waiting.remove(turn)
        if not waiting:
            self._waiting.pop(address, None)

    def _add_burden(self, address: str, turns: int) -> None:
        burden = self._burdens.pop(address, 0) + turns
        if burden > 0:
            self._burdens[address] = burden
        if len(self._burdens) > MAX_ADDRESSES:
            del self._burdens[next(iter(self._burdens))]
