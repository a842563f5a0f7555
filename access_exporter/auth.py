"""Basic auth with bcrypt hashes, as in the exporter-toolkit, that never keeps anyone else waiting.

bcrypt is slow on purpose. So it runs in a thread, one check at a time; what it accepted is remembered, a name that
does not exist takes the same path and time as a wrong password, and only so many checks may wait.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from enum import Enum

import bcrypt

MAX_CHECKS_WAITING = 32
MAX_REMEMBERED = 100
_BCRYPT_BYTES = 72  # bcrypt reads no more of a password, and the tools that make hashes cut it there


class Verdict(Enum):
    """What becomes of a request."""

    ADMITTED = "admitted"
    REFUSED = "refused"
    BUSY = "too many passwords are being checked"


class BasicAuth:
    """Checks the Authorization header against users and their bcrypt hashes."""

    def __init__(self, users: Mapping[str, str]) -> None:
        """Start with nothing remembered."""
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._key = os.urandom(32)
        self._remembered: dict[bytes, None] = {}
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def check(self, authorization: str) -> Verdict:
        """Tell whether the header names a user with the right password."""
        credentials = _decode(authorization)
        if credentials is None:
            return Verdict.REFUSED
        name, password = credentials
        fingerprint = hmac.digest(self._key, name + b":" + password, hashlib.sha256)  # a name holds no colon
        if fingerprint in self._remembered:
            return Verdict.ADMITTED
        if self._waiting >= MAX_CHECKS_WAITING:
            return Verdict.BUSY
        self._waiting += 1
        try:
            async with self._turn:
                right = await self._is_right(name, password)
        finally:
            self._waiting -= 1
        if not right:
            return Verdict.REFUSED
        while len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[fingerprint] = None
        return Verdict.ADMITTED

    async def _is_right(self, name: bytes, password: bytes) -> bool:
        known = self._hashes.get(name)
        matches = await _matches(password[:_BCRYPT_BYTES], known or self._stand_in(name))
        return known is not None and matches

    def _stand_in(self, name: bytes) -> bytes:
        """Return always the same one of the hashes for a name that does not exist, as costly as a real user's."""
        digest = hmac.digest(self._key, name, hashlib.sha256)
        hashes = list(self._hashes.values())
        return hashes[int.from_bytes(digest) % len(hashes)]


async def _matches(password: bytes, hashed: bytes) -> bool:
    """Ask bcrypt in a thread that, unlike those of an executor, the end of the process does not wait for."""
    answer: Future[bool] = Future()
    answer.set_running_or_notify_cancel()  # so that a stop cannot cancel it and the thread can always answer

    def check() -> None:
        try:
            answer.set_result(bcrypt.checkpw(password, hashed))
        except Exception as error:  # noqa: BLE001 – whoever waits for the answer would wait forever
            answer.set_exception(error)

    threading.Thread(target=check, name="bcrypt", daemon=True).start()
    return await asyncio.wrap_future(answer)


def _decode(authorization: str) -> tuple[bytes, bytes] | None:
    """Return name and password, or None where the header is no Basic header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(b":")
    return (name, password) if scheme.lower() == "basic" and colon else None
