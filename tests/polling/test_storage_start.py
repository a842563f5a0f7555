"""A folder of `--storage.path` that cannot be used is an error at the start."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import ROOT, Run
from tests.test_container import can_be_locked


def refused(run: Run, path: str, *flags: str) -> str:
    """Return why the exporter refuses a folder; check that it refuses it before any poll."""
    code, out, err = run("--demo", f"--storage.path={path}", *flags)
    *log, line = err.splitlines()
    assert (code, out) == (1, "")
    assert "polled" not in " ".join(log)
    return line.removeprefix(f"cloudflare-access-exporter: --storage.path: the folder {path!r} cannot be used: ")


@pytest.mark.parametrize("flags", [[], ["--once"]], ids=["serving", "once"])
@pytest.mark.parametrize("path", ["strage/exporter", "/nowhere/exporter", "strage/a/b/c"])
def test_a_misspelled_path_creates_nothing(run: Run, secret_files: Path, path: str, flags: list[str]) -> None:
    """If the parent folder is missing, the exporter creates no folder, and says which folder it would create."""
    before = sorted(secret_files.rglob("*"))
    advice = "name a folder with an existing parent folder; the exporter creates only the last one"
    assert refused(run, path, *flags) == f"No such file or directory; {advice}"
    assert sorted(secret_files.rglob("*")) == before


def test_the_last_folder_is_created(run: Run, secret_files: Path) -> None:
    """If the parent folder exists, the exporter creates the folder, for its own user only."""
    assert run("--demo", "--once", "--storage.path=new")[0] == 0
    assert (secret_files / "new").stat().st_mode & 0o777 == 0o700
    assert list((secret_files / "new" / "snapshots").glob("users-*.json"))


@pytest.mark.parametrize(("command", "code"), [("--config.check", 0), ("--idle-seats=90d", 2)])
@pytest.mark.parametrize("path", ["new", "strage/exporter"])
def test_other_commands_leave_it_alone(run: Run, secret_files: Path, path: str, command: str, code: int) -> None:
    """A command that stores nothing does not create the folder: a running exporter may use it."""
    assert run("--demo", command, f"--storage.path={path}")[0] == code
    assert not (secret_files / path).exists()


@pytest.mark.parametrize("path", ["token", "token/below"])
def test_a_file(run: Run, secret_files: Path, path: str) -> None:
    """A file in place of the folder, or of its parent folder, is an error."""
    code, out, err = run("--demo", "--once", f"--storage.path={path}")
    assert (code, out) == (1, "")
    assert err.endswith(f"{path}/snapshots' cannot be used: Not a directory; name a folder, not a file\n")


def test_no_name(run: Run) -> None:
    """An empty path, for example of an unset variable, is an error."""
    assert refused(run, "").startswith("it has no name; ")


def test_a_loop(run: Run) -> None:
    """A symbolic link that points to itself is an error."""
    code, _, err = run("--demo", "--once", "--storage.path=loop")
    assert (code, err.endswith("cannot be used: Too many levels of symbolic links; name another folder\n")) == (1, True)


def locked(folder: Path, mount: str) -> str:
    """Run the exporter as a user without rights, with this mount, and return why it refuses the folder."""
    if not can_be_locked():
        pytest.skip("needs root, unshare and setpriv, and code that every user can read")
    exporter = [sys.executable, "exporter.py", "--demo", "--once", f"--storage.path={folder}"]
    as_user = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "--bounding-set=-all", *exporter]
    script = f'{mount}\nexec "$@"'
    ended = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script, str(folder), *as_user],
        cwd=ROOT,
        env={**os.environ, "COVERAGE_PROCESS_START": "", "COVERAGE_PROCESS_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr.splitlines()[-1].partition(" cannot be used: ")[2]


@pytest.fixture
def volume() -> Iterator[Path]:
    """A folder that every user can reach, unlike the temporary folders of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize(
    ("mount", "expected"),
    [
        ("true", "Permission denied; let user 12345 write to it, or name another folder"),
        (
            'mount -t tmpfs -o ro,mode=1777 none "$0"',
            "Read-only file system; name a folder on a writable volume",
        ),
        (
            'mount -t tmpfs -o size=4k,mode=1777 none "$0"; dd if=/dev/zero of="$0/full" bs=4k count=1 2>/dev/null',
            "No space left on device; make room on its volume",
        ),
    ],
    ids=["owned by another user", "read-only", "full"],
)
def test_a_volume_without_write_access(volume: Path, mount: str, expected: str) -> None:
    """The message says what is wrong with the volume, and what to do."""
    assert locked(volume, mount) == expected
