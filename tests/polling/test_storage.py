"""Stored numbers survive kill -9, an unreachable Cloudflare, and damaged files."""

import hashlib
import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest
import requests

from access_exporter.simulator import Simulator
from access_exporter.simulator.account import TOKEN
from tests.polling.restarts import ACCOUNT, DEVICES, Restarts, metrics, numbers


def test_numbers_come_back_with_cloudflare_down(cloudflare: Simulator, tmp_path: Path) -> None:
    """After kill -9 and a restart without Cloudflare, the exporter serves the same numbers with the same times."""
    restarts = Restarts(cloudflare, tmp_path)
    before = restarts.fill()
    cloudflare.stop()
    with restarts.run() as running:
        assert requests.get(f"{running.url}/-/ready", timeout=10).status_code == 200
        assert numbers(metrics(running)) == numbers(before)
        running.wait_for("poll failed", target="users")
        after = metrics(running)
    assert numbers(after) == numbers(before)
    assert f'poll_success{{account_id="{ACCOUNT}",collector="users",target="users"}} 0.0' in after


def test_killed_at_any_moment(cloudflare: Simulator, tmp_path: Path) -> None:
    """After kill -9 at any moment, all stored files are complete, and the next start reads them without a warning."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    chance = random.Random(1)
    for _ in range(6):
        with restarts.run() as running:
            for _ in range(chance.randrange(3)):
                running.wait_for("poll succeeded")
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
            assert not any("snapshot" in line for line in running.lines)
        for file in restarts.folder.glob("*.json"):
            assert json.loads(file.read_text(encoding="utf-8"))["format"].startswith("cloudflare-access-exporter")
    cloudflare.stop()
    with restarts.run() as running:
        assert f'seats_used{{account_id="{ACCOUNT}"}} 3.0' in metrics(running)


def test_stale_numbers_do_not_come_back(cloudflare: Simulator, tmp_path: Path) -> None:
    """Numbers older than stale_after are not shown after a restart."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    cloudflare.stop()
    restarts.write(stale_after="1ms")
    with restarts.run() as running:
        assert "seats_used" not in metrics(running)


def test_another_policy_test_with_the_same_name(cloudflare: Simulator, tmp_path: Path) -> None:
    """The stored numbers of one policy test are never shown for another one with its name."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    cloudflare.stop()
    restarts.write(test="t2")
    with restarts.run() as running:
        text = metrics(running)
    assert "seats_used{" in text
    assert "policy_test_users{" not in text


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b'{"format":"something else"}', b"\xff" * 100, b"[" * 100_000, b" " * 2_000_000, None],
    ids=["empty", "cut", "null", "foreign", "binary", "deep", "large", "folder"],
)
def test_a_file_that_cannot_be_used_is_set_aside(cloudflare: Simulator, tmp_path: Path, content: bytes | None) -> None:
    """A corrupt or unknown file is set aside with a warning and counted, and the other targets are restored."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    cloudflare.stop()
    (users,) = restarts.folder.glob("users-*.json")
    users.unlink()
    if content is None:
        users.mkdir()
    else:
        users.write_bytes(content)
    with restarts.run() as running:
        text = metrics(running)
        assert any("set aside" in line for line in running.lines)
    assert "cloudflare_access_exporter_storage_errors_total 1.0" in text
    assert "policy_test_users{" in text
    assert "seats_used{" not in text
    assert not users.exists()
    assert len(list(restarts.folder.glob("users-*"))) == 1


@pytest.mark.parametrize(
    ("pattern", "damaged"),
    [
        ('"seats_used":3', '"seats_used":7'),
        ('"seats_used":3', f'"seats_used":{"9" * 400}'),
        ('"1d":', '"planted@example.com":'),
        ('"succeeded_at":1', '"succeeded_at":2'),
    ],
)
def test_a_damaged_number_is_not_shown(cloudflare: Simulator, tmp_path: Path, pattern: str, damaged: str) -> None:
    """A file with a single changed value is set aside, even if the value looks plausible."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    cloudflare.stop()
    (users,) = restarts.folder.glob("users-*.json")
    content = users.read_text(encoding="utf-8")
    assert pattern in content
    users.write_text(content.replace(pattern, damaged), encoding="utf-8")
    with restarts.run() as running:
        text = metrics(running)
        assert any("set aside" in line for line in running.lines)
    assert "seats_used{" not in text
    assert "planted" not in text


def test_a_named_pipe_is_set_aside(cloudflare: Simulator, tmp_path: Path) -> None:
    """A named pipe in place of a file is set aside, and the exporter does not wait for it."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    (users,) = restarts.folder.glob("users-*.json")
    users.unlink()
    os.mkfifo(users)
    with restarts.run() as running:
        assert any("set aside" in line for line in running.lines)


def test_a_folder_that_vanishes_is_a_warning(cloudflare: Simulator, tmp_path: Path) -> None:
    """If the folder is deleted while the exporter runs, it logs and counts a warning, and keeps serving the numbers."""
    restarts = Restarts(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="users")
        running.wait_for("poll succeeded", target="wiki")
        shutil.rmtree(restarts.folder)
        restarts.write(stale_after="20m")  # the settings changed, so the target is polled at once
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("snapshot not stored")
        assert f'seats_used{{account_id="{ACCOUNT}"}} 3.0' in metrics(running)


def test_files_contain_no_personal_data_and_no_secret(cloudflare: Simulator, tmp_path: Path) -> None:
    """Stored files contain sums and times, no personal data and no secret, and only their owner may read them."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.folder.mkdir(parents=True, mode=0o700)
    (restarts.folder / ".writing-left").write_text("half", encoding="utf-8")
    restarts.fill()
    files = list(restarts.folder.iterdir())
    names = [name for device in DEVICES for name in (*device.user.values(), device.user["email"].lower(), device.id)]
    hashes = [hashlib.new(kind, name.encode()).hexdigest() for name in names for kind in ("md5", "sha1", "sha256")]
    stored = {file.name.split("-")[0] for file in files}
    assert stored - {"organization"} == {"devices", "policy_tests", "users"}  # may be killed before this file
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
        assert "person" not in text.lower()
        assert not any(hashed in text for hashed in hashes)
        assert "@" not in text
        assert TOKEN not in text
