"""The connections that wait for their client: how many may, and which one makes room for the next."""

import asyncio
import resource

MAX_WAITING = 1000


def allowed_connections() -> int:
    """Raise the limit of open files as far as it is needed and allowed; return how many connections may wait."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MAX_WAITING
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(MAX_WAITING, soft // 2)


class Waiting:
    """The connections that wait for their client, in the order in which they began to."""

    def __init__(self, most: int) -> None:
        """Keep at most so many."""
        self._most = most
        self._transports: dict[asyncio.WriteTransport, None] = {}

    def add(self, transport: asyncio.WriteTransport) -> None:
        """Note that a connection waits from now on; the one that waits longest is dropped if there are too many."""
        self.remove(transport)
        self._transports[transport] = None
        if len(self._transports) > self._most:
            oldest = next(iter(self._transports))
            self.remove(oldest)
            oldest.abort()

    def remove(self, transport: asyncio.WriteTransport) -> None:
        """Note that a connection does not wait any more."""
        self._transports.pop(transport, None)
