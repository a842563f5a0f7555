"""The stored results of policy tests, and how two tests are compared."""

import tracemalloc
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access_exporter.collectors.followed_policy_test import Result
from access_exporter.collectors.fresh_summary import FreshSummary
from access_exporter.collectors.result_digest import DigestBuilder, ResultDigest

RESULT = st.sampled_from(["approved", "blocked", "error", "unknown result", None])
TEST = st.dictionaries(st.text(min_size=1, max_size=3), RESULT, max_size=30)


def outcomes(test: dict[str, str | None], before: ResultDigest | None = None) -> ResultDigest:
    """Return the digest of a test, comparable with an earlier digest."""
    collecting = DigestBuilder(before)
    for person, word in test.items():
        collecting.add(Result(person, word))
    return collecting.finished()


class TestChanges:
    @given(TEST, TEST)
    def test_any_two_tests(self, first: dict[str, str | None], second: dict[str, str | None]) -> None:
        """The digests of two tests show the same changes as a direct comparison."""
        before = outcomes(first)
        stored = msgspec.json.decode(msgspec.json.encode(before), type=ResultDigest)
        changed = [second[person] for person in first.keys() & second.keys() if first[person] != second[person]]
        plain = {f"newly_{word}": changed.count(word) for word in ("approved", "blocked", "error")}
        assert stored.changes_to(outcomes(second, stored)) == plain

    def test_another_salt_cannot_be_compared(self) -> None:
        """Results with different salts cannot be compared, so no changes are shown."""
        assert outcomes({"a": "approved"}).changes_to(outcomes({"a": "blocked"})) is None

    def test_nothing_names_a_person(self) -> None:
        """The exporter stores neither ids of people nor hashes that anyone else can compute."""
        summary = FreshSummary(outcomes=outcomes({"person-1": "approved"}), before=outcomes({"person-1": "approved"}))
        assert summary.outcomes is not None
        assert summary.before is not None
        assert b"person" not in msgspec.json.encode(summary)
        assert summary.outcomes.people != summary.before.people

    def test_memory(self) -> None:
        """A stored test needs about 8 bytes a person, and a comparison of two tests about 20."""
        people = 50_000
        rows = [Result(str(number), "approved") for number in range(people)]
        tracemalloc.start()
        try:
            before = _collected(rows, None)
            kept, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            after = _collected(rows, before)
            before.changes_to(after)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert kept < 9 * people + 20_000
        assert peak < 20 * people + 100_000

    @pytest.mark.parametrize("changes", [{"people": "AAAA"}, {"salt": ""}, {"people": None}])
    def test_invalid_digest(self, changes: dict[str, object]) -> None:
        """An invalid stored digest is rejected."""
        good = msgspec.to_builtins(outcomes({"a": "approved"}))
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(good | changes, ResultDigest)


def _collected(rows: Sequence[Result], before: ResultDigest | None) -> ResultDigest:
    collecting = DigestBuilder(before)
    for row in rows:
        collecting.add(row)
    return collecting.finished()
