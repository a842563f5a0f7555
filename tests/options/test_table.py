"""The table of flags: the parser, `--help` and docs/flags.md are made from it."""

import dataclasses
import subprocess
import sys

import pytest

from access_exporter import options
from access_exporter.options import FLAGS, Flag, Options
from tests.processes import ROOT

IN_WORDS = {
    "--config.file",
    "--shard",
    "--account",
    "--web.allowed-hosts",
}  # the help describes their defaults in words
NEED_ANOTHER_FLAG = {"--format", "--show", "--timeout"}
WITH_DEFAULT = [flag for flag in FLAGS if flag.default and flag.name not in IN_WORDS | NEED_ANOTHER_FLAG]
# Importing one of them takes tenths of a second.
HEAVY = {"msgspec", "prometheus_client", "requests", "urllib3", "uvicorn", "yaml"}


@pytest.mark.parametrize("flag", WITH_DEFAULT, ids=lambda flag: flag.name)
def test_the_default_shown_is_the_default(flag: Flag) -> None:
    """A flag that is given with its documented default changes nothing."""
    assert options.parse([f"{flag.name}={flag.default}"]) == Options()


def test_every_option_has_a_flag() -> None:
    """Each field of Options has exactly one flag."""
    fields = [field.name for field in dataclasses.fields(Options)]
    assert sorted(fields) == sorted(flag.destination for flag in FLAGS)


def test_flags_that_are_named_exist() -> None:
    """The names in `needs` and `not_with` are flags."""
    names = {flag.name for flag in FLAGS}
    assert {other for flag in FLAGS for other in (*flag.needs, *flag.not_with)} <= names


def test_version_imports_no_slow_library() -> None:
    """`--version` starts fast, because it imports no library that loads slowly."""
    command = [sys.executable, "-X", "importtime", "exporter.py", "--version"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert "access_exporter" in imported
    assert not imported & HEAVY
