"""What is pinned can be installed, today and after new releases."""

import re
from collections.abc import Iterator
from importlib.metadata import distributions

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.processes import ROOT


def asked_for_with_extras() -> Iterator[tuple[str, frozenset[str]]]:
    for distribution in distributions():
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.extras and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
                yield canonicalize_name(requirement.name), frozenset(requirement.extras)


@pytest.mark.parametrize(("name", "commands"), [("Dockerfile", 4), ("deploy/systemd/README.md", 2)])
def test_what_is_installed_is_pinned(name: str, commands: int) -> None:
    """Every package that the image and the unit, or what builds them, get from PyPI is pinned with its hash."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    installed = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) ([^&\n]*)", text)
    assert len(installed) == commands
    for arguments in installed:
        if "--require-hashes" in arguments:
            assert "--only-binary :all:" in arguments, "what would build a package is not pinned"
        else:
            assert "--no-deps" in arguments
            assert "--no-build-isolation" in arguments or "/wheels/*.whl" in arguments


def test_the_wheel_is_built_alike_everywhere() -> None:
    """What builds the wheel in the image is what builds it elsewhere."""
    build, dev = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements-build.txt", "requirements-dev.txt")
    )
    assert "hatchling" in build
    assert build.items() <= dev.items()


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
