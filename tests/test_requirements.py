"""What is pinned can be installed, today and after new releases."""

import re
from collections.abc import Iterator
from importlib.metadata import distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import ROOT


def asked_for_with_extras() -> Iterator[tuple[str, frozenset[str]]]:
    for distribution in distributions():
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def test_extras_are_pinned_as_such() -> None:
    """A package that is needed with an extra is pinned with it: for older versions of pip, `a` is no pin of `a[b]`."""
    text = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[(.*)\])?==", text, re.MULTILINE)
    pinned = {name: set(extras.split(",")) for name, extras in pins}
    missing = [
        f"{name}[{','.join(extras)}]"
        for name, extras in asked_for_with_extras()
        if not extras <= pinned.get(name, set())
    ]
    assert missing == []
