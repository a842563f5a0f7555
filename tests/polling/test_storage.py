"""The last good numbers in a folder: across kill -9, with Cloudflare down, and on disks that fail."""

import dataclasses
import json
import os
import random
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
import pytest
import requests

from access_exporter import cli
from access_exporter.polling.storage import Stored
from access_exporter.simulator import Account, Handler, PolicyTest, PolicyTestUser, Simulator, User
from access_exporter.simulator.account import TOKEN, Life
from tests.processes import Exporter, exporter

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
PEOPLE = [User(str(number), access_seat=True, email=f"person{number}@example.com") for number in range(3)]
RESULTS = [PolicyTestUser("1", status="approved"), PolicyTestUser("2", status="blocked")]


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    tests = [PolicyTest("t1", "complete", RESULTS), PolicyTest("t2", "complete", RESULTS[:1])]
    with Simulator([Account(ACCOUNT, PEOPLE, tests)]) as simulated:
        yield simulated


class Restarts:
    """An exporter that is started again and again with the same folder."""

    def __init__(self, cloudflare: Simulator, folder: Path) -> None:
        self.cloudflare = cloudflare
        self.folder = folder / "storage"
        self.config = folder / "config.yaml"
        self.write()

    def write(self, test: str = "t1", stale_after: str = "30m") -> None:
        self.config.write_text(
            f"api: {{url: '{self.cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
            f"    users: {{stale_after: {stale_after}}}\n"
            f"    policy_tests: [{{id: {test}, name: wiki, stale_after: {stale_after}}}]\n",
            encoding="utf-8",
        )

    def run(self) -> AbstractContextManager[Exporter]:
        return exporter(f"--config.file={self.config}", f"--storage.path={self.folder}")

    def fill(self) -> str:
        """Let it store good numbers, kill it, and return what it served."""
        with self.run() as running:
            running.wait_for("poll succeeded", target="users")
            running.wait_for("poll succeeded", target="wiki")
            served = metrics(running)
            running.process.send_signal(signal.SIGKILL)
            running.process.wait()
        return served


def metrics(running: Exporter) -> str:
    return requests.get(f"{running.url}/metrics", timeout=10).text


def numbers(text: str) -> list[str]:
    """Return the data of the targets and when it is from, without how the polls went."""
    ours = [line for line in text.splitlines() if line.startswith("cloudflare_access_")]
    health = ("cloudflare_access_api_", "cloudflare_access_exporter_", "cloudflare_access_poll_")
    kept = "cloudflare_access_poll_last_success_timestamp_seconds"
    return [line for line in ours if line.startswith(kept) or not line.startswith(health)]


def test_numbers_come_back_with_cloudflare_down(cloudflare: Simulator, tmp_path: Path) -> None:
    """After kill -9 and a restart without Cloudflare the last numbers are back to the digit, with their true times."""
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
    """Whatever moment it is killed at, every file it leaves is whole, and the next start uses it without a warning."""
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
    """Numbers older than stale_after are not shown after a restart either."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    cloudflare.stop()
    restarts.write(stale_after="1ms")
    with restarts.run() as running:
        assert "seats_used" not in metrics(running)


def test_another_policy_test_of_the_same_name_is_not_mixed_up(cloudflare: Simulator, tmp_path: Path) -> None:
    """What was stored of one policy test is never shown for another that has its name."""
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
    """A corrupt or foreign file is set aside with a warning, counted, and the other targets come back."""
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
    """A file in which a single value was changed is set aside, however plausible the value is."""
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
    """What is no file keeps nobody waiting."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.fill()
    (users,) = restarts.folder.glob("users-*.json")
    users.unlink()
    os.mkfifo(users)
    with restarts.run() as running:
        assert any("set aside" in line for line in running.lines)


def test_a_disk_that_cannot_be_written_is_a_warning(cloudflare: Simulator, tmp_path: Path) -> None:
    """Without a folder to write to the exporter warns, counts, and goes on polling and serving."""
    restarts = Restarts(cloudflare, tmp_path)
    restarts.folder.write_text("a file where the folder should be", encoding="utf-8")
    with restarts.run() as running:
        running.wait_for("the storage folder cannot be used")
        running.wait_for("poll succeeded", target="users")
        running.wait_for("poll succeeded", target="wiki")
        text = metrics(running)
    assert f'seats_used{{account_id="{ACCOUNT}"}} 3.0' in text
    (errors,) = [
        line for line in text.splitlines() if line.startswith("cloudflare_access_exporter_storage_errors_total")
    ]
    assert float(errors.split()[1]) >= 1


def test_a_folder_that_vanishes_is_a_warning(cloudflare: Simulator, tmp_path: Path) -> None:
    """A folder that is gone by the time of a poll costs a warning and a count, and nothing else."""
    restarts = Restarts(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="users")
        running.wait_for("poll succeeded", target="wiki")
        shutil.rmtree(restarts.folder)
        restarts.write(stale_after="20m")  # changed settings: polled at once
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("snapshot not stored")
        assert f'seats_used{{account_id="{ACCOUNT}"}} 3.0' in metrics(running)


def test_files_hold_nobody_and_no_secret(cloudflare: Simulator, tmp_path: Path) -> None:
    """Stored files hold sums and times: no person, no secret, and only their owner may read them."""
    restarts = Restarts(cloudflare, tmp_path)
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / ".writing-left").write_text("half", encoding="utf-8")
    restarts.fill()
    files = list(restarts.folder.iterdir())
    assert sorted(file.name.split("-")[0] for file in files) == ["policy_tests", "users"]
    for file in files:
        assert file.stat().st_mode & 0o777 == 0o600
        text = file.read_text(encoding="utf-8")
        assert "person" not in text
        assert "@" not in text
        assert TOKEN not in text


class Fresh(Restarts):
    """An exporter that starts policy tests, one an hour, and an account whose tests are finished at once."""

    def write(self, test: str = "", stale_after: str = "") -> None:
        self.cloudflare.accounts[ACCOUNT].lives["policy",] = lambda: Life(RESULTS)
        self.config.write_text(
            f"api: {{url: '{self.cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
            "    users: false\n    policy_tests: [{name: payroll, policies: [policy], refresh: 1h}]\n",
            encoding="utf-8",
        )

    def posts(self) -> int:
        """Count the tests that Cloudflare was asked to start."""
        return sum(arrival.method == "POST" for arrival in self.cloudflare.arrivals)


def test_a_test_is_started_once_whatever_happens(cloudflare: Simulator, tmp_path: Path) -> None:
    """Killed in the very moment it asks for a policy test, it does not ask again before the next is due."""
    restarts = Fresh(cloudflare, tmp_path)
    running: list[Exporter] = []
    serves, killed = threading.Event(), threading.Event()

    def kill(_: Handler) -> None:
        assert serves.wait(10)
        running[0].process.send_signal(signal.SIGKILL)
        running[0].process.wait()
        killed.set()

    cloudflare.fault = lambda _: kill
    with restarts.run() as started:
        running.append(started)
        serves.set()
        assert killed.wait(10)
    cloudflare.fault = None
    for _ in range(2):
        with restarts.run() as started:
            failed = started.wait_for("poll failed", target="payroll")
            assert "ended while it started a test" in failed["error"]
            assert "the next test is started at 20" in failed["error"]
    assert restarts.posts() == 1


def test_a_test_that_runs_is_followed_after_a_restart(cloudflare: Simulator, tmp_path: Path) -> None:
    """A test that was started before is followed, counted, and compared with the one before that."""
    restarts = Fresh(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        before = metrics(running)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        after = metrics(running)
    shown = [[line for line in numbers(page) if "policy_test_" in line] for page in (before, after)]
    assert shown[0] == shown[1] != []
    assert restarts.posts() == 1
    (file,) = restarts.folder.glob("*.json")
    stored = file.read_text(encoding="utf-8")
    assert "@" not in stored
    # As if an hour had passed, and someone is locked out.
    kept = msgspec.json.decode(stored, type=Stored)
    long_ago = msgspec.Raw(re.sub(rb'"asked":[0-9.]+', b'"asked":1.0', bytes(kept.summary)))
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(kept, summary=long_ago).summed()))
    locked_out = [dataclasses.replace(each, status="blocked") for each in RESULTS]
    cloudflare.accounts[ACCOUNT].lives["policy",] = lambda: Life(locked_out)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        changed = [line for line in metrics(running).splitlines() if "newly_blocked" in line]
    assert restarts.posts() == 2
    approved = sum(each.status == "approved" for each in RESULTS)
    assert [line.split()[-1] for line in changed] == [f"{approved}.0"]


def test_without_storage_a_restart_starts_one_more(cloudflare: Simulator, tmp_path: Path) -> None:
    """Without a memory each start asks for one test, and not for more."""
    restarts = Fresh(cloudflare, tmp_path)
    for starts in (1, 2):
        with exporter(f"--config.file={restarts.config}") as running:
            running.wait_for("poll succeeded", target="payroll")
        assert restarts.posts() == starts


@pytest.mark.usefixtures("own_logging")
def test_once(cloudflare: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--once starts no policy test without a storage folder, and with one each at its time."""
    restarts = Fresh(cloudflare, tmp_path)
    arguments = ["--once", f"--config.file={restarts.config}"]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert "policy_test" not in out
    assert "--once needs --storage.path" in err
    assert restarts.posts() == 0
    for _ in range(3):
        assert cli.main([*arguments, f"--storage.path={restarts.folder}"]) == 0
        assert "cloudflare_access_policy_test_finished_timestamp_seconds{" in capsys.readouterr().out
    assert restarts.posts() == 1
