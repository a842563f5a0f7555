"""Basic auth with bcrypt hashes, as in the exporter-toolkit, that never keeps anyone else waiting.

bcrypt is slow on purpose. So it runs in a thread, what it accepted is remembered, a name that does not exist takes
the same path and time as a wrong password, and only so many checks may wait.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
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
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bcrypt")
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
            right = await asyncio.get_running_loop().run_in_executor(self._threads, self._is_right, name, password)
        finally:
            self._waiting -= 1
        if not right:
            return Verdict.REFUSED
        while len(self._remembered) >= MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[fingerprint] = None
        return Verdict.ADMITTED

    def close(self) -> None:
        """Let the thread end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is_right(self, name: bytes, password: bytes) -> bool:
        known = self._hashes.get(name)
        matches = bcrypt.checkpw(password[:_BCRYPT_BYTES], known or self._stand_in(name))
        return known is not None and matches

    def _stand_in(self, name: bytes) -> bytes:
        """Return always the same one of the hashes for a name that does not exist, as costly as a real user's."""
        digest = hmac.digest(self._key, name, hashlib.sha256)
        hashes = list(self._hashes.values())
        return hashes[int.from_bytes(digest) % len(hashes)]


def _decode(authorization: str) -> tuple[bytes, bytes] | None:
    """Return name and password, or None where the header is no Basic header."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = text.partition(b":")
    return (name, password) if scheme.lower() == "basic" and colon else None
