"""Which of several exporters polls an account: each account has exactly one, and a new exporter moves few accounts.

Rendezvous hashing (https://en.wikipedia.org/wiki/Rendezvous_hashing): an account belongs to the shard whose hash with
its id is the highest, so another shard takes over only the accounts it wins.
"""

import hashlib
import os
import re
import socket
from collections.abc import Mapping

import msgspec

from access_exporter.config import Config
from access_exporter.errors import UsageError


class Shard(msgspec.Struct, frozen=True):
    """One of `total` exporters, counted from 0."""

    number: int = 0
    total: int = 1

    def share_of(self, config: Config) -> Config:
        """Return the configuration with the accounts of this shard only."""
        accounts = tuple(account for account in config.accounts if owner(account.id, self.total) == self.number)
        return msgspec.structs.replace(config, accounts=accounts)


def owner(account_id: str, total: int) -> int:
    """Return the number of the shard that polls an account."""
    return max(range(total), key=lambda shard: hashlib.sha256(f"{shard}/{account_id}".encode()).digest())


def shard(number: int | None, total: int, environ: Mapping[str, str] = os.environ) -> Shard:
    """Return the shard of the flags; without a number, that at the end of a StatefulSet's pod name.

    The name is the environment's POD_NAME, or else the host name. Raises UsageError where there is no such shard, or no
    number to be found.
    """
    if number is None:
        number = _ordinal(environ) if total > 1 else 0
    if not 0 <= number < total:
        raise UsageError(f"--shard: expected a number below --total-shards, which is {total}; got {number}")
    return Shard(number, total)


def _ordinal(environ: Mapping[str, str]) -> int:
    """Return the number at the end of the name of a StatefulSet's pod."""
    named = environ.get("POD_NAME")
    found = re.fullmatch(r".*-([0-9]{1,6})", named or socket.gethostname())
    if found is None:
        where = "POD_NAME" if named else "the host name"
        raise UsageError(f"--shard: required with --total-shards, since {where} ends in no pod's number")
    return int(found[1])
