"""Metrics about devices, from responses of "List registrations". The current time is always 2026-09-21T14:13:20Z."""

import json
from typing import Any

import pytest

from access_exporter.config.model import Devices
from tests.collectors.cloudflare import Cloudflare, answer, registrations
from tests.collectors.registered import ago, registration, shown
from tests.exporter import Exporter

TYPES = ("warp", "browser_extension", "unknown")


def polled(cloudflare: Cloudflare, *bodies: str) -> str:
    """Return the exposition after a poll of devices only."""
    cloudflare.registers(*bodies)
    exporter = Exporter(users=False, devices=True)
    page = exporter.polled()
    assert exporter.failure() == ""
    return page


def test_no_devices(cloudflare: Cloudflare) -> None:
    """An account without devices has zeros."""
    page = polled(cloudflare, answer([]))
    assert shown(page, "device_registrations") == dict.fromkeys(TYPES, 0)
    assert shown(page, "device_registrations_seen") == {"1d": 0, "7d": 0, "30d": 0}
    assert shown(page, "device_client_registrations") == {"other": 0, "unknown": 0}


def test_requests(cloudflare: Cloudflare) -> None:
    """The exporter requests registrations of any status, 1,000 a page, one page after the other."""
    rows = [registration(number) for number in range(5)]
    page = polled(cloudflare, *registrations(rows, 2))
    assert shown(page, "device_registrations")["warp"] == 5
    query = {"status": "all", "per_page": "1000"}
    asked = [query, query | {"cursor": "after 1"}, query | {"cursor": "after 2"}]
    assert cloudflare.asked == [("devices", each) for each in asked]


def test_types(cloudflare: Cloudflare) -> None:
    """Active registrations are counted by type; a missing or undocumented type counts as unknown."""
    kinds = ["warp", "warp", "browser_extension", "toaster", None, "", "WARP", "unknown"]
    rows = [registration(number, registration_type=kind) for number, kind in enumerate(kinds)]
    page = polled(cloudflare, answer(rows))
    assert shown(page, "device_registrations") == {"warp": 2, "browser_extension": 1, "unknown": 5}


@pytest.mark.parametrize("field", ["deleted_at", "revoked_at"])
@pytest.mark.parametrize(
    ("time", "is_active"),
    [
        (None, True),
        ("", True),
        ("0001-01-01T00:00:00Z", True),
        ("1970-01-01T00:00:00Z", True),
        ("2026-09-01T00:00:00Z", False),
        ("2026-09-01T00:00:00", False),
    ],
)
def test_active(cloudflare: Cloudflare, field: str, time: str | None, is_active: bool) -> None:
    """A deleted or revoked registration is not active; a placeholder time (1 or 1970) does not mean deleted."""
    page = polled(cloudflare, answer([registration(1, **{field: time})]))
    assert shown(page, "device_registrations")["warp"] == is_active
    assert shown(page, "device_registrations_seen")["1d"] == is_active
    assert shown(page, "device_client_registrations").get("2026.6.841.0", 0) == is_active


@pytest.mark.parametrize(
    ("time", "within"),
    [
        ("2026-09-22T14:13:20Z", ["1d", "7d", "30d"]),
        ("2026-09-22T14:13:20.000001Z", []),
        ("2027-01-01T00:00:00Z", []),
        ("9999-12-31T23:59:59Z", []),
        ("2026-09-21T14:13:20Z", ["1d", "7d", "30d"]),
        ("2026-09-20T14:13:20Z", ["1d", "7d", "30d"]),
        ("2026-09-20T14:13:19.999Z", ["7d", "30d"]),
        ("2026-09-14T14:13:20Z", ["7d", "30d"]),
        ("2026-09-14T14:13:19.999Z", ["30d"]),
        ("2026-08-22T14:13:20Z", ["30d"]),
        ("2026-08-22T14:13:19.999Z", []),
        ("0001-01-01T00:00:00Z", []),
        (None, []),
        ("", []),
    ],
)
def test_seen(cloudflare: Cloudflare, time: str | None, within: list[str]) -> None:
    """A device seen exactly a day ago counts as seen within a day; a time more than a day ahead counts as unknown."""
    page = polled(cloudflare, answer([registration(1, last_seen_at=time)]))
    assert shown(page, "device_registrations_seen") == {name: int(name in within) for name in ("1d", "7d", "30d")}


def test_empty_registrations(cloudflare: Cloudflare) -> None:
    """A registration without any data counts as active, and each one counts."""
    rows: list[Any] = [{}, {"device": None, "user": None}, {"device": {}, "user": {}}, {"device": "", "user": ""}]
    page = polled(cloudflare, answer(rows))
    assert shown(page, "device_registrations") == {"warp": 0, "browser_extension": 0, "unknown": 4}
    assert shown(page, "device_client_registrations") == {"other": 0, "unknown": 4}


class TestVersions:
    @staticmethod
    def of(cloudflare: Cloudflare, *versions: Any) -> dict[str, float]:
        """Return the registrations by client version."""
        rows = [registration(number, device={"client_version": version}) for number, version in enumerate(versions)]
        return shown(polled(cloudflare, *registrations(rows)), "device_client_registrations")

    def test_the_ten_most_common(self, cloudflare: Cloudflare) -> None:
        """The ten most common versions have their own time series; equally common versions are sorted by name."""
        versions = [f"2026.{number:02}.0" for number in range(13) for _ in range(13 - max(number, 8))]
        expected = {f"2026.{number:02}.0": 5 for number in range(9)} | {"2026.09.0": 4}
        assert self.of(cloudflare, *versions, None) == expected | {"other": 3 + 2 + 1, "unknown": 1}

    @pytest.mark.parametrize("version", ["2026.6.841.0", "6.29", "v1.2.3-beta+4", "1", "2024.11.309_r2"])
    def test_valid_version(self, cloudflare: Cloudflare, version: str) -> None:
        """A valid version is shown without changes."""
        assert self.of(cloudflare, version) == {version: 1, "other": 0, "unknown": 0}

    @pytest.mark.parametrize(
        "version",
        [
            *(None, "", "other", "unknown", "jane.doe@example.com", "Jane", "1" * 42, "1 2", "1\n", '1"} 1', "-1"),
            *("\u0661.2", "\u00b2", "v", "1é", "\ud83d"),
        ],
    )
    def test_invalid_version(self, cloudflare: Cloudflare, version: str | None) -> None:
        """An invalid version is not shown, because it could contain personal data."""
        assert self.of(cloudflare, version) == {"other": 0, "unknown": 1}

    def test_thousands(self, cloudflare: Cloudflare) -> None:
        """Thousands of versions give at most twelve time series, and every registration is counted."""
        rest = [f"1.{number}" for number in range(4000)]
        found = self.of(cloudflare, *["2.0"] * 3, *rest, "2.0")
        assert found["2.0"] == 4
        assert len(found) == 12
        assert sum(found.values()) == 4004


class TestAccess:
    REFUSED = '{"success": false, "errors": [{"code": 10000}]}'

    @pytest.mark.parametrize(("status", "code"), [(403, 10000), (403, 9109), (401, 10000), (400, 9103)])
    def test_auto(self, cloudflare: Cloudflare, status: int, code: int) -> None:
        """With `devices: auto`, a missing permission fails no poll, and the next poll asks again."""
        refused = json.dumps({"success": False, "errors": [{"code": code}]})
        cloudflare.lists("users")
        cloudflare.on_devices(lambda _: (status, refused))
        exporter = Exporter(devices="auto")
        page = exporter.polled()
        assert exporter.failure() == ""
        assert "# HELP cloudflare_access_device" not in page
        assert shown(page, "poll_success") == {"devices": 1, "users": 1}
        cloudflare.registers(answer([registration(1)]))
        exporter.clock.now += 900
        assert shown(exporter.polled(), "device_registrations")["warp"] == 1

    @pytest.mark.parametrize("devices", [True, Devices()])
    def test_required(self, cloudflare: Cloudflare, devices: Devices | bool) -> None:
        """With `devices: true`, a missing permission fails the poll and the error names it; users are still polled."""
        cloudflare.lists("users", answer([{"id": "1", "access_seat": True}]))
        exporter = Exporter(devices=devices)
        page = exporter.polled()
        assert exporter.failure().startswith("permission: 403 from /devices/registrations")
        assert "Zero Trust: Read" in exporter.failure()
        assert shown(page, "seats_used") == {"": 1}
        assert shown(page, "poll_success") == {"devices": 0, "users": 1}

    @pytest.mark.parametrize("devices", ["auto", True])
    @pytest.mark.parametrize(
        ("status", "body", "reason"),
        [
            (404, '{"success": false, "errors": [{"code": 7003}]}', "not_found"),
            (429, "{}", "rate_limited"),
            (500, "{}", "server"),
            (502, "<html>", "server"),
            (403, "<html>a firewall</html>", "invalid_response"),
            (200, "<html>", "invalid_response"),
            (200, '{"success": false, "errors": []}', "invalid_response"),
        ],
    )
    def test_any_other_refusal(self, cloudflare: Cloudflare, devices: Any, status: int, body: str, reason: str) -> None:
        """Any other refusal fails the poll of devices and keeps their numbers; users are still polled."""
        cloudflare.lists("users", answer([{"id": "1", "access_seat": True}]))
        cloudflare.registers(answer([registration(1)]))
        exporter = Exporter(devices=devices)
        before = exporter.polled()
        cloudflare.on_devices(lambda _: (status, body))
        exporter.clock.now += 900
        page = exporter.polled()
        assert exporter.failure().startswith(f"{reason}: ")
        assert shown(page, "poll_success") == {"devices": 0, "users": 1}
        for name in ("device_registrations", "device_registrations_seen", "device_client_registrations"):
            assert shown(page, name) == shown(before, name) != {}

    @pytest.mark.parametrize("devices", [True, "auto"])
    @pytest.mark.parametrize("status", [400, 404, 500])
    def test_a_later_page(self, cloudflare: Cloudflare, devices: Any, status: int) -> None:
        """A refusal of a later page fails the poll, and no incomplete numbers are shown."""
        bodies = registrations([registration(number) for number in range(5)], 2)
        cloudflare.lists("users")
        cloudflare.on_devices(lambda asked: (status, "{}") if "cursor" in asked else (200, bodies[0]))
        page = Exporter(devices=devices).polled()
        assert "device_registrations{" not in page
        assert shown(page, "poll_success") == {"devices": 0, "users": 1}

    def test_switched_off(self, cloudflare: Cloudflare) -> None:
        """With `devices: false`, the exporter requests and shows no devices."""
        cloudflare.lists("users")
        page = Exporter(devices=False).polled()
        assert "devices" not in [path for path, _ in cloudflare.asked]
        assert 'collector="devices"' not in page

    def test_auto_without_users(self, cloudflare: Cloudflare) -> None:
        """With `devices: auto`, the exporter reads no devices if it reads no users."""
        assert Exporter(users=False, devices="auto").polled() == ""
        assert cloudflare.asked == []

    def test_a_page_size_that_is_refused(self, cloudflare: Cloudflare) -> None:
        """If Cloudflare refuses a page size of 1,000, the exporter reads all devices in smaller pages."""
        bodies = registrations([registration(number) for number in range(150)], 100)

        def reply(asked: dict[str, str]) -> tuple[int, str]:
            if int(asked["per_page"]) > 100:
                return 400, '{"success": false, "errors": [{"code": 2009, "message": "per_page"}]}'
            return 200, bodies["cursor" in asked]

        cloudflare.on_devices(reply)
        page = Exporter(users=False, devices=True).polled()
        assert shown(page, "device_registrations")["warp"] == 150
        assert [asked["per_page"] for _, asked in cloudflare.asked] == ["1000", "100", "100"]


def test_nothing_personal(cloudflare: Cloudflare) -> None:
    """The metrics show neither the user nor the name of a device."""
    user = {"id": "jane-id", "email": "jane@example.com", "name": "Jane Doe"}
    page = polled(cloudflare, answer([registration(1, user, seen=1, last_seen_at=ago(1))]))
    assert "jane" not in page.lower()


@pytest.mark.parametrize("end", ['{"success": true, "result": null}', '{"success": true, "result": []}'])
@pytest.mark.parametrize("middle", [False, True])
def test_list_that_ends_early(cloudflare: Cloudflare, end: str, *, middle: bool) -> None:
    """A list that ends early without a total fails one poll; if the next list is the same, it is accepted."""
    first, second, third = registrations([registration(number) for number in range(5)], 2)
    short = [first, end] if middle else [end]
    cloudflare.registers(first, second, third, *short, *short, *short)
    exporter = Exporter(users=False, devices=True)
    known = exporter.polled()
    assert shown(known, "device_registrations")["warp"] == 5
    assert shown(exporter.polled(), "device_registrations")["warp"] == 5
    assert exporter.failure().startswith("invalid_response: the end of the list has no total")
    for _ in range(2):
        assert shown(exporter.polled(), "device_registrations")["warp"] == (2 if middle else 0)
        assert exporter.failure() == ""


def test_no_devices_as_null(cloudflare: Cloudflare) -> None:
    """The result null means no devices if total_count is 0, or if the next poll gets null again."""
    page = polled(cloudflare, '{"success": true, "result": null, "result_info": {"total_count": 0}}')
    assert shown(page, "device_registrations") == dict.fromkeys(TYPES, 0)
    cloudflare.registers('{"success": true, "result": null, "result_info": {"total_count": null}}')
    exporter = Exporter(users=False, devices=True)
    assert shown(exporter.polled(), "device_registrations") == {}
    assert shown(exporter.polled(), "device_registrations") == dict.fromkeys(TYPES, 0)
