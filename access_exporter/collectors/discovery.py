"""Chooses the applications to test, and the label of each test. This file sends no requests."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from access_exporter.collectors.access_policies import DECISIONS
from access_exporter.collectors.application_list import ID
from access_exporter.collectors.possible import MOST, Count, Digest, add_up
from access_exporter.config import PolicyTest

TYPES = (
    "self_hosted",
    "saas",
    "ssh",
    "vnc",
    "rdp",
    "infrastructure",
    "mcp",
    "mcp_portal",
    "app_launcher",
    "warp",
    "biso",
    "bookmark",
    "dash_sso",
    "proxy_endpoint",
)
UNKNOWN = "unknown"
MOST_CHARACTERS = 1000  # of a name; `match` and `exclude` see only these
REASONS = ("limit", "excluded", "no_policies")
_MOST_IN_LABEL = 200  # characters of the name in a label
_DIGITS = 8
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Listed(msgspec.Struct, frozen=True):
    """An application in the list; `revision` is the revision of its policies, or None if none evaluates people."""

    id: Annotated[str, Meta(pattern=rf"^{ID}\Z")]
    name: Annotated[str, Meta(max_length=MOST_CHARACTERS)]
    type: str
    revision: Digest | None
    decisions: dict[str, Count]

    def is_possible(self) -> bool:
        """Return whether its type and its decisions are known; see `Collector.is_possible`."""
        return self.type in (*TYPES, UNKNOWN) and add_up(self.decisions, (*DECISIONS, UNKNOWN), MOST)


class Discovered(NamedTuple):
    """An application that the exporter tests, and the label of the test."""

    application: Listed
    label: str


class Undiscovered(NamedTuple):
    """An application that the exporter does not test, the label that its test would have, and the reason."""

    application: Listed
    label: str
    reason: str


class Discovery(NamedTuple):
    """The applications to test (`tests`), and the others (`left`).

    `selected` are all applications that `match` and `exclude` select. `taken` has the ids of applications with the same
    name as a configured test.
    """

    tests: Sequence[Discovered]
    selected: Sequence[Discovered]
    left: Sequence[Undiscovered]
    taken: Sequence[str]

    @property
    def undiscovered(self) -> dict[str, int]:
        """The number of applications that are not tested, for each of REASONS."""
        numbers = Counter(each.reason for each in self.left)
        return {reason: numbers[reason] for reason in REASONS}


def discover(applications: Collection[Listed], config: PolicyTest, taken: Collection[str]) -> Discovery:
    """Choose the applications to test; `taken` are the labels of configured tests.

    An application with the label of a configured test counts as excluded.
    """
    names = labels(applications)
    ordered = sorted(applications, key=lambda each: (each.name, each.id))
    found = [Discovered(each, names[each.id]) for each in ordered]
    tests: list[Discovered] = []
    left: list[Undiscovered] = []
    for each in found:
        if reason := _reason(each, config, taken) or ("limit" if len(tests) >= config.limit else None):
            left.append(Undiscovered(*each, reason))
        else:
            tests.append(each)
    selected = [each for each in found if _is_selected(each.application.name, config)]
    clashes = [
        each.application.id for each in selected if each.application.revision is not None and each.label in taken
    ]
    return Discovery(tests, selected, left, clashes)


def _reason(found: Discovered, config: PolicyTest, taken: Collection[str]) -> str | None:
    """Return why an application is not tested, apart from the limit; None if it could be tested."""
    if not _is_selected(found.application.name, config):
        return "excluded"
    if found.application.revision is None:
        return "no_policies"
    return "excluded" if found.label in taken else None


def _is_selected(name: str, config: PolicyTest) -> bool:
    """Return whether `match` and `exclude` select an application with this name."""
    return _matches(name, config.match) and not _matches(name, config.exclude)


def labels(applications: Iterable[Listed]) -> dict[str, str]:
    """Return the label of each application, by id. It is the name, followed by part of the id if names are equal."""
    found: dict[str, str] = {}
    left = list(applications)
    for write in _WAYS:
        texts = {each.id: write(each) for each in left}
        number, used = Counter(texts.values()), set(found.values())
        found |= {key: text for key, text in texts.items() if number[text] == 1 and text not in used}
        left = [each for each in left if each.id not in found]
    return found | dict(_unlike(found.values(), left))


def _name(application: Listed) -> str:
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", application.name).strip()[:_MOST_IN_LABEL] or application.id


def _name_and_digits(application: Listed) -> str:
    return f"{_name(application)} {application.id.replace('-', '')[:_DIGITS]}"


def _name_and_id(application: Listed) -> str:
    return f"{_name(application)} {application.id}"


_WAYS: tuple[Callable[[Listed], str], ...] = (_name, _name_and_digits, _name_and_id)


def _unlike(used: Iterable[str], applications: Iterable[Listed]) -> Iterator[tuple[str, str]]:
    """Yield labels with name and id. Add `'` to a label until no other application has the same label."""
    known = set(used)
    for application in applications:
        label = _name_and_id(application)
        while label in known:
            label += "'"
        known.add(label)
        yield application.id, label


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """Return whether a name matches one of the patterns. Only `*` and `?` are special characters."""
    return any(fnmatchcase(name, pattern.replace("[", "[[]")) for pattern in patterns)
