"""The cron script that writes the metrics to a file for the node exporter's textfile collector."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from access_exporter import simulator
from tests.deploy.programs import program
from tests.processes import ROOT

SCRIPT = ROOT / "deploy" / "cron" / "cloudflare-access-textfile"


def run(folder: Path, *flags: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with an exporter that gets these additional flags; the demo needs no configuration."""
    exporter = folder.parent / "exporter"
    shift = "shift; " if "--demo" in flags else ""
    command = shlex.join([sys.executable, f"{ROOT}/exporter.py"])
    exporter.write_text(f'#!/bin/sh\n{shift}exec {command} "$@" {shlex.join(flags)}\n')
    exporter.chmod(0o755)
    environ = {**os.environ, "EXPORTER": str(exporter), "CONFIG": str(folder.parent / "config.yaml")}
    return subprocess.run([SCRIPT, folder], env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "node-exporter"
    path.mkdir()
    return path


def test_writes_one_file_that_the_collector_can_read(folder: Path) -> None:
    """The script writes one file with mode 0644, which has only metrics of the exporter."""
    assert run(folder, "--demo").returncode == 0
    (file,) = folder.iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("cloudflare_access.prom", 0o644)
    names = {line.split()[2] for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# TYPE")}
    assert "cloudflare_access_seats_used" in names
    assert all(name.startswith("cloudflare_access_") for name in names)


def test_writes_metrics_that_promtool_accepts(folder: Path) -> None:
    """`promtool check metrics` reports no problem in the file."""
    promtool = program("promtool")
    assert run(folder, "--demo").returncode == 0
    metrics = (folder / "cloudflare_access.prom").read_bytes()
    subprocess.run([promtool, "check", "metrics"], input=metrics, check=True, capture_output=True)


def test_replaces_the_file_as_a_whole(folder: Path) -> None:
    """The script replaces the file with a rename, so a program that has the old file open can read all of it."""
    file = folder / "cloudflare_access.prom"
    file.write_text("old\n", encoding="utf-8")
    with file.open(encoding="utf-8") as reader:
        assert run(folder, "--demo").returncode == 0
        assert reader.read() == "old\n"
    assert file.read_text(encoding="utf-8").startswith("# HELP cloudflare_access_")


def test_keeps_the_file_when_the_exporter_fails(folder: Path) -> None:
    """After a configuration error, the script keeps the last file, and cron gets the message and exit status 1."""
    (folder / "cloudflare_access.prom").write_text("old\n", encoding="utf-8")
    ended = run(folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "config.yaml" in ended.stderr
    assert [file.read_text(encoding="utf-8") for file in folder.iterdir()] == ["old\n"]


def test_reports_a_failed_poll(folder: Path) -> None:
    """A failed poll appears in the file, for the alerts, and in the exit status, for cron."""
    with simulator.demo() as cloudflare:
        (folder.parent / "config.yaml").write_text(
            f"api: {{url: '{cloudflare.url}'}}\naccounts: [{{id: example, api_token: refused}}]\n", encoding="utf-8"
        )
        assert run(folder).returncode == 1
    assert "cloudflare_access_poll_success{" in (folder / "cloudflare_access.prom").read_text(encoding="utf-8")
