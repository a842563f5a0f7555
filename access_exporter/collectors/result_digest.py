"""Compares the results of one policy test with those of the next, with eight bytes for each user and without user ids.

cloudflare_access_policy_test_changed_users{account_id="…",change="newly_blocked",policy_test="payroll"} 2.0

The eight bytes are a 62-bit hash of the user id, with a random salt as its key, and two bits for the result. The hash
does not reveal the id. Among a million users, the probability that two have the same hash is 1 in 10^7.
"""

import secrets
from array import array
from bisect import bisect_left
from hashlib import blake2b

import msgspec

from access_exporter.collectors.followed_policy_test import RESULTS, Result

_SALT_BYTES = 16
_BUCKETS = 256
_BUCKET_SHIFT = 64 - 8
_UNKNOWN = len(RESULTS)


class ResultDigest(msgspec.Struct, frozen=True):
    """The results of a finished test. `people` has one 64-bit number for each user, sorted; see above."""

    salt: bytes
    people: bytearray

    def __post_init__(self) -> None:
        """Raise ValueError if the sizes are wrong: another program may have changed the stored file."""
        if len(self.salt) != _SALT_BYTES or len(self.people) % 8:
            raise ValueError("not the results of a test")

    def changes_to(self, later: "ResultDigest") -> dict[str, int] | None:
        """Count the users with different results in the two tests; None if the tests have different salts.

        Users who are in only one of the tests do not count as changed: they joined or left between the tests.
        """
        if self.salt != later.salt:
            return None
        before, after = (memoryview(each.people).cast("Q") for each in (self, later))
        changed = dict.fromkeys(RESULTS, 0)
        start = end = 0
        for bucket in range(_BUCKETS):  # one bucket at a time, to save memory
            first, last = (bisect_left(before, edge << _BUCKET_SHIFT) for edge in (bucket, bucket + 1))
            start, end = end, bisect_left(after, bucket + 1 << _BUCKET_SHIFT)
            results = {number >> 2: number & 3 for number in before[first:last]}
            for number in after[start:end]:
                result = number & 3
                if result != _UNKNOWN and results.get(number >> 2, result) != result:
                    changed[RESULTS[result]] += 1
        return {f"newly_{result}": number for result, number in changed.items()}


class DigestBuilder:
    """Collects the results of a test while the exporter reads its rows."""

    def __init__(self, before: ResultDigest | None) -> None:
        """Start with the salt of the test before, so that the two tests can be compared."""
        self._salt = before.salt if before else secrets.token_bytes(_SALT_BYTES)
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, row: Result) -> None:
        """Add the result of a row, unless the row has no id."""
        if not row.id:
            return
        hashed = int.from_bytes(blake2b(row.id.encode(errors="replace"), digest_size=8, key=self._salt).digest())
        number = hashed & ~3 | (RESULTS.index(row.status) if row.status in RESULTS else _UNKNOWN)
        self._buckets[number >> _BUCKET_SHIFT].append(number)

    def finished(self) -> ResultDigest:
        """Return the results. Call `add` no more after this."""
        people = bytearray()
        for bucket in self._buckets:
            people += array("Q", sorted(bucket)).tobytes()
            del bucket[:]
        return ResultDigest(self._salt, people)
