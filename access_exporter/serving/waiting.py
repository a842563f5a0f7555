"""The connections that wait for their client or for their turn: how many may, and which one makes room for the next.

One of the address that has most of them makes room: a crowd from some addresses drops nobody else's connection.
"""

import logging
import resource
from collections.abc import Callable
from typing import Protocol

from access_exporter.logs import facts

log = logging.getLogger(__name__)

MAX_WAITING = 1000
USUAL_OPEN_FILES = 1024  # the limit where it cannot be read
# What clients have not taken, mostly in buffers of the system, which needs up to twice as much memory for it.
MAX_UNTAKEN_BYTES = 24 * 1024 * 1024


def allowed_connections() -> int:
    """Raise the limit of open files as far as it is needed and allowed; return how many connections may wait."""
    wanted, soft = 4 * MAX_WAITING, USUAL_OPEN_FILES
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return MAX_WAITING
        if soft < wanted:
            raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    except (OSError, ValueError) as error:  # a sandbox may refuse to raise it, or even to read it
        log.warning("cannot raise the limit of open files", extra=facts(limit=soft, wanted=wanted, error=error))
    return min(MAX_WAITING, soft // 2)


class Waits(Protocol):
    """A connection that may have to wait."""

    @property
    def address(self) -> str:
        """Whose share it counts for."""

    @property
    def untaken(self) -> int:
        """The bytes that were sent and that its client has not taken yet."""

    def abort(self) -> None:
        """Drop it."""


Share = dict[Waits, int]  # the connections of an address, in the order in which they began to wait, with untaken bytes


class Waiting:
    """The connections that wait."""

    def __init__(self, most: int) -> None:
        """Keep at most so many."""
        self._most = most
        self._number = 0
        self._bytes = 0
        self._shares: dict[str, Share] = {}

    def add(self, connection: Waits) -> None:
        """Note that a connection waits from now on; others are dropped if there are too many, or too many bytes."""
        self.remove(connection)
        untaken = connection.untaken
        self._shares.setdefault(connection.address, {})[connection] = untaken
        self._number += 1
        self._bytes += untaken
        if self._number > self._most:
            self._drop(next(iter(self._busiest(len))))
        if self._bytes > MAX_UNTAKEN_BYTES:
            self._measure()
        while self._bytes > MAX_UNTAKEN_BYTES:
            share = self._busiest(lambda share: sum(share.values()))
            self._drop(next(each for each, untaken in share.items() if untaken))

    def remove(self, connection: Waits) -> None:
        """Note that a connection does not wait any more."""
        share = self._shares.get(connection.address, {})
        if connection in share:
            self._number -= 1
            self._bytes -= share.pop(connection)
            if not share:
                del self._shares[connection.address]

    def _measure(self) -> None:
        """Count the bytes again: clients have taken some meanwhile."""
        for share in self._shares.values():
            share.update({connection: connection.untaken for connection in share})
        self._bytes = sum(sum(share.values()) for share in self._shares.values())

    def _busiest(self, weight: Callable[[Share], int]) -> Share:
        return max(self._shares.values(), key=weight)

    def _drop(self, connection: Waits) -> None:
        self.remove(connection)
        connection.abort()
