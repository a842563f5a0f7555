"""The real process with a configuration file, against a simulated account in the test."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import bcrypt
import pytest
import requests

from access_exporter.simulator import Account, Handler, PolicyTest, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from tests.processes import ROOT, Exporter, exporter

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
TEST = "f1a8b3c9d4e5f6789a0b1c2d3e4f5678a9b0c1d2e3f4a5b67890c1d2e3f4b5a6"


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    results = [PolicyTestUser("1", status="approved"), PolicyTestUser("2", status="blocked")]
    users = [User("1", access_seat=True), User("2", gateway_seat=True), User("3")]
    with Simulator([Account(ACCOUNT, users, [PolicyTest(TEST, "complete", results)])]) as simulated:
        yield simulated


def write(path: Path, url: str, users: str = "{interval: 1h}", more: str = "") -> Path:
    path.write_text(
        f"api: {{url: '{url}', timeout: 5s}}\n"
        f"accounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n    users: {users}\n    devices: false\n{more}",
        encoding="utf-8",
    )
    return path


def metrics(running: Exporter) -> str:
    return requests.get(f"{running.url}/metrics", timeout=10).text


def test_not_ready_before_every_target_was_tried(cloudflare: Simulator, tmp_path: Path) -> None:
    """During a first poll, /-/ready answers 503 and /-/healthy 200; after the poll, /-/ready answers 200."""
    running: list[Exporter] = []
    seen: list[int] = []

    def ask_in_the_middle() -> None:
        seen.extend(requests.get(running[0].url + path, timeout=10).status_code for path in ("/-/ready", "/-/healthy"))

    def fault(request: Request) -> Fault | None:
        def answer(handler: Handler) -> None:
            ask_in_the_middle()
            handler.send(handler.response())

        return answer if request.endpoint == "users" else None

    config = write(tmp_path / "config.yaml", "http://127.0.0.1:9/client/v4", users="false")
    with exporter(f"--config.file={config}") as started:
        running.append(started)
        cloudflare.fault = fault
        write(config, cloudflare.url)
        started.process.send_signal(signal.SIGHUP)
        started.wait_for("poll succeeded")
        assert seen == [503, 200]
        assert requests.get(f"{started.url}/-/ready", timeout=10).status_code == 200


def test_sighup_reloads(cloudflare: Simulator, tmp_path: Path) -> None:
    """SIGHUP loads the configuration again: it polls new targets, removes deleted ones, and keeps unchanged ones."""
    config = write(tmp_path / "config.yaml", cloudflare.url)
    with exporter(f"--config.file={config}") as running:
        running.wait_for("configuration loaded", targets=1)
        running.wait_for("poll succeeded", target="users")
        write(config, cloudflare.url, more=f"    policy_tests: [{{id: {TEST}, name: wiki}}]\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("poll succeeded", target="wiki")
        assert f'test_users{{account_id="{ACCOUNT}",policy_test="wiki",status="blocked"}} 1.0' in metrics(running)
        assert [arrival.endpoint for arrival in cloudflare.arrivals].count("users") == 1
        write(config, cloudflare.url)
        running.process.send_signal(signal.SIGHUP)
        running.wait_for("configuration loaded", targets=1)
        assert "wiki" not in metrics(running)


def test_sighup_during_the_start(cloudflare: Simulator, tmp_path: Path) -> None:
    """SIGHUP during the start does not end the process; the exporter loads the configuration again after the start."""
    config, changed = tmp_path / "config.yaml", write(tmp_path / "changed.yaml", cloudflare.url, users="{interval: 2h}")
    os.mkfifo(config)  # the starting process blocks when it reads this pipe

    def hang_up(process: subprocess.Popen[str]) -> None:
        with config.open("w", encoding="utf-8") as waiting:
            process.send_signal(signal.SIGHUP)
            waiting.write(changed.read_text(encoding="utf-8").replace("2h", "1h"))
            changed.replace(config)

    with exporter(f"--config.file={config}", starting=hang_up) as running:
        running.wait_for("configuration loaded")
        running.wait_for("configuration loaded")
        running.wait_for("poll succeeded")
        assert 'poll_interval_seconds{account_id="' + ACCOUNT + '",collector="users",target="users"} 7200.0' in metrics(
            running
        )


def test_sigterm_during_the_start(tmp_path: Path) -> None:
    """SIGTERM during the start ends the process at once and without output, even as process 1."""
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    as_first = ["unshare", "--pid", "--fork", "--kill-child"] if os.getuid() == 0 else []
    command = [*as_first, sys.executable, "exporter.py", f"--config.file={config}"]
    # The process waits for its configuration as long as the pipe is open.
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process, config.open("w"):
        starting = int(children(process.pid)[0]) if as_first else process.pid
        os.kill(starting, signal.SIGTERM)
        assert process.wait(timeout=10) == 143
        assert process.stderr is not None
        assert process.stderr.read() == b""


def children(pid: int) -> list[str]:
    """Return the ids of the children of a process."""
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def test_a_stop_does_not_wait_for_reloads(cloudflare: Simulator, tmp_path: Path) -> None:
    """SIGTERM ends the process within five seconds, even during a slow reload and with many more waiting."""
    config = write(tmp_path / "config.yaml", cloudflare.url)
    with exporter(f"--config.file={config}", "--web.enable-lifecycle") as running:
        running.wait_for("poll succeeded")
        config.unlink()
        os.mkfifo(config)  # like a disk that does not answer
        for _ in range(30):
            running.process.send_signal(signal.SIGHUP)
        with ExitStack() as asking:
            for _ in range(2):
                asking.enter_context(posted(running))
            refused = requests.post(f"{running.url}/-/reload", timeout=10)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert requests.get(f"{running.url}/-/healthy", timeout=10).status_code == 200
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(timeout=5) == 0


def test_a_log_without_a_reader(cloudflare: Simulator, tmp_path: Path) -> None:
    """If no program reads the log, the exporter still polls, reloads, answers and stops."""
    config = write(tmp_path / "config.yaml", cloudflare.url)
    with exporter(f"--config.file={config}", "--web.enable-lifecycle") as running:
        running.wait_for("poll succeeded")
        assert running.process.stderr is not None
        fcntl.fcntl(running.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        for _ in range(100):
            assert requests.post(f"{running.url}/-/reload", timeout=10).status_code == 200
        account = cloudflare.accounts[ACCOUNT]
        account.users = (*account.users, User("4", access_seat=True))
        write(config, cloudflare.url, users="{interval: 2h}")
        assert requests.post(f"{running.url}/-/reload", timeout=10).status_code == 200
        deadline = time.monotonic() + 10
        while f'seats_used{{account_id="{ACCOUNT}"}} 3.0' not in metrics(running):
            assert time.monotonic() < deadline
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=5) == 0


# Runs the exporter with password checks that log when they begin, and never end.
HELD_CHECKS = """
import bcrypt, os, runpy, sys
check = bcrypt.checkpw

def held(password, _):
    os.write(2, b'{"msg": "check began"}\\n')  # unbuffered, because other threads write too
    while True:
        check(password, b"$2b$04$" + b"." * 53)

bcrypt.checkpw = held
sys.path[0], sys.argv = ".", sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_a_stop_while_passwords_are_checked(tmp_path: Path) -> None:
    """SIGTERM during password checks, with more checks waiting, ends the process with status 0."""
    web = tmp_path / "web.yaml"
    web.write_text(f"basic_auth_users: {{alice: {bcrypt.hashpw(b'x', bcrypt.gensalt(4)).decode()}}}", encoding="utf-8")
    held = tmp_path / "held.py"
    held.write_text(HELD_CHECKS, encoding="utf-8")
    starter = (sys.executable, str(held))
    with exporter("--demo", f"--web.config.file={web}", locked_by=starter) as running, ExitStack() as asking:
        for number in range(6):
            asked = f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {b64encode(b'a:%d' % number).decode()}\r\n\r\n"
            asking.enter_context(socket.create_connection(("127.0.0.1", running.port))).sendall(asked.encode())
        running.wait_for("check began")
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(timeout=30) == 0


def posted(running: Exporter) -> socket.socket:
    """Send a reload request, and return its connection."""
    connection = socket.create_connection(("127.0.0.1", running.port), timeout=10)
    connection.sendall(b"POST /-/reload HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    return connection


def test_sighup_is_blocked_before_slow_imports() -> None:
    """The exporter blocks SIGHUP before it imports slow modules, so that an early SIGHUP does not end it."""
    code = "import sys, access_exporter.cli; sys.exit('requests' in sys.modules or 'h11' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60).returncode == 0


def test_reload_needs_its_flag_and_reports_errors(cloudflare: Simulator, tmp_path: Path) -> None:
    """POST /-/reload needs its flag; with a bad file it answers 500 and the reason, and changes nothing."""
    config = write(tmp_path / "config.yaml", cloudflare.url)
    with exporter(f"--config.file={config}", "--web.enable-lifecycle") as running:
        running.wait_for("poll succeeded")
        before = metrics(running)
        assert "cloudflare_access_exporter_config_last_reload_successful 1.0" in before
        config.write_text("accounts: 3\n", encoding="utf-8")
        refused = requests.post(f"{running.url}/-/reload", timeout=10)
        assert refused.status_code == 500
        assert f"{config}: accounts: expected a list" in refused.text
        after = metrics(running)
        assert "cloudflare_access_exporter_config_last_reload_successful 0.0" in after
        seats = f'cloudflare_access_seats_used{{account_id="{ACCOUNT}"}} 2.0'
        assert seats in before
        assert seats in after
        write(config, cloudflare.url)
        assert requests.post(f"{running.url}/-/reload", timeout=10).status_code == 200
        assert "cloudflare_access_exporter_config_last_reload_successful 1.0" in metrics(running)


def test_browsers_cannot_reload(cloudflare: Simulator, tmp_path: Path) -> None:
    """POST /-/reload answers 403 to a browser, even to a page of the same site, to prevent DNS rebinding."""
    config = write(tmp_path / "config.yaml", cloudflare.url, users="false")
    with exporter(f"--config.file={config}", "--web.enable-lifecycle") as running:

        def reload(**headers: str) -> int:
            return requests.post(f"{running.url}/-/reload", headers=headers, timeout=10).status_code

        assert reload() == 200
        assert reload(Origin=running.url) == 403
        assert reload(Origin="http://evil.example:1", Host="evil.example:1") == 403
        assert reload(Origin="https://evil.example") == 403
        assert reload(Origin="null") == 403
        assert reload(**{"Sec-Fetch-Site": "same-origin"}) == 403
        assert reload(**{"Sec-Fetch-Site": "same-site"}) == 403
        assert reload(**{"Sec-Fetch-Site": "cross-site"}) == 403


def test_status_page_shows_errors_and_escapes_names(cloudflare: Simulator, tmp_path: Path) -> None:
    """The status page shows used and available seats and each target's error in words, and escapes hostile names."""
    config = write(
        tmp_path / "config.yaml",
        cloudflare.url,
        more=f"    name: '<script>alert(1)</script>'\n    seat_limit: 2\n"
        f"    policy_tests: [{{id: {'f' * 64}, name: '<b>&\"'}}]\n",
    )
    with exporter(f"--config.file={config}") as running:
        running.wait_for("poll succeeded")
        running.wait_for("poll failed", target='<b>&"')
        page = requests.get(running.url, timeout=10)
    assert "<script" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "Policy test <bdi>&lt;b&gt;&amp;&quot;</bdi>" in page.text
    assert "2 of 2 seats used" in page.text
    assert "poll failed (not_found)" in page.text
    assert "404 from /access/policy-tests/ID" in page.text
    assert "check the ids in the configuration" in page.text
    assert "default-src &#x27;none&#x27;" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")


def test_numbers_survive_cloudflare_going_down(cloudflare: Simulator, tmp_path: Path) -> None:
    """If Cloudflare is unreachable, the last numbers stay, the poll counts as failed, and the exporter stays ready."""
    config = write(tmp_path / "config.yaml", cloudflare.url, users="{interval: 10s}")
    with exporter(f"--config.file={config}") as running:
        running.wait_for("poll succeeded")
        cloudflare.stop()
        write(config, cloudflare.url, users="{interval: 11s}")  # a changed interval makes the exporter poll at once
        running.process.send_signal(signal.SIGHUP)
        failed = running.wait_for("poll failed")
        assert (failed["reason"], "refused" in failed["error"]) == ("network", True)
        assert f'cloudflare_access_seats_used{{account_id="{ACCOUNT}"}} 2.0' in metrics(running)
        assert requests.get(f"{running.url}/-/ready", timeout=10).status_code == 200
