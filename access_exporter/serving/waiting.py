"""A limit on connections that wait for their client or for their turn, and the choice of the connection to drop.

When there are too many, the server drops a connection of the address that has the most. So a flood from some addresses
does not drop the connections of other addresses.
"""

import logging
import resource
from collections.abc import Callable
from typing import Protocol

from access_exporter.logs import facts

log = logging.getLogger(__name__)

MAX_WAITING = 1000
USUAL_OPEN_FILES = 1024  # assumed if the limit of open files cannot be read
# Bytes that the exporter sent and the clients have not received. Most of them are in socket buffers, and the operating
# system needs up to twice as much memory for these.
MAX_UNTAKEN_BYTES = 24 * 1024 * 1024


def allowed_connections() -> int:
    """Raise the limit of open files if needed and permitted. Return the maximum number of waiting connections."""
    wanted, soft = 4 * MAX_WAITING, USUAL_OPEN_FILES
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return MAX_WAITING
        if soft < wanted:
            raised = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    except (OSError, ValueError) as error:  # a sandbox may refuse to raise the limit, or to read it
        log.warning("cannot raise the limit of open files", extra=facts(limit=soft, wanted=wanted, error=error))
    return min(MAX_WAITING, soft // 2)


class Waits(Protocol):
    """A connection that may have to wait."""

    @property
    def address(self) -> str:
        """The network address of the client; its connections count together."""

    @property
    def untaken(self) -> int:
        """The number of bytes that were sent but that the client has not received yet."""

    def abort(self) -> None:
        """Drop the connection."""


Share = dict[Waits, int]  # the untaken bytes of each connection of an address; the longest-waiting connection is first


class Waiting:
    """The waiting connections."""

    def __init__(self, most: int) -> None:
        """Allow at most `most` waiting connections."""
        self._most = most
        self._number = 0
        self._bytes = 0
        self._shares: dict[str, Share] = {}

    def add(self, connection: Waits) -> None:
        """Count a connection as waiting. If there are now too many connections or untaken bytes, drop some."""
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
        """Stop counting a connection as waiting."""
        share = self._shares.get(connection.address, {})
        if connection in share:
            self._number -= 1
            self._bytes -= share.pop(connection)
            if not share:
                del self._shares[connection.address]

    def _measure(self) -> None:
        """Count the untaken bytes again, because clients have received some since they were counted."""
        for share in self._shares.values():
            share.update({connection: connection.untaken for connection in share})
        self._bytes = sum(sum(share.values()) for share in self._shares.values())

    def _busiest(self, weight: Callable[[Share], int]) -> Share:
        return max(self._shares.values(), key=weight)

    def _drop(self, connection: Waits) -> None:
        self.remove(connection)
        connection.abort()
