"""Metrics about service tokens, from responses of "List service tokens"."""

import json

import pytest
import responses

from access_exporter.config.model import Account, Api, Config, ServiceTokens
from access_exporter.config.secrets import Secret
from tests.collectors.cloudflare import Body, Cloudflare, Row, answer, honest_pages
from tests.exporter import ACCOUNT_ID
from tests.fleet import Fleet

PATH = "service_tokens"
CI: Row = {
    "id": "token-1",
    "name": "ci",
    "client_id": "planted.access",
    "enabled": True,
    "duration": "8760h",
    "created_at": "2026-01-05T10:00:00Z",
    "updated_at": "2026-01-05T10:00:00Z",
    "expires_at": "2027-01-05T10:00:00Z",  # 1799143200
    "last_seen_at": "2026-09-20T10:00:00Z",
}
LABELS = f'account_id="{ACCOUNT_ID}",service_token="ci",service_token_id="token-1"'
HELP = {
    "expiry_timestamp_seconds": "When the service token expires, in seconds since the epoch; absent for a token that "
    "never expires.",
    "enabled": "1 if the service token is enabled, 0 if it is disabled; absent if the API does not say.",
}


@pytest.fixture
def exporter() -> Fleet:
    """Return an exporter of the service tokens of one account and nothing else."""
    secret = Secret("the test", "a-very-secret-token")
    account = Account(id=ACCOUNT_ID, api_token=secret, users=False, service_tokens=ServiceTokens())
    return Fleet(Config(api=Api(requests_per_second=10_000, burst=1_000_000), accounts=(account,)))


def polled(cloudflare: Cloudflare, exporter: Fleet, *bodies: Body) -> str:
    """Return the exposition of the tokens after a poll of a list with these pages."""
    cloudflare.lists(PATH, *bodies)
    exporter.poll()
    page = exporter.page()
    return page[: page.index("# HELP cloudflare_access_poll_success")]


def family(name: str, *samples: str) -> str:
    """Return a metric family with samples such as `{labels} 1.0`."""
    full = f"cloudflare_access_service_token_{name}"
    lines = [f"# HELP {full} {HELP[name]}", f"# TYPE {full} gauge", *(full + sample for sample in samples)]
    return "".join(f"{line}\n" for line in lines)


def test_a_token(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """A service token is shown with its name, id, expiry and whether it is enabled, and nothing else."""
    shown = polled(cloudflare, exporter, *honest_pages([CI]))
    assert shown == family("expiry_timestamp_seconds", f"{{{LABELS}}} 1.7991432e+09") + family(
        "enabled", f"{{{LABELS}}} 1.0"
    )
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


@pytest.mark.parametrize("change", [{"duration": "forever"}, {"expires_at": None}, {"expires_at": ""}])
def test_a_token_that_never_expires(cloudflare: Cloudflare, exporter: Fleet, change: Row) -> None:
    """A token that never expires, or has no known expiry, has no expiry metric."""
    assert polled(cloudflare, exporter, *honest_pages([CI | change])) == family("enabled", f"{{{LABELS}}} 1.0")


@pytest.mark.parametrize(("enabled", "value"), [(False, "0.0"), (None, None)])
def test_enabled(cloudflare: Cloudflare, exporter: Fleet, enabled: bool | None, value: str | None) -> None:
    """The metric is 0 for a disabled token, and absent if the API does not say."""
    expected = family("expiry_timestamp_seconds", f"{{{LABELS}}} 1.7991432e+09")
    expected += family("enabled", f"{{{LABELS}}} {value}") if value else ""
    assert polled(cloudflare, exporter, *honest_pages([CI | {"enabled": enabled}])) == expected


def test_pages_and_names(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """All pages are read, each id counts once, and a token without a name is labelled with its id."""
    rows = [{"id": f"t{number}", "name": "same name", "enabled": True} for number in range(1500)]
    rows += [{"id": "t0", "name": "once more"}, {"id": "no-name", "enabled": True}, {"name": "without an id"}]
    shown = polled(cloudflare, exporter, *honest_pages(rows))
    assert shown.count('service_token="same name"') == 1500
    assert 'service_token="once more"' not in shown
    assert f'{{account_id="{ACCOUNT_ID}",service_token="no-name",service_token_id="no-name"}} 1.0' in shown
    assert "without an id" not in shown


@pytest.mark.parametrize("name", ['with "quotes" \\ and\nlines', "x" * 5000, "Ümläut 🚀"])
def test_unusual_names(cloudflare: Cloudflare, exporter: Fleet, name: str) -> None:
    """A name can be any text: it is escaped and cut off after 200 characters."""
    shown = polled(cloudflare, exporter, *honest_pages([CI | {"name": name}]))
    escaped = json.dumps(name[:200], ensure_ascii=False)
    assert f"service_token={escaped}," in shown
    assert shown.count("\n") == 6


def test_half_a_surrogate_pair(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """Half of a surrogate pair in a name is shown as a question mark."""
    assert 'service_token="c?i",' in polled(cloudflare, exporter, *honest_pages([CI | {"name": "c\ud800i"}]))
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


def test_no_tokens(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """An account without service tokens is polled with success, and has no metrics."""
    assert polled(cloudflare, exporter, *honest_pages([])) == ""
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


def test_a_token_that_is_deleted(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """A deleted token disappears at the next poll."""
    assert LABELS in polled(cloudflare, exporter, *honest_pages([CI]))
    assert polled(cloudflare, exporter, *honest_pages([])) == ""


def test_missing_token(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """If a list has fewer tokens than total_count says, one poll fails, and the next one accepts the list."""
    info = {"per_page": 1000, "total_count": 2, "total_pages": 1}
    polled(cloudflare, exporter, *honest_pages([CI, CI | {"id": "token-2", "name": "cd"}]))
    for success in (0, 1, 1):
        shown = polled(cloudflare, exporter, answer([CI], result_info=info))
        assert exporter.health(ACCOUNT_ID)["success"] == success
        assert ('service_token="cd"' in shown) is not bool(success)


@pytest.mark.parametrize("answered", [answer([]), answer(None)])
def test_empty_list_without_totals(cloudflare: Cloudflare, exporter: Fleet, answered: str) -> None:
    """An empty list without totals fails the first poll, and the numbers stay."""
    before = polled(cloudflare, exporter, *honest_pages([CI]))
    assert polled(cloudflare, exporter, answered) == before
    assert exporter.health(ACCOUNT_ID)["success"] == 0


@pytest.mark.parametrize(("field", "shown"), [("enabled", "expiry"), ("expires_at", "enabled"), ("name", "enabled")])
def test_an_invalid_value(cloudflare: Cloudflare, exporter: Fleet, field: str, shown: str) -> None:
    """A value of a wrong type removes only its own metric."""
    page = polled(cloudflare, exporter, *honest_pages([CI | {field: 5}]))
    assert f"service_token_{shown}" in page
    assert exporter.health(ACCOUNT_ID)["success"] == 1


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (
            403,
            10000,
            "permission: 403 from /access/service_tokens (code 10000): the token needs the permission Access: ",
        ),
        (404, 7003, "not_found: 404 from /access/service_tokens (code 7003): this id does not exist"),
        (500, 1, "server: 500 from /access/service_tokens (code 1): a temporary fault at Cloudflare"),
        (200, 1, "invalid_response: 200 and success: false from /access/service_tokens (code 1): "),
    ],
)
def test_refusals(cloudflare: Cloudflare, exporter: Fleet, status: int, code: int, failure: str) -> None:
    """A refusal keeps the last numbers; its reason is counted, and the error names the missing permission."""
    before = polled(cloudflare, exporter, *honest_pages([CI]))
    refusal = json.dumps({"success": False, "errors": [{"code": code, "message": "planted"}], "result": None})
    cloudflare.says(PATH, refusal, status)
    exporter.poll()
    assert exporter.page().startswith(before)
    assert exporter.health(ACCOUNT_ID) == {"success": 0, failure.partition(":")[0]: 1}
    assert exporter.failure().startswith(failure)
    assert ("Access: Service Tokens Read" in exporter.failure()) is (status == 403)
    assert "planted" not in exporter.failure()


def test_too_many(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """More than 10,000 service tokens are an error, so that a scrape does not run out of memory."""
    pages = [answer([{"id": f"{page}-{number}"} for number in range(1000)]) for page in range(12)]
    assert polled(cloudflare, exporter, *pages) == ""
    assert "the account lists more than 10000 service tokens" in exporter.failure()


def test_the_status_page(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """The status page shows the number of tokens, and which enabled token expires first."""
    rows = [CI, CI | {"id": "2", "name": "off", "enabled": False, "expires_at": "2026-10-01T00:00:00Z"}]
    polled(cloudflare, exporter, *honest_pages(rows))
    (snapshot,) = [each for each in exporter.snapshots() if each.collector.key.collector == PATH]
    assert list(snapshot.collector.status(snapshot.summary)) == [
        "2 service tokens",
        "ci expires first, on 2027-01-05 at 10:00 UTC",
    ]


def test_switched_off(mock: responses.RequestsMock) -> None:
    """Without `service_tokens` in the configuration, the tokens are not requested."""
    account = Account(id=ACCOUNT_ID, api_token=Secret("the test", "token"), users=False)
    exporter = Fleet(Config(accounts=(account,)))
    exporter.poll()
    assert exporter.page() == ""
    assert not [call for call in mock.calls if PATH in str(call.request.url)]


@pytest.mark.parametrize(
    "name", ["a-very-secret-token", "used with a-very-secret-token", "a-very-secret-token-2", "A-VERY-SECRET-TOKEN"]
)
def test_response_that_contains_the_token(cloudflare: Cloudflare, exporter: Fleet, name: str) -> None:
    """A response that contains the API token is rejected, and the error does not contain the token."""
    cloudflare.lists(PATH, *honest_pages([CI | {"name": name}]))
    exporter.poll()
    assert exporter.failure() == ("invalid_response: the response from /access/service_tokens repeats the token or key")
    assert "very-secret" not in exporter.whole_page() + exporter.status_page()


@pytest.mark.parametrize("escaped", ["a", "v", "-", "a-very-secret-token"])
@pytest.mark.parametrize("digits", ["04x", "04X"])
def test_response_that_repeats_the_token_in_escapes(
    cloudflare: Cloudflare, exporter: Fleet, escaped: str, digits: str
) -> None:
    """The escapes of JSON do not hide the token."""
    token = "".join(f"\\u{ord(each):{digits}}" if each in escaped else each for each in "a-very-secret-token")
    cloudflare.lists(PATH, *(page.replace("PLANTED", token) for page in honest_pages([CI | {"name": "PLANTED"}])))
    exporter.poll()
    assert exporter.failure() == ("invalid_response: the response from /access/service_tokens repeats the token or key")
    assert "very-secret" not in exporter.whole_page() + exporter.status_page()
