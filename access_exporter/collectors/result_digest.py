"""The result of each user in a policy test, without the user: eight bytes each, to compare one test with the next.

cloudflare_access_policy_test_changed_users{account_id="…",change="newly_blocked",policy_test="payroll"} 2.0

Of a person there is a hash keyed with a random salt, cut to 62 bits, and the result in the other two. Ids cannot be
read from it, and two of a million people share a hash with a chance of 1 in 10^7.
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
    """The results of a finished test: `people` holds sorted 64-bit numbers, the upper 62 bits of each a hash."""

    salt: bytes
    people: bytearray

    def __post_init__(self) -> None:
        """Refuse what cannot be such numbers, as a file that was tampered with may hold."""
        if len(self.salt) != _SALT_BYTES or len(self.people) % 8:
            raise ValueError("not the results of a test")

    def changes_to(self, later: "ResultDigest") -> dict[str, int] | None:
        """Count the users in both tests with another result; None if the tests cannot be compared.

        Who is in one test only, since they joined or left in between, did not change.
        """
        if self.salt != later.salt:
            return None
        before, after = (memoryview(each.people).cast("Q") for each in (self, later))
        changed = dict.fromkeys(RESULTS, 0)
        start = end = 0
        for bucket in range(_BUCKETS):  # a bucket at a time, so that only little of it is ever unpacked
            first, last = (bisect_left(before, edge << _BUCKET_SHIFT) for edge in (bucket, bucket + 1))
            start, end = end, bisect_left(after, bucket + 1 << _BUCKET_SHIFT)
            results = {number >> 2: number & 3 for number in before[first:last]}
            for number in after[start:end]:
                result = number & 3
                if result != _UNKNOWN and results.get(number >> 2, result) != result:
                    changed[RESULTS[result]] += 1
        return {f"newly_{result}": number for result, number in changed.items()}


class DigestBuilder:
    """The results of a test while its rows are read."""

    def __init__(self, before: ResultDigest | None) -> None:
        """Start with the salt of the test before, so that both can be compared."""
        self._salt = before.salt if before else secrets.token_bytes(_SALT_BYTES)
        self._buckets = [array("Q") for _ in range(_BUCKETS)]

    def add(self, row: Result) -> None:
        """Note a user's result, unless the row does not name the user."""
        if not row.id:
            return
        hashed = int.from_bytes(blake2b(row.id.encode(errors="replace"), digest_size=8, key=self._salt).digest())
        number = hashed & ~3 | (RESULTS.index(row.status) if row.status in RESULTS else _UNKNOWN)
        self._buckets[number >> _BUCKET_SHIFT].append(number)

    def finished(self) -> ResultDigest:
        """Return the results; nothing can be added any more."""
        people = bytearray()
        for bucket in self._buckets:
            people += array("Q", sorted(bucket)).tobytes()
            del bucket[:]
        return ResultDigest(self._salt, people)
