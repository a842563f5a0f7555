"""Reading the lists of applications and of reusable policies."""

from typing import Any

import prometheus_client
import pytest

from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.collectors import application_list
from access_exporter.collectors.application_list import ApplicationList
from access_exporter.config.model import Account, Config
from access_exporter.config.secrets import Secret
from access_exporter.errors import InvalidResponseError, PermissionMissingError
from tests.collectors.cloudflare import Cloudflare, answer, honest_pages, pages
from tests.exporter import ACCOUNT_ID, API, TOKEN
from tests.fakes import FakeClock

ROWS: list[dict[str, Any]] = [{"id": f"app-{number}", "name": "wiki"} for number in range(60)]


@pytest.fixture
def lists() -> ApplicationList:
    account = Account(id=ACCOUNT_ID, api_token=Secret("the test", TOKEN))
    clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), FakeClock())
    clients.configure(Config(api=API, accounts=(account,)))
    return ApplicationList(clients.of(account), ACCOUNT_ID, 60)


@pytest.mark.parametrize("listed", [honest_pages, pages])
def test_small_pages(listed: Any, lists: ApplicationList, cloudflare: Cloudflare) -> None:
    """The exporter reads all rows if the pages are smaller than requested, with and without totals."""
    cloudflare.lists("apps", *listed(ROWS, size=25))
    cloudflare.lists("policies", *listed(ROWS, size=25))
    assert [each.id for each in lists.applications()] == [row["id"] for row in ROWS]
    assert list(lists.reusable()) == [row["id"] for row in ROWS]
    assert lists.applications_found.rows == lists.policies_found.rows == 60
    assert {asked["per_page"] for _, asked in cloudflare.asked} == {"100"}


def test_rows_without_an_id(lists: ApplicationList, cloudflare: Cloudflare) -> None:
    """The exporter skips rows without an id, and policies that are not reusable."""
    cloudflare.lists("apps", answer([{"name": "x"}, {"id": None}, {"id": ""}, {"id": "1"}]))
    cloudflare.lists("policies", answer([{"name": "x"}, {"id": "own", "reusable": False}, {"id": "1"}]))
    assert [each.id for each in lists.applications()] == ["1"]
    assert list(lists.reusable()) == ["1"]


def test_policies_of_a_wrong_type(lists: ApplicationList, cloudflare: Cloudflare) -> None:
    """Policies of a wrong type are marked as unreadable; null and missing policies are not."""
    rows: list[dict[str, Any]] = [{"id": "1"}, {"id": "2", "policies": None}, {"id": "3", "policies": {}}]
    cloudflare.lists("apps", answer(rows))
    assert [(each.policies, each.unreadable) for each in lists.applications()] == [
        (None, False),
        (None, False),
        (None, True),
    ]


def test_missing_permission(lists: ApplicationList, cloudflare: Cloudflare) -> None:
    """The error for a refusal names the permission that the token needs."""
    for path in ("apps", "policies"):
        cloudflare.says(path, '{"success": false, "errors": [{"code": 10000}]}', status=403)
    for read in (lists.reusable, lambda: list(lists.applications())):
        with pytest.raises(PermissionMissingError, match="Access: Apps and Policies Read"):
            read()


def test_too_many_rows(lists: ApplicationList, cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with more rows than the maximum is an error."""
    monkeypatch.setattr(application_list, "MOST_ROWS", 59)
    cloudflare.lists("apps", *honest_pages(ROWS, size=25))
    with pytest.raises(InvalidResponseError, match="more than 59"):
        list(lists.applications())


def test_too_many_rules(lists: ApplicationList, cloudflare: Cloudflare, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list with rules that need more memory than the maximum is an error, even with few rows."""
    monkeypatch.setattr(application_list, "MOST_BYTES", 50_000)
    rows = [row | {"include": [{"email": {"email": "x" * 1000}}]} for row in ROWS]
    for path in ("apps", "policies"):
        cloudflare.lists(path, *honest_pages(rows, size=25))
    for read in (lists.reusable, lambda: list(lists.applications())):
        with pytest.raises(InvalidResponseError, match="more than 50000 bytes"):
            read()
