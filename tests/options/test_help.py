"""What `--help` prints."""

import re

import pytest

from access_exporter.options import FLAGS, GROUPS
from tests.processes import ROOT, Run


@pytest.fixture
def shown(run: Run) -> str:
    return run("--help").out


def test_meanings(shown: str) -> None:
    """`--help` says of each flag what the table says, with its default and the flags it needs."""
    words = " ".join(shown.split())
    for flag in FLAGS:
        assert flag.meaning in words, flag.name
        assert not flag.default or f"(default: {flag.default})" in words
        assert not flag.needs or f"needs {' or '.join(flag.needs)}" in words


def test_groups(shown: str) -> None:
    """The flags stand in six groups, each flag once."""
    sections = re.split(r"^([A-Z][a-z]+):$", shown, flags=re.MULTILINE)
    found = {
        title: re.findall(r"^  (--[a-z.-]+)", text, re.MULTILINE)
        for title, text in zip(*[iter(sections[1:])] * 2, strict=True)
    }
    assert {title: names for title, names in found.items() if names} == {
        title: [flag.name for flag in flags] for title, flags in GROUPS.items()
    }
    assert list(GROUPS) == ["Serve", "Check", "People", "Web", "Scale", "Log"]


def test_width(shown: str) -> None:
    """No line is longer than a terminal, and every terminal can show it."""
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.isascii()


def test_documentation(shown: str) -> None:
    """The address of the documentation is the project's own."""
    (home,) = re.findall(r'^Homepage = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert home in shown.split()
