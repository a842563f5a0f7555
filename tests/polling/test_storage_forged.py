"""Stored files with a valid checksum but impossible values: the exporter sets them aside and shows none of them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from access_exporter.config.model import PolicyTest, Users
from access_exporter.polling.storage import Stored
from access_exporter.simulator import Simulator
from access_exporter.simulator.account import Life
from tests.collectors.discovering import application, own
from tests.fakes import START
from tests.fleet import Fleet
from tests.reloads import RESULTS, TEST, account, cloudflare, config

DAY = 86400.0
FRESH = PolicyTest(name="fresh", policies=("policy",))
APPLICATION: dict[str, Any] = {"id": "app-pay", "name": "planted", "type": "saas", "revision": None, "decisions": {}}
NAMES = {"fresh": "policy_tests", "discovered": "discovered_policy_tests"}

FORGED: dict[str, tuple[str, dict[str, Any]]] = {
    "negative seats": ("users", {"seats_used": -1}),
    "negative users": ("users", {"users": {"none": -5, "access": 5}}),
    "negative idle seats": ("users", {"idle": {"30": -1}}),
    "more seats than users": ("users", {"seats_used": 6}),
    "more seats of a product than seats": ("users", {"seats": {"access": 6, "gateway": 0}}),
    "more idle seats than seats": ("users", {"idle": {"30": 6}}),
    "more unknown seats than seats": ("users", {"activity_unknown": {"30": 6}}),
    "more seats never used than seats": ("users", {"never_used": 6}),
    "more logins than users": ("users", {"users_logged_in": {"1d": 6}}),
    "more active users than users": ("users", {"users_active": {"1d": 6}}),
    "more users by devices than users": ("users", {"users_by_devices": {"0": 3, "1": 3}}),
    "more users by domain than users": ("users", {"users_by_domain": {"example.com": {"both": 6}}}),
    "negative devices": ("users", {"active_devices": -1}),
    "more devices than the users have": ("users", {"active_devices": 1e15, "users_by_devices": {"0": 2, "3-5": 3}}),
    "fewer devices than the users have": ("users", {"active_devices": 1, "users_by_devices": {"1": 2, "6+": 3}}),
    "a last login in the future": ("users", {"last_login": START + 3 * DAY}),
    "a negative last login": ("users", {"last_login": -1}),
    "a string instead of a number": ("users", {"seats_used": "planted"}),
    "a fraction instead of a whole number": ("users", {"seats_used": 4.5}),
    "null instead of a number": ("users", {"seats_used": None}),
    "a number of 400 digits": ("users", {"active_devices": 10**400}),
    "an e-mail address as a kind of seat": ("users", {"users": {"planted@example.com": 5}}),
    "a name as a time span": ("users", {"users_logged_in": {"planted": 1}}),
    "a name as a number of days": ("users", {"idle": {"planted": 1}}),
    "a name as a number of devices": ("users", {"users_by_devices": {"planted": 1}}),
    "an e-mail address as a domain": ("users", {"users_by_domain": {"planted@example.com": {"both": 1}}}),
    "negative rows": ("users", {"found": {"rows": -1}}),
    "negative results": ("policy_tests", {"users": {"approved": -1}}),
    "a name as a result": ("policy_tests", {"users": {"planted": 1}}),
    "an unknown status": ("policy_tests", {"status": "planted"}),
    "progress above 100 %": ("policy_tests", {"processed_ratio": 1.5}),
    "a negative population": ("policy_tests", {"population": -1}),
    "negative missing users": ("policy_tests", {"missing": -6}),
    "negative registrations": ("devices", {"types": {"warp": -1}}),
    "a name as a device type": ("devices", {"types": {"planted": 1}}),
    "a name as a client version": ("devices", {"versions": {"planted": 1}}),
    "more devices seen than devices": ("devices", {"seen": {"1d": 1000}}),
    "more versions than devices": ("devices", {"versions": {"1.0": 1000}}),
    "data of single users": ("devices", {"last_seen": ["planted"]}),
    "a negative seat expiration": ("organization", {"seconds": -1}),
    "a token without an id": (
        "service_tokens",
        {"tokens": [{"id": "", "name": "planted", "enabled": True, "expiry": 1}]},
    ),
    "an unknown reason": ("fresh", {"refusal": {"reason": "planted", "message": "planted"}}),
    "an id that is a path": ("fresh", {"test_id": "../planted"}),
    "negative changes": ("fresh", {"changed": {"newly_blocked": -1}}),
    "a name as a change": ("fresh", {"changed": {"planted": 1}}),
    "invalid results": ("fresh", {"outcomes": {"salt": "", "people": "planted"}}),
    "a negative time of an edit": ("fresh", {"edited": -1}),
    "an invalid revision of a discovered test": ("discovered", {"revision": "planted"}),
    "a share of 0": ("discovered", {"share": 0}),
    "an application without an id": ("applications", {"applications": [APPLICATION | {"id": ""}]}),
    "an application that is listed twice": ("applications", {"applications": [APPLICATION, APPLICATION]}),
    "a name of 7000 characters": ("applications", {"applications": [APPLICATION | {"name": "planted" * 1000}]}),
    "an unknown type of application": ("applications", {"applications": [APPLICATION | {"type": "planted"}]}),
    "an invalid application revision": ("applications", {"applications": [APPLICATION | {"revision": "planted"}]}),
    "negative decisions": ("applications", {"applications": [APPLICATION | {"decisions": {"allow": -1}}]}),
    "a name as a decision": ("applications", {"applications": [APPLICATION | {"decisions": {"planted": 1}}]}),
    "stored policy rules": ("applications", {"bodies": {"app-pay": '["planted"]'}}),
    "an invalid revision of an unknown policy": ("applications", {"policies": {"planted": "planted"}}),
    "an invalid revision of a policy": ("policies", {"policies": {"policy": "planted"}}),
    "a policy without an id": ("policies", {"policies": {"": "0" * 64}}),
}
FUTURE: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "users": ("users", {}, {"succeeded_at": START + 30 * DAY}),
    "users with a correct total": ("users", {"totals_right_at": START + 30 * DAY}, {}),
    "a policy test": ("policy_tests", {"finished": START + 30 * DAY}, {}),
    "devices": ("devices", {"at": START + 30 * DAY}, {}),
    "applications": ("applications", {}, {"succeeded_at": START + 30 * DAY}),
    "an organization": ("organization", {"asked": START + 30 * DAY}, {}),
}


class Restarted:
    """An exporter that polled all targets once, and the files that it stored."""

    def __init__(self, server: Simulator, path: Path) -> None:
        self._config = config(
            server,
            account(
                "first",
                users=Users(domains=3),
                devices=True,
                service_tokens=True,
                policy_tests=(PolicyTest(id=TEST, name="wiki"), FRESH, PolicyTest(discover="applications")),
            ),
            account("second", users=False, policy_tests=(PolicyTest(name="second", policies=("policy",)),)),
        )
        self._path = path
        self.folder = path / "snapshots"
        self.start().run(30)

    def start(self) -> Fleet:
        return Fleet(self._config, folder=self._path)

    def file(self, collector: str) -> Path:
        """Return the file of a target; `fresh` and `policy_tests` are two policy tests of one collector."""
        name = NAMES.get(collector, collector)
        target = {"fresh": "fresh", "policy_tests": "wiki"}.get(collector)
        files = [(file, json.loads(file.read_bytes())["key"]) for file in self.folder.glob(f"{name}-*.json")]
        (found,) = [file for file, key in files if target in (None, key[2])]
        return found

    def forge(self, collector: str, summary: dict[str, Any], **changes: Any) -> Path:
        """Change the stored data of a target, with a valid checksum."""
        file = self.file(collector)
        stored = msgspec.json.decode(file.read_bytes(), type=Stored)
        content = msgspec.Raw(json.dumps(json.loads(bytes(stored.summary)) | summary).encode())
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(stored, summary=content, **changes).summed()))
        return file


@pytest.fixture
def restarted(tmp_path: Path) -> Iterator[Restarted]:
    """One account with targets of every kind, and one with a policy test but without discovered applications."""
    with cloudflare("first", "second") as server:
        for each in server.accounts.values():
            each.any_life = lambda _: Life(RESULTS)
            each.lists["policies"] = ({"id": "policy", "decision": "allow"},)
        simulated = server.accounts["first"]
        simulated.lists["apps"] = (application("pay", own()),)
        simulated.registrations = ({"id": "1", "registration_type": "warp", "device": {"client_version": "1.0"}},)
        simulated.lists["service_tokens"] = ({"id": "1", "name": "ci", "duration": "forever"},)
        simulated.seat_expiration = "730h"
        yield Restarted(server, tmp_path)


def test_real_files_are_restored(restarted: Restarted, caplog: pytest.LogCaptureFixture) -> None:
    """The exporter accepts every file that it stores itself, and restores all numbers from them."""
    caplog.clear()
    for collector in {collector for collector, _ in FORGED.values()}:
        restarted.forge(collector, {})
    exporter = restarted.start()
    assert caplog.text == ""
    for name in (
        "seats_used{",
        "device_registrations{",
        "seat_expiration_seconds{",
        "policy_test_finished_timestamp_seconds{",
        "applications{",
        'policy_test_users{account_id="first",policy_test="pay",',
    ):
        assert f"cloudflare_access_{name}" in exporter.page()


@pytest.mark.parametrize(("collector", "summary"), FORGED.values(), ids=FORGED)
def test_impossible_numbers(
    restarted: Restarted, caplog: pytest.LogCaptureFixture, collector: str, summary: dict[str, Any]
) -> None:
    """A file with impossible values is set aside, none of its values is shown or logged, and polls continue."""
    file = restarted.forge(collector, summary)
    exporter = restarted.start()
    assert not file.exists()
    assert file.with_suffix(".unusable-1").exists()
    assert "stored snapshot not used and set aside" in caplog.text
    assert "planted" not in exporter.whole_page() + exporter.status_page() + caplog.text
    assert " -" not in exporter.page().replace("# HELP", "")
    exporter.run(30)
    assert exporter.health("first")["success"] == 1


@pytest.mark.parametrize(("collector", "summary", "changes"), FUTURE.values(), ids=FUTURE)
def test_files_dated_in_the_future(
    restarted: Restarted,
    caplog: pytest.LogCaptureFixture,
    collector: str,
    summary: dict[str, Any],
    changes: dict[str, Any],
) -> None:
    """A file that is dated in the future is set aside."""
    file = restarted.forge(collector, summary, **changes)
    restarted.start()
    assert not file.exists()
    assert file.with_suffix(".unusable-1").exists()
    assert "it is dated in the future" in " ".join(repr(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("written", ["NaN", "Infinity", "-Infinity", "1e999", "-0.1e-400e", '"5"', "[]", "true"])
def test_values_that_are_not_numbers(restarted: Restarted, written: str) -> None:
    """A stored value that is not a JSON number is not shown, and its file is set aside."""
    file = restarted.file("users")
    stored = msgspec.json.decode(file.read_bytes(), type=Stored)
    number = f'"active_devices":{json.loads(bytes(stored.summary))["active_devices"]}'.encode()
    assert number in bytes(stored.summary)
    content = bytes(stored.summary).replace(number, f'"active_devices":{written}'.encode())
    forged = msgspec.structs.replace(stored, summary=msgspec.Raw(content))
    file.write_bytes(msgspec.json.encode(forged.summed()))
    assert "seats_used{" not in restarted.start().page()
    assert file.with_suffix(".unusable-1").exists()
