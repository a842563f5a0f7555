"""The process of the image runs as any user, without capabilities, and with a read-only file system."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.processes import ROOT, exporter

USER = 12345  # a user id without an entry in /etc/passwd
# Make every file system of a new mount namespace read-only, then drop all rights.
LOCKED = (
    *("unshare", "--mount", "sh", "-euc"),
    "mount --make-rprivate /\n"
    "cut -d' ' -f5 /proc/self/mountinfo | while read -r place; do mount -o remount,bind,ro \"$place\" || true; done\n"
    'exec setpriv --reuid="$0" --regid="$0" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs "$@"',
    str(USER),
)


def can_be_locked() -> bool:
    """Return whether a test can run a process without rights here, which can still read Python and the code."""
    if os.getuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return False
    probe = [*LOCKED, sys.executable, "-c", "import access_exporter, pathlib; pathlib.Path('new').touch()"]
    ended = subprocess.run(probe, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    return "Read-only file system" in ended.stderr


def test_any_user_without_rights() -> None:
    """As any user, without capabilities and with read-only files, the exporter polls, serves and stops as usual."""
    if not can_be_locked():
        pytest.skip("needs root, unshare and setpriv, and code that every user can read")
    without_coverage = {"COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""}  # coverage would write a file
    with exporter("--demo", environ=without_coverage, locked_by=LOCKED) as running:
        running.wait_for("poll succeeded", target="users")
        status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
        told = dict(line.split(":\t", 1) for line in status.splitlines())
        assert told["Uid"].split() == [str(USER)] * 4
        assert {told[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {"0" * 16}
        assert told["NoNewPrivs"] == "1"
        assert "cloudflare_access_seats_used" in requests.get(f"{running.url}/metrics", timeout=10).text
        running.process.terminate()
        assert running.process.wait(10) == 0
