"""Stored data about policy tests that the exporter starts: a restart starts no test twice, and loses none."""

import dataclasses
import hashlib
import re
import shutil
import signal
from pathlib import Path

import msgspec
import pytest

from access_exporter import cli
from access_exporter.polling.storage import Stored
from access_exporter.simulator import Simulator
from access_exporter.simulator.account import TOKEN, Life
from tests.polling.restarts import ACCOUNT, RESULTS, Restarts, kill_at, metrics, numbers
from tests.processes import exporter


class Fresh(Restarts):
    """An exporter that starts a policy test every hour, and an account where policy tests finish at once."""

    def write(self, test: str = "policy", stale_after: str = "") -> None:
        """Write a configuration that tests this policy; each policy has its own results."""
        self.cloudflare.accounts[ACCOUNT].lives["policy",] = lambda: Life(RESULTS)
        self.cloudflare.accounts[ACCOUNT].lives["other",] = lambda: Life(RESULTS[:1])
        self.config.write_text(
            f"api: {{url: '{self.cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
            f"    users: false\n    policy_tests: [{{name: payroll, policies: [{test}], refresh: 1h}}]\n",
            encoding="utf-8",
        )

    def posts(self) -> int:
        """Return how many policy tests the exporter asked Cloudflare to start."""
        return sum(arrival.method == "POST" for arrival in self.cloudflare.arrivals)


def test_kill_while_a_test_is_started(cloudflare: Simulator, tmp_path: Path) -> None:
    """After kill -9 while it asks for a policy test, the exporter does not ask again before the next test is due."""
    restarts = Fresh(cloudflare, tmp_path)
    kill_at(cloudflare, restarts.run(), lambda request: request.method == "POST")
    for _ in range(2):
        with restarts.run() as started:
            failed = started.wait_for("poll failed", target="payroll")
            assert "stopped or was reconfigured while it started a test" in failed["error"]
            assert "the next test starts at 20" in failed["error"]
    assert restarts.posts() == 1


def test_a_running_test_is_followed_after_a_restart(cloudflare: Simulator, tmp_path: Path) -> None:
    """After a restart, the exporter follows a policy test that it started, and compares it with the test before."""
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
    (file,) = restarts.folder.glob("policy_tests-*.json")
    stored = file.read_text(encoding="utf-8")
    assert "@" not in stored
    # Change the stored time so that the next test is due, and let that test lock a user out.
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
    """Without a storage folder, the exporter starts exactly one policy test after each restart."""
    restarts = Fresh(cloudflare, tmp_path)
    for starts in (1, 2):
        with exporter(f"--config.file={restarts.config}") as running:
            running.wait_for("poll succeeded", target="payroll")
        assert restarts.posts() == starts


@pytest.mark.usefixtures("own_logging")
def test_once(cloudflare: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a storage folder, --once starts no policy test; with one, it starts each test when due."""
    restarts = Fresh(cloudflare, tmp_path)
    arguments = ["--once", f"--config.file={restarts.config}"]
    assert cli.main(arguments) == 0
    out, err = capsys.readouterr()
    assert "policy_test" not in out
    assert "--once needs --storage.path" in err
    assert restarts.posts() == 0
    for _ in range(3):
        assert cli.main([*arguments, f"--storage.path={restarts.path}"]) == 0
        assert "cloudflare_access_policy_test_finished_timestamp_seconds{" in capsys.readouterr().out
    assert restarts.posts() == 1


def test_a_folder_that_vanishes_starts_nothing(cloudflare: Simulator, tmp_path: Path) -> None:
    """If the storage folder was deleted, the exporter does not start the next policy test, and keeps its counts."""
    restarts = Fresh(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        shutil.rmtree(restarts.folder)
        restarts.write(test="other")
        running.process.send_signal(signal.SIGHUP)
        failed = running.wait_for("poll failed", target="payroll")
        assert "the storage folder cannot be written" in failed["error"]
        restarts.write()
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("poll succeeded", target="payroll")
        assert "policy_test_users{" in metrics(running)
    assert restarts.posts() == 1


def test_policies_that_alternate_with_restarts(cloudflare: Simulator, tmp_path: Path) -> None:
    """If restarts alternate between two policies, the exporter tests each policy once, with separate results."""
    restarts = Fresh(cloudflare, tmp_path)
    for test in ("policy", "other", "policy", "other", "policy"):
        restarts.write(test=test)
        with restarts.run() as running:
            running.wait_for("poll succeeded", target="payroll")
            page = metrics(running)
        shown = sum(
            float(line.split()[-1])
            for line in page.splitlines()
            if line.startswith("cloudflare_access_policy_test_users{")
        )
        assert shown == (len(RESULTS) if test == "policy" else 1)
    assert restarts.posts() == 2
    (file,) = restarts.folder.glob("policy_tests-*.json")
    assert "@" not in file.read_text(encoding="utf-8")


def test_a_file_of_an_older_version(cloudflare: Simulator, tmp_path: Path) -> None:
    """After an upgrade, the exporter reads a file without the new fields, shows its counts, and starts no test."""
    restarts = Fresh(cloudflare, tmp_path)
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        before = metrics(running)
    (file,) = restarts.folder.glob("policy_tests-*.json")
    kept = msgspec.json.decode(file.read_bytes(), type=Stored)
    summary = msgspec.json.decode(kept.summary)
    for name in ("partial", "missing", "stale", "dated"):
        del summary[name]
    for name in ("missing", "has_run_again", "awaited"):
        del summary["test"][name]
    old = msgspec.structs.replace(kept, summary=msgspec.Raw(msgspec.json.encode(summary))).summed()
    file.write_bytes(msgspec.json.encode(old))
    with restarts.run() as running:
        running.wait_for("poll succeeded", target="payroll")
        after = metrics(running)
    shown = [[line for line in numbers(page) if "policy_test_" in line] for page in (before, after)]
    assert shown[0] == shown[1] != []
    assert restarts.posts() == 1


def test_a_file_without_other_subjects_keeps_its_format() -> None:
    """A file without data of other subjects has no such field, so files of older versions keep their checksum."""
    stored = Stored("format", ["key"], "subject", 1.5, msgspec.Raw(b"{}"))
    plain = b'{"format":"format","key":["key"],"subject":"subject","succeeded_at":1.5,"summary":{},"checksum":""}'
    assert msgspec.json.encode(stored) == plain
    assert stored.summed().checksum == hashlib.sha256(plain).hexdigest()
