"""Which applications are selected for tests, and the labels of their tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access_exporter.collectors.discovery import Listed, discover, labels
from access_exporter.config.model import PolicyTest

SAME = "00000000-0000-4000-8000-00000000000{}"


def listed(*pairs: tuple[str, str]) -> list[Listed]:
    """Return applications with these ids and names, each with policies."""
    return [Listed(key, name, "saas", "revision", {}) for key, name in pairs]


@pytest.mark.parametrize(
    ("applications", "expected"),
    [
        ([("1", "a"), ("2", "b")], ["a", "b"]),
        ([("aaaa-bbbb-1", "a"), ("bbbbbbbb-2", "a"), ("3", "b")], ["a aaaabbbb", "a bbbbbbbb", "b"]),
        ([(SAME.format(1), "a"), (SAME.format(2), "a")], [f"a {SAME.format(1)}", f"a {SAME.format(2)}"]),
        ([("12345678-1", "a"), ("2", "a"), ("3", "a 12345678")], ["a 12345678-1", "a 2", "a 12345678"]),
        ([("1", ""), ("2", " \n")], ["1", "\N{REPLACEMENT CHARACTER}"]),
        ([("1", "x" * 300), ("2", "x" * 301)], ["x" * 200 + " 1", "x" * 200 + " 2"]),
    ],
)
def test_labels(applications: list[tuple[str, str]], expected: list[str]) -> None:
    """A label is the name; if the name is not unique, the label adds eight digits of the id, or the whole id."""
    found = labels(listed(*applications))
    assert [found[key] for key, _ in applications] == expected


IDS = st.text("ab' 1", min_size=1, max_size=3)


@given(st.dictionaries(IDS, st.text("ab' 1\n", max_size=8), max_size=20))
def test_no_two_labels_are_the_same(names: dict[str, str]) -> None:
    """Each application has a unique label."""
    found = labels(listed(*names.items()))
    assert found.keys() == names.keys()
    assert len(set(found.values())) == len(names)


@given(st.dictionaries(IDS, st.text("ab", max_size=3), max_size=20), st.integers(1, 5), st.sets(st.text("ab")))
def test_every_application_is_counted_once(names: dict[str, str], limit: int, taken: set[str]) -> None:
    """Each application is either tested or counted as not tested, for one reason."""
    config = PolicyTest(discover="applications", match=("a*",), exclude=("*b",), limit=limit)
    found = discover(listed(*names.items()), config, taken)
    assert len(found.tests) + sum(found.undiscovered.values()) == len(names)
    assert len(found.tests) <= limit
    assert not {each.label for each in found.tests} & taken
    assert [each.application.name for each in found.tests] == sorted(each.application.name for each in found.tests)


@pytest.mark.parametrize(
    ("pattern", "fits", "other"),
    [
        ("wiki", "wiki", "Wiki"),
        ("w*i", "wi", "wik"),
        ("w?ki", "wiki", "wki"),
        ("[a]*", "[a] b", "a"),
        ("a!b", "a!b", "ab"),
        ("*\n*", "a\nb", "ab"),
        ("*a*a*a*a*a*a*a*a*a*a*b", "a" * 10 + "b", "a" * 5000),
    ],
)
def test_patterns(pattern: str, fits: str, other: str) -> None:
    """Only `*` and `?` are special in a pattern; it must match the whole name, and matching is fast."""
    config = PolicyTest(discover="applications", match=(pattern,))
    found = discover(listed(("1", fits), ("2", other)), config, ())
    assert [each.application.name for each in found.tests] == [fits]
