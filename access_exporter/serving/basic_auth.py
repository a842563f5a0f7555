"""Basic auth with bcrypt hashes, as in the exporter-toolkit. Password checks do not block other clients.

bcrypt is slow on purpose. So the server checks passwords in a thread, caches the credentials that are right, and gives
each address its fair turn: after a wrong password, an address waits behind all other addresses, and a refused client
waits behind the other clients of its address. The server checks one hash for each request. For an unknown user name,
the check takes as long as for a wrong password of most users.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections import Counter, deque
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from time import monotonic

import bcrypt

from access_exporter.background import call
from access_exporter.serving.turns import Turns, Waiter

MAX_CHECKS = 2
MAX_CHECKS_AFTER_A_WRONG_PASSWORD = 1  # for all addresses together that sent a wrong password
# While other clients wait for a check, the server delays the refusal of a wrong password by the time of 64 checks, at
# most 8 s. So a client that guesses passwords on dozens of connections leaves time for other clients of its address.
REFUSAL_CHECKS, MAX_REFUSAL_SECONDS = 64, 8
# A client that guesses passwords may use a new connection for each. So if a client leaves without a right password, the
# server treats the next new client of its address as refused, if it comes so soon.
RETURN_SECONDS, MAX_LEFT = 0.25, 1000
MAX_REMEMBERED = 100
_BCRYPT_BYTES = 72  # bcrypt ignores the rest of a password, and tools that make hashes truncate the password here


class BasicAuth:
    """Checks the Authorization header against users and their bcrypt hashes."""

    def __init__(self, users: Mapping[str, str], before: "BasicAuth | None" = None) -> None:
        """With `before`, take over its turns, and its cached credentials of users with an unchanged hash."""
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._stand_in = _typical(self._hashes.values())
        self._key = os.urandom(32)
        self._remembered: dict[bytes, bytes] = {}  # the cache: fingerprint of the credentials -> user name
        self._turns = Turns(MAX_CHECKS, MAX_CHECKS_AFTER_A_WRONG_PASSWORD)
        # When clients left without a right password, and their addresses.
        self._left: deque[tuple[float, str]] = deque(maxlen=MAX_LEFT)
        if before:
            self._key, self._remembered, self._turns = before.still_right(self._hashes)

    def still_right(self, hashes: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes], Turns]:
        """Return what stays valid with new hashes: the key, the cache of users with an unchanged hash, the turns."""
        same = {mark: name for mark, name in self._remembered.items() if hashes.get(name) == self._hashes[name]}
        return self._key, same, self._turns

    async def admits(self, authorization: str, client: Waiter) -> bool:
        """Return whether the header has a user name and the right password. The client may wait for its turn."""
        credentials = _decode(authorization)
        if credentials is None:
            return False
        name, password = credentials
        fingerprint = hmac.digest(self._key, name + b":" + password, hashlib.sha256)  # a user name has no colon
        if fingerprint in self._remembered:
            return True
        self._recognize(client)
        turn = await self._turns.take(client)
        right = False
        try:
            right = fingerprint in self._remembered or await self._is_right(name, password)
        finally:
            client.was_refused = not right
            seconds = self._turns.give_back(turn, held_against=not right)
        if right:
            client.at_end = None
            self._remember(fingerprint, name)
        elif self._turns.next_address() is not None:
            await self._delay(client, min(MAX_REFUSAL_SECONDS, REFUSAL_CHECKS * seconds))
        return right

    def _recognize(self, client: Waiter) -> None:
        """Treat a new client as refused if a client of its address has just left without a right password."""
        while self._left and self._left[0][0] < monotonic() - RETURN_SECONDS:
            self._left.popleft()
        left = next((each for each in self._left if each[1] == client.address), None)
        if client.at_end is None and left:
            self._left.remove(left)
            client.was_refused = True
        client.at_end = partial(self._leaves, client.address)

    @staticmethod
    async def _delay(client: Waiter, seconds: float) -> None:
        """Keep a client waiting, unless it closes its connection."""
        with suppress(TimeoutError):
            await asyncio.wait_for(client.wait(asyncio.get_running_loop().create_future()), seconds)

    def _leaves(self, address: str) -> None:
        """Note that a client has left without a right password."""
        self._left.append((monotonic(), address))

    def _remember(self, fingerprint: bytes, name: bytes) -> None:
        while len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[fingerprint] = name

    async def _is_right(self, name: bytes, password: bytes) -> bool:
        """Check a password once and return whether it is right; for an unknown user, check a stand-in hash."""
        known = self._hashes.get(name)
        check = partial(bcrypt.checkpw, password[:_BCRYPT_BYTES], known or self._stand_in)
        return await asyncio.wrap_future(call(check, "bcrypt")) and known is not None


def cost(hashed: str | bytes) -> int:
    """Return the cost of a bcrypt hash: 10 for `$2b$10$…`."""
    return int(hashed[4:6])


def _typical(hashes: Collection[bytes]) -> bytes:
    """Return a hash with the most frequent cost; if several costs are equally frequent, with the highest of them."""
    costs = Counter(map(cost, hashes))
    return max(hashes, key=lambda hashed: (costs[cost(hashed)], cost(hashed)), default=b"")


def _decode(authorization: str) -> tuple[bytes, bytes] | None:
    """Return user name and password, or None if the header is not a Basic header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(b":")
    return (name, password) if scheme.lower() == "basic" and colon else None
