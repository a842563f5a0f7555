"""Chooses the shard of an account: each account belongs to exactly one shard, and a new shard moves few accounts.

This is rendezvous hashing (https://en.wikipedia.org/wiki/Rendezvous_hashing). Each shard has a hash for the account,
and the account belongs to the shard with the highest hash. A new shard takes over only the accounts where its hash is
the highest.
"""

import hashlib


def owner(account_id: str, total: int) -> int:
    """Return the number of the shard that polls an account."""
    return max(range(total), key=lambda shard: hashlib.sha256(f"{shard}/{account_id}".encode()).digest())
