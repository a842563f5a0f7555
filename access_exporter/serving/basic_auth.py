"""Basic auth with bcrypt hashes, as in the exporter-toolkit, that never keeps anyone else waiting.

bcrypt is slow on purpose. So it runs in a thread, one check at a time; what it accepted is remembered, and only so many
checks may wait, few of them for the same client. A name that does not exist takes the same path and time as a wrong
password, whatever the costs of the users' hashes are.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections import Counter
from collections.abc import Mapping
from enum import Enum
from functools import partial

import bcrypt

from access_exporter.background import call

MAX_CHECKS_WAITING = 64
MAX_CHECKS_OF_A_CLIENT = 8
MAX_REMEMBERED = 100
_BCRYPT_BYTES = 72  # bcrypt reads no more of a password, and the tools that make hashes cut it there


class Verdict(Enum):
    """What becomes of a request."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    BUSY = "too many passwords are being checked"


class BasicAuth:
    """Checks the Authorization header against users and their bcrypt hashes."""

    def __init__(self, users: Mapping[str, str], before: "BasicAuth | None" = None) -> None:
        """Remember nobody, but whoever has the same hash as `before` and was remembered there."""
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._by_cost = {_cost(hashed): hashed for hashed in self._hashes.values()}
        self._key = os.urandom(32)
        self._remembered: dict[bytes, bytes] = {}  # names, by the fingerprints of credentials
        if before:
            self._key, self._remembered = before.still_right(self._hashes)
        self._turn = asyncio.Lock()
        self._waiting: Counter[str] = Counter()

    def still_right(self, hashes: Mapping[bytes, bytes]) -> tuple[bytes, dict[bytes, bytes]]:
        """Return the key of the fingerprints, and the names by fingerprint of all who have the same hash in these."""
        same = {mark: name for mark, name in self._remembered.items() if hashes.get(name) == self._hashes[name]}
        return self._key, same

    async def check(self, authorization: str, client: str) -> Verdict:
        """Tell whether the header names a user with the right password; `client` is the address that sent it."""
        credentials = _decode(authorization)
        if credentials is None:
            return Verdict.REFUSED
        name, password = credentials
        fingerprint = hmac.digest(self._key, name + b":" + password, hashlib.sha256)  # a name holds no colon
        if fingerprint in self._remembered:
            return Verdict.ADMITTED
        if self._waiting[client] >= MAX_CHECKS_OF_A_CLIENT or self._waiting.total() >= MAX_CHECKS_WAITING:
            return Verdict.BUSY
        self._waiting[client] += 1
        try:
            async with self._turn:
                right = await self._is_right(name, password)
        finally:
            self._waiting -= Counter((client,))  # and none is kept of who no longer waits
        if not right:
            return Verdict.REFUSED
        while len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[fingerprint] = name
        return Verdict.ADMITTED

    async def _is_right(self, name: bytes, password: bytes) -> bool:
        """Tell whether it is the password, by one check of each cost there is, whoever's name it is."""
        known = self._hashes.get(name)
        right = False
        for cost, stand_in in self._by_cost.items():
            hashed = known if known and _cost(known) == cost else stand_in
            check = partial(bcrypt.checkpw, password[:_BCRYPT_BYTES], hashed)
            matches = await asyncio.wrap_future(call(check, "bcrypt"))
            right = right or (matches and hashed is known)
        return right


def _cost(hashed: bytes) -> bytes:
    """Return the cost of a hash, which is the 10 in `$2b$10$…`."""
    return hashed.split(b"$")[2]


def _decode(authorization: str) -> tuple[bytes, bytes] | None:
    """Return name and password, or None where the header is no Basic header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(b":")
    return (name, password) if scheme.lower() == "basic" and colon else None
