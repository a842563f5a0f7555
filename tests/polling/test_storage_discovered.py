"""Stored data about applications and their policy tests: a restart starts no test twice, and stores no policy rule."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from access_exporter import cli
from access_exporter.simulator import Simulator
from access_exporter.simulator.account import TOKEN, Life
from tests.collectors.discovering import DAY, GUESTS, HOUR, STAFF, Discovery, application, own, reusable
from tests.faults import refuses, result
from tests.polling.restarts import ACCOUNT, RESULTS, kill_at, metrics
from tests.processes import Exporter, exporter

CONCURRENCY = 4  # requests in flight
WIKI = application("wiki", own(include=[{"email": {"email": "jdoe@example.com"}}]))


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Discovery]:
    """An exporter with a storage folder that discovered two applications with finished policy tests."""
    policies = [reusable("shared", include=[GUESTS], id="shared")]
    found = Discovery(WIKI, application("pay", "shared"), policies=policies, folder=tmp_path / "storage")
    found.run(2 * HOUR)
    assert len(found.started()) == 2
    yield found
    found.server.stop()


class TestRestarts:
    def test_nothing_is_started_again(self, found: Discovery) -> None:
        """After a restart, the exporter shows the numbers at once, and starts the next tests at their usual time."""
        before = [line for line in found.exporter.page().splitlines() if "policy_test_users" in line]
        found.restart()
        assert [line for line in found.exporter.page().splitlines() if "policy_test_users" in line] == before != []
        assert found.value('applications type="self_hosted"') == 2
        found.run(DAY / 2 - 2 * HOUR - 1)
        assert len(found.started()) == 2
        found.run(DAY / 2 + 310)
        assert len(found.started()) == 4

    def test_an_edit_while_the_exporter_is_down(self, found: Discovery) -> None:
        """If a policy was edited while the exporter was down, the exporter starts one test, with the new policy."""
        found.lists(application("wiki", own(include=[STAFF])), application("pay", "shared"))
        found.restart()
        found.run(HOUR)
        assert [policies[0]["include"] for _, policies in found.started()[2:]] == [[STAFF]]

    def test_a_new_name_while_the_exporter_is_down(self, found: Discovery) -> None:
        """An application that was renamed while the exporter was down keeps its numbers."""
        found.lists(WIKI | {"name": "handbook"}, application("pay", "shared"))
        found.restart()
        found.run(HOUR)
        assert found.value('policy_test_users policy_test="handbook",status="approved"') == 1
        assert len(found.started()) == 2

    @pytest.mark.parametrize("name", ["wiki \ud800", "w" * 100_000])
    def test_unusual_names(self, found: Discovery, name: str, caplog: pytest.LogCaptureFixture) -> None:
        """An application with a name that is not valid Unicode, or very long, is stored and restored like any other."""
        listed = result(json.dumps([WIKI | {"name": name}]))
        found.server.fault = lambda request: listed if request.endpoint == "apps" and request.page == 1 else None
        found.lists()
        found.run(HOUR)
        before = found.labels()
        assert before.keys() == {"app-wiki"}
        found.restart()
        assert found.labels() == before
        assert "unexpected error" not in caplog.text

    def test_an_application_that_is_listed_again(self, found: Discovery) -> None:
        """If a deleted application returns after a restart, the exporter tests it at its usual time, not earlier."""
        found.lists(application("pay", "shared"))
        found.run(HOUR)
        found.restart()
        found.run(HOUR)
        found.lists(WIKI, application("pay", "shared"))
        found.run(HOUR)
        assert len(found.started()) == 2

    def test_a_list_that_cannot_be_read(self, found: Discovery) -> None:
        """If Cloudflare refuses to list applications after a restart, the numbers are shown and no test starts."""
        found.server.fault = lambda request: refuses(403, 10000) if request.endpoint == "apps" else None
        found.restart()
        found.run(DAY)
        assert found.value('policy_test_users policy_test="wiki",status="approved"') == 1
        assert len(found.started()) == 2
        found.server.fault = None
        found.run(1000)
        assert len(found.started()) == 4

    def test_rules_are_not_stored_shown_or_logged(
        self, found: Discovery, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Policy rules may contain personal data, so the exporter does not store, show or log them."""
        files = [file.read_text(encoding="utf-8") for file in (tmp_path / "storage" / "snapshots").iterdir()]
        assert len(files) >= 3
        found.server.fault = lambda request: refuses(400, 12130) if request.method == "POST" else None
        found.run(2 * DAY)
        for content in (*files, found.exporter.whole_page(), found.exporter.status_page(), caplog.text):
            assert "example.com" not in content
            assert "example.org" not in content


def config(cloudflare: Simulator, folder: Path, applications: int = 5) -> Path:
    """Write a configuration that discovers applications, and give the account some applications."""
    account = cloudflare.accounts[ACCOUNT]
    account.any_life = lambda _: Life(RESULTS)
    account.lists["policies"] = ()
    account.lists["apps"] = tuple(application(str(number), own(str(number))) for number in range(applications))
    file = folder / "config.yaml"
    file.write_text(
        f"api: {{url: '{cloudflare.url}'}}\naccounts:\n  - id: {ACCOUNT}\n    api_token: {TOKEN}\n"
        f"    users: false\n    policy_tests: [discover: applications]\n",
        encoding="utf-8",
    )
    return file


def posts(cloudflare: Simulator) -> int:
    return sum(arrival.method == "POST" for arrival in cloudflare.arrivals)


def wait_for_polls(running: Exporter, targets: int) -> None:
    """Wait until this many targets were polled, with or without success."""
    deadline = time.monotonic() + 30
    while metrics(running).count("cloudflare_access_poll_success{") < targets:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_while_tests_are_started(cloudflare: Simulator, tmp_path: Path) -> None:
    """After kill -9 while it starts policy tests, the exporter starts the others after a restart, and none twice."""
    arguments = [f"--config.file={config(cloudflare, tmp_path)}", f"--storage.path={tmp_path / 'storage'}"]
    kill_at(cloudflare, exporter(*arguments), lambda request: request.method == "POST" and posts(cloudflare) == 3)
    cloudflare.fault = None
    for _ in range(2):
        with exporter(*arguments) as started:
            started.wait_for("poll succeeded", target="applications")
            wait_for_polls(started, 6)
    bodies = [arrival.body for arrival in cloudflare.arrivals if arrival.method == "POST"]
    # A test that was about to start may be lost: the exporter cannot know whether Cloudflare got the request.
    assert 5 - CONCURRENCY < len(set(bodies)) == len(bodies)


@pytest.mark.usefixtures("own_logging")
def test_once(cloudflare: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a storage folder, --once lists applications but starts no test; with one, it starts due tests."""
    arguments = ["--once", f"--config.file={config(cloudflare, tmp_path)}"]
    assert cli.main(arguments) == 0
    shown = capsys.readouterr()
    assert 'type="self_hosted"} 5.0' in shown.out
    assert "no policy test is started" in shown.err
    assert posts(cloudflare) == 0
    for _ in range(2):
        assert cli.main([*arguments, f"--storage.path={tmp_path / 'storage'}"]) == 0
        assert posts(cloudflare) == 5
    assert 'policy_test_users{account_id="' in capsys.readouterr().out
