"""What is remembered of policy tests that the exporter starts: none is started twice, and none is lost."""

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
    """An exporter that starts policy tests, one an hour, and an account whose tests are finished at once."""

    def write(self, test: str = "policy", stale_after: str = "") -> None:
        """Test this policy; each of them has results of its own."""
        self.cloudflare.accounts[ACCOUNT].lives["policy",] = lambda: Life(RESULTS)
        self.cloudflare.accounts[ACCOUNT].lives["other",] = lambda: Life(RESULTS[:1])
        self.config.write_text(
            f"api: {{url: '{self.cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
            f"    users: false\n    policy_tests: [{{name: payroll, policies: [{test}], refresh: 1h}}]\n",
            encoding="utf-8",
        )

    def posts(self) -> int:
        """Count the tests that Cloudflare was asked to start."""
        return sum(arrival.method == "POST" for arrival in self.cloudflare.arrivals)


def test_a_test_is_started_once_whatever_happens(cloudflare: Simulator, tmp_path: Path) -> None:
    """Killed in the very moment it asks for a policy test, it does not ask again before the next is due."""
    restarts = Fresh(cloudflare, tmp_path)
    kill_at(cloudflare, restarts.run(), lambda request: request.method == "POST")
    for _ in range(2):
        with restarts.run() as started:
            failed = started.wait_for("poll failed", target="payroll")
            assert "stopped or was reconfigured while it started a test" in failed["error"]
            assert "the next test starts at 20" in failed["error"]
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
    (file,) = restarts.folder.glob("policy_tests-*.json")
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
        assert cli.main([*arguments, f"--storage.path={restarts.path}"]) == 0
        assert "cloudflare_access_policy_test_finished_timestamp_seconds{" in capsys.readouterr().out
    assert restarts.posts() == 1


def test_a_folder_that_vanishes_starts_nothing(cloudflare: Simulator, tmp_path: Path) -> None:
    """A folder that is gone by the time of the next test keeps it from being started; the counts stay."""
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


def test_policies_that_come_back_after_restarts(cloudflare: Simulator, tmp_path: Path) -> None:
    """Policies that are exchanged and come back, with a restart each time, are started once each, and not mixed up."""
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


def test_what_an_older_version_stored(cloudflare: Simulator, tmp_path: Path) -> None:
    """A file without the fields that are new is read: nothing is started again, and the counts are shown."""
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


def test_a_file_without_others_is_as_before() -> None:
    """Files of older versions keep their checksum: the field for other subjects is only there where it is needed."""
    stored = Stored("format", ["key"], "subject", 1.5, msgspec.Raw(b"{}"))
    plain = b'{"format":"format","key":["key"],"subject":"subject","succeeded_at":1.5,"summary":{},"checksum":""}'
    assert msgspec.json.encode(stored) == plain
    assert stored.summed().checksum == hashlib.sha256(plain).hexdigest()
