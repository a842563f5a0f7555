"""The `snapshots` folder below `--storage.path`: the exporter uses only files that no other user can have written."""

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
    """A volume that every user may write to, like an emptyDir, and an exporter that stores its data there."""

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
    """Check that the log says why stored data is not used, and that the exporter polls as if there were none."""
    assert SEATS not in exporter.page()
    assert reason in " ".join(repr(vars(record)) for record in caplog.records)
    exporter.run(10)
    assert SEATS in exporter.page()


def test_only_the_exporter_gets_in(volume: Volume) -> None:
    """With any umask, only the exporter's user can open the folder and its files, and a restart restores the data."""
    before = os.umask(0)
    try:
        file = volume.fill()
    finally:
        os.umask(before)
    assert stat.S_IMODE(volume.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in volume.path.iterdir()] == ["snapshots"]
    assert SEATS in volume.start().page()


def test_a_folder_that_a_group_may_write_to_is_closed(volume: Volume) -> None:
    """After Kubernetes opened the folder to a group, the exporter restores the data and removes the group's access."""
    file = volume.fill()
    volume.folder.chmod(0o2770)
    file.chmod(0o660)
    assert SEATS in volume.start().page()
    assert stat.S_IMODE(volume.folder.stat().st_mode) & 0o777 == 0o700


def assert_refused(volume: Volume, reason: str) -> None:
    """Check that the exporter does not start, and that the message names the folder and the reason."""
    with pytest.raises(StorageError, match=f"^--storage.path: the folder '{volume.folder}' cannot be used: {reason}; "):
        volume.start()


class TestRefusedFolders:
    def test_of_another_user(self, volume: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
        """The exporter does not start, and changes nothing, if another user owns the folder."""
        volume.fill()
        user = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: user + 1)
        before = volume.users.read_bytes()
        assert_refused(volume, "it belongs to another user")
        assert volume.users.read_bytes() == before

    def test_open_to_everybody(self, volume: Volume) -> None:
        """The exporter does not start if every user may write to the folder."""
        volume.fill()
        volume.folder.chmod(0o777)
        assert_refused(volume, "everybody may write to it")

    def test_link(self, volume: Volume, tmp_path: Path) -> None:
        """The exporter does not start, and changes nothing, if the folder is a symbolic link."""
        volume.fill()
        volume.folder.rename(tmp_path / "elsewhere")
        volume.folder.symlink_to(tmp_path / "elsewhere")
        before = {file: file.read_bytes() for file in (tmp_path / "elsewhere").iterdir()}
        assert_refused(volume, "it is a symbolic link")
        assert {file: file.read_bytes() for file in (tmp_path / "elsewhere").iterdir()} == before

    def test_file(self, volume: Volume) -> None:
        """The exporter does not start, and changes nothing, if a file has the name of the folder."""
        volume.folder.write_text("not a folder", encoding="utf-8")
        assert_refused(volume, "Not a directory")
        assert volume.folder.read_text(encoding="utf-8") == "not a folder"

    def test_replaced_while_the_exporter_runs(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """The exporter does not write to a folder that replaced its own folder while it was running."""
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
        """The exporter sets a file aside if another user owns it."""
        file = volume.fill()
        if os.geteuid() != 0:
            pytest.skip("needs root, to change the owner of a file")
        os.chown(file, NOBODY, NOBODY)
        assert_goes_on(volume.start(), caplog, "it belongs to another user")
        assert file.with_suffix(".unusable-1").exists()

    def test_open_to_everybody(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """The exporter sets a file aside if every user may write to it."""
        file = volume.fill()
        file.chmod(0o666)
        assert_goes_on(volume.start(), caplog, "everybody may write to it")
        assert file.with_suffix(".unusable-1").exists()

    def test_link(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """The exporter sets a symbolic link aside, and does not change the file that it points to."""
        file = volume.fill()
        content = file.read_bytes()
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        assert_goes_on(volume.start(), caplog, "it is a symbolic link")
        assert file.with_suffix(".unusable-1").is_symlink()
        assert (tmp_path / "elsewhere").read_bytes() == content

    def test_folder_in_place_of_a_temporary_file(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """A folder with the name of a temporary file causes one warning, which names the folder, and nothing else."""
        volume.fill()
        (volume.folder / ".writing-left").mkdir()
        assert SEATS in volume.start().page()
        (told,) = [record for record in caplog.records if "interrupted write" in record.message]
        assert vars(told)["facts"] == {"file": volume.folder / ".writing-left", "error": "Is a directory"}
        assert "the storage folder cannot be used" not in caplog.text

    def test_folder_in_place_of_a_snapshot(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """If a folder has the name of a snapshot file, the exporter sets the folder aside."""
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
        """After an upgrade, the exporter shows the data of the older version at once and moves its files."""
        self.older(volume)
        assert SEATS in volume.start().page()
        assert [each.name for each in volume.path.iterdir()] == ["snapshots"]

    def test_old_file_that_everybody_may_write_to(self, volume: Volume, caplog: LogCaptureFixture) -> None:
        """The exporter does not move an old file that every user may write to."""
        file = self.older(volume)
        file.chmod(0o666)
        assert_goes_on(volume.start(), caplog, "everybody may write to it")
        assert file.exists()

    def test_link(self, volume: Volume, tmp_path: Path, caplog: LogCaptureFixture) -> None:
        """The exporter does not move an old file that is a symbolic link."""
        file = self.older(volume)
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
        assert_goes_on(volume.start(), caplog, "it is a symbolic link")

    def test_newer_numbers(self, volume: Volume) -> None:
        """The exporter does not replace its own newer file by the file of an older version."""
        file = self.older(volume)
        volume.start()
        content = volume.users.read_bytes()
        file.write_bytes(b"older")
        volume.start()
        assert volume.users.read_bytes() == content

    def test_files_of_others(self, volume: Volume) -> None:
        """The exporter leaves files with other names where they are."""
        for name in ("notes.json", "users.json", "users-123.json", ".writing-of-somebody"):
            (volume.path / name).write_text("{}", encoding="utf-8")
        volume.fill()
        assert len(list(volume.path.iterdir())) == 5
