"""The output of `--help`."""

import re

import pytest

from access_exporter.options import FLAGS, GROUPS
from tests.processes import ROOT, Run


@pytest.fixture
def shown(run: Run) -> str:
    return run("--help").out


def test_meanings(shown: str) -> None:
    """`--help` shows each flag with its meaning, its default and the flags it needs."""
    words = " ".join(shown.split())
    for flag in FLAGS:
        assert flag.meaning in words, flag.name
        assert not flag.default or f"(default: {flag.default})" in words
        assert not flag.needs or f"needs {' or '.join(flag.needs)}" in words


def test_groups(shown: str) -> None:
    """`--help` shows six groups, with each flag in one of them."""
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
    """No line of `--help` is longer than 80 characters, and all characters are ASCII."""
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.isascii()


def test_documentation(shown: str) -> None:
    """`--help` shows the address of the documentation, as in pyproject.toml."""
    (home,) = re.findall(r'^Homepage = "(.*)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert home in shown.split()
