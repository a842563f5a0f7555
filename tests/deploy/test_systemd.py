"""Checks of the systemd unit that need no running systemd."""

import re
import subprocess
from pathlib import Path

from access_exporter import config, options
from tests.deploy.programs import program
from tests.processes import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNIT = FOLDER / "cloudflare-access-exporter.service"


def systemd_analyze(*arguments: str | Path) -> str:
    ended = subprocess.run([program("systemd-analyze"), *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_exposure_is_below_2() -> None:
    """Systemd-analyze rates the exposure of the service below 2.0."""
    rated = systemd_analyze("security", "--offline=yes", "--threshold=19", "--no-pager", UNIT)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+) OK", rated)
    assert exposure is not None
    assert float(exposure[1]) < 2.0


def test_unit_is_valid(tmp_path: Path) -> None:
    """Systemd-analyze accepts every setting and value of the unit."""
    installed = UNIT.read_text(encoding="utf-8")
    here = tmp_path / UNIT.name
    here.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", installed), encoding="utf-8")
    assert systemd_analyze("verify", "--man=no", here) == ""


def test_the_exporter_accepts_the_flags_of_the_unit() -> None:
    """The exporter accepts every flag in the unit's ExecStart."""
    text = UNIT.read_text(encoding="utf-8").replace("\\\n", " ")
    command = re.search(r"(?m)^ExecStart=(.*)", text)
    assert command is not None
    given = command[1].split()[1:]
    assert options.parse(given).storage_path == "${STATE_DIRECTORY}"


def test_configuration_finds_the_credential_of_the_unit(tmp_path: Path) -> None:
    """The exporter reads its token from the file that systemd creates for the unit's LoadCredential."""
    name = re.search(r"(?m)^LoadCredential=([\w-]+):", UNIT.read_text(encoding="utf-8"))
    assert name is not None
    (tmp_path / name[1]).write_text("made-up-token\n", encoding="utf-8")
    loaded = config.load(str(FOLDER / "config.yaml"), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.accounts[0].secret.read() == "made-up-token"
