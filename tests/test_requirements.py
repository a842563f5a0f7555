"""The pinned requirements can be installed, now and after new releases of the packages."""

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
def test_installed_packages_are_pinned(name: str, commands: int) -> None:
    """Every PyPI package that the image and the systemd unit install, or need to build, is pinned with its hash."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    installed = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) ([^&\n]*)", text)
    assert len(installed) == commands
    for arguments in installed:
        if "--require-hashes" in arguments:
            assert "--only-binary :all:" in arguments, "a package from source has unpinned build tools"
        else:
            assert "--no-deps" in arguments
            assert "--no-build-isolation" in arguments or "/wheels/*.whl" in arguments


def test_build_tools_have_one_version() -> None:
    """The image builds the wheel with the same versions of the build tools as a development machine."""
    build, dev = (
        dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE))
        for name in ("requirements-build.txt", "requirements-dev.txt")
    )
    assert "hatchling" in build
    assert build.items() <= dev.items()


def test_extras_are_pinned() -> None:
    """A package with an extra is pinned with that extra, because older pip versions ignore a pin of `a` for `a[b]`."""
    text = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)(?:\[(.*)\])?==", text, re.MULTILINE)
    pinned = {name: set(extras.split(",")) for name, extras in pins}
    missing = [
        f"{name}[{','.join(extras)}]"
        for name, extras in asked_for_with_extras()
        if not extras <= pinned.get(name, set())
    ]
    assert missing == []
