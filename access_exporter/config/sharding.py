"""Which of several exporters polls an account: each account has exactly one, and a new exporter moves few accounts.

Rendezvous hashing (https://en.wikipedia.org/wiki/Rendezvous_hashing): an account belongs to the shard whose hash with
its id is the highest, so another shard takes over only the accounts it wins.
"""

import hashlib


def owner(account_id: str, total: int) -> int:
    """Return the number of the shard that polls an account."""
    return max(range(total), key=lambda shard: hashlib.sha256(f"{shard}/{account_id}".encode()).digest())
