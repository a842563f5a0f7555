"""The two ways to start the command from a checkout."""

import subprocess
import sys

import pytest

from access_exporter import __version__
from tests.processes import ROOT


@pytest.mark.parametrize("entry", [["exporter.py"], ["-m", "access_exporter"]])
def test_the_command(entry: list[str]) -> None:
    """`python exporter.py` and `python -m access_exporter` are the same command."""
    command = [sys.executable, *entry, "--version"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == f"cloudflare-access-exporter {__version__}\n"
