"""The folder below `--storage.path`: only the exporter writes it, and nothing of others in it is believed."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.logging import LogCaptureFixture

from access_exporter.errors import StorageError
from access_exporter.simulator import Simulator
from tests.fleet import Fleet
from tests.reloads import account, cloudflare, config

SEATS = 'cloudflare_access_seats_used{account_id="first"} 5.0'
NOBODY = 65534


class Volume:
    """A volume that everybody may write to, as an emptyDir is, and an exporter that is started on it."""

    def __init__(self, path: Path, server: Simulator) -> None:
        self.path = path / "volume"
        self.path.mkdir()
        self.path.chmod(0o777)
        self.folder = self.path / "snapshots"
        self.server = server

    def start(self) -> Fleet:
        return Fleet(config(self.server, account("first", devices=False)), folder=self.path)

    def fill(self) -> Path:
        """Let an exporter store its numbers, and return the file of the users."""
        exporter = self.start()
        exporter.run(10)
        assert exporter.health("first")["success"] == 1
        return self.users

    @property
    def users(self) -> Path:
        (file,) = self.folder.glob("users-*.json")
        return file


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Volume]:
    """A volume, and Cloudflare with one account of five seats."""
    with cloudflare("first") as server:
        yield Volume(tmp_path, server)


def assert_goes_on(exporter: Fleet, caplog: LogCaptureFixture, reason: str) -> None:
    """The log says why what is stored is not used; the exporter polls as if there were nothing."""
    assert SEATS not in exporter.page()
    assert reason in " ".join(repr(vars(record)) for record in caplog.records)
    exporter.run(10)
    assert SEATS in exporter.page()


def test_only_the_exporter_gets_in(volume: Volume) -> None:
    """The folder and its files are open to nobody else, whatever the umask, and the numbers come back."""
    before = os.umask(0)
    try:
        file = volume.fill()
    finally:
        os.umask(before)
    assert stat.S_IMODE(volume.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in volume.path.iterdir()] == ["snapshots"]
    assert SEATS in volume.start().page()


def test_a_folder_that_a_group_may_write_is_closed(volume: Volume) -> None:
    """Kubernetes opens a volume to a group when it mounts it again: the numbers come back, and the folder is closed."""
    file = volume.fill()
    volume.folder.chmod(0o2770)
    file.chmod(0o660)
    assert SEATS in volume.start().page()
    assert stat.S_IMODE(volume.folder.stat().st_mode) & 0o777 == 0o700


def assert_refused(volume: Volume, reason: str) -> None:
    """The exporter does not start; the message names the folder and says why."""
    with pytest.raises(StorageError, match=f"^--storage.path: the folder '{volume.folder}' cannot be used: {reason}; "):
        volume.start()


class TestRefusedFolders:
    def test_of_another_user(self, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
        """A folder that somebody else made is left alone."""
        volume.fill()
        user = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: user + 1)
        before = volume.users.read_bytes()
        assert_refused(volume, "it belongs to another user")
        assert volume.users.read_bytes() == before

    def test_open_to_everybody(self, volume: Volume) -> None:
        """A folder that everybody may write to is left alone."""
        volume.fill()
        volume.folder.chmod(0o777)
        assert_refused(volume, "everybody may write to it")

    def test_link(self, volume: Volume, tmp_path: Path) -> None:
        """A symbolic link is not followed, wherever it leads."""
        volume.fill()
        volume.folder.rename(tmp_path / "elsewhere")
        volume.folder.symlink_to(tmp_path / "elsewhere")
        before = {file: file.read_bytes() for file in (tmp_path / "elsewhere").iterdir()}
        assert_refused(volume, "it is a symbolic link")
        assert {file: file.read_bytes() for file in (tmp_path / "elsewhere").iterdir()} == before

    def test_file(self, volume: Volume) -> None:
        """A file with the name of the folder is left alone."""
        volume.folder.write_text("not a folder", encoding="utf-8")
        assert_refused(volume, "Not a directory")
        assert volume.folder.read_text(encoding="utf-8") == "not a folder"

    def test_made_while_it_runs(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """A folder that is exchanged for another one while the exporter runs is not written to."""
        volume.fill()
        exporter = volume.start()
        volume.folder.rename(tmp_path / "mine")
        volume.folder.mkdir()
        volume.folder.chmod(0o777)
        exporter.run(600)
        assert "snapshot not stored" in caplog.text
        assert list(volume.folder.iterdir()) == []


class TestRefusedFiles:
    def test_of_another_user(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A file that somebody else wrote is set aside."""
        file = volume.fill()
        if os.geteuid() != 0:
            pytest.skip("needs root, to give a file away")
        os.chown(file, NOBODY, NOBODY)
        assert_goes_on(volume.start(), caplog, "it belongs to another user")
        assert file.with_suffix(".unusable-1").exists()

    def test_open_to_everybody(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A file that everybody may write to is set aside."""
        file = volume.fill()
        file.chmod(0o666)
        assert_goes_on(volume.start(), caplog, "everybody may write to it")
        assert file.with_suffix(".unusable-1").exists()

    def test_link(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """A symbolic link is set aside, and what it leads to is not touched."""
        file = volume.fill()
        content = file.read_bytes()
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        assert_goes_on(volume.start(), caplog, "it is a symbolic link")
        assert file.with_suffix(".unusable-1").is_symlink()
        assert (tmp_path / "elsewhere").read_bytes() == content

    def test_folder_in_place_of_a_temporary_file(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A folder with the name of a temporary file costs a warning that says so, and nothing else."""
        volume.fill()
        (volume.folder / ".writing-left").mkdir()
        assert SEATS in volume.start().page()
        (told,) = [record for record in caplog.records if "interrupted write" in record.message]
        assert vars(told)["facts"] == {"file": volume.folder / ".writing-left", "error": "Is a directory"}
        assert "the storage folder cannot be used" not in caplog.text

    def test_folder_in_place_of_a_snapshot(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A folder with the name of a snapshot is set aside."""
        file = volume.fill()
        file.unlink()
        file.mkdir()
        assert_goes_on(volume.start(), caplog, "it is not a file")
        assert file.is_file()


class TestOlderVersions:
    def older(self, volume: Volume) -> Path:
        """Store the numbers as older versions did, one folder above, and return the file of the users."""
        volume.fill()
        for file in volume.folder.iterdir():
            file.rename(volume.path / file.name)
        volume.folder.rmdir()
        (file,) = volume.path.glob("users-*.json")
        return file

    def test_upgrade(self, volume: Volume) -> None:
        """What an older version stored is shown at once, and moved."""
        self.older(volume)
        assert SEATS in volume.start().page()
        assert [each.name for each in volume.path.iterdir()] == ["snapshots"]

    def test_file_that_anybody_may_have_written(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A file that anybody may have written is not moved."""
        file = self.older(volume)
        file.chmod(0o666)
        assert_goes_on(volume.start(), caplog, "everybody may write to it")
        assert file.exists()

    def test_link(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """Nor is a symbolic link."""
        file = self.older(volume)
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        assert_goes_on(volume.start(), caplog, "it is a symbolic link")

    def test_newer_numbers(self, volume: Volume) -> None:
        """What this version stored is not replaced by what an older one did."""
        file = self.older(volume)
        volume.start()
        content = volume.users.read_bytes()
        file.write_bytes(b"older")
        volume.start()
        assert volume.users.read_bytes() == content

    def test_files_of_others(self, volume: Volume) -> None:
        """Files with other names stay where they are."""
        for name in ("notes.json", "users.json", "users-123.json", ".writing-of-somebody"):
            (volume.path / name).write_text("{}", encoding="utf-8")
        volume.fill()
        assert len(list(volume.path.iterdir())) == 5
