"""Answers of "List service tokens" in, the exposition of an account's service tokens out."""

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
    """An exporter of nothing but an account's service tokens."""
    secret = Secret("the test", "a-token-nobody-may-see")
    account = Account(id=ACCOUNT_ID, api_token=secret, users=False, service_tokens=ServiceTokens())
    return Fleet(Config(api=Api(requests_per_second=10_000, burst=1_000_000), accounts=(account,)))


def polled(cloudflare: Cloudflare, exporter: Fleet, *bodies: Body) -> str:
    """The exposition of the tokens after a poll of a list with these pages."""
    cloudflare.lists(PATH, *bodies)
    exporter.poll()
    page = exporter.page()
    return page[: page.index("# HELP cloudflare_access_poll_success")]


def family(name: str, *samples: str) -> str:
    """A family with samples such as `{labels} 1.0`."""
    full = f"cloudflare_access_service_token_{name}"
    lines = [f"# HELP {full} {HELP[name]}", f"# TYPE {full} gauge", *(full + sample for sample in samples)]
    return "".join(f"{line}\n" for line in lines)


def test_a_token(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """A token is shown by its name and id, with when it expires and whether it is enabled, and nothing else of it."""
    shown = polled(cloudflare, exporter, *honest_pages([CI]))
    assert shown == family("expiry_timestamp_seconds", f"{{{LABELS}}} 1.7991432e+09") + family(
        "enabled", f"{{{LABELS}}} 1.0"
    )
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


@pytest.mark.parametrize("change", [{"duration": "forever"}, {"expires_at": None}, {"expires_at": ""}])
def test_a_token_that_never_expires(cloudflare: Cloudflare, exporter: Fleet, change: Row) -> None:
    """A token that never expires, or of which that is not known, has no expiry, also beside a date from the API."""
    assert polled(cloudflare, exporter, *honest_pages([CI | change])) == family("enabled", f"{{{LABELS}}} 1.0")


@pytest.mark.parametrize(("enabled", "value"), [(False, "0.0"), (None, None)])
def test_whether_it_is_enabled(
    cloudflare: Cloudflare, exporter: Fleet, enabled: bool | None, value: str | None
) -> None:
    """A disabled token is 0, and one of which the API does not say it is absent."""
    expected = family("expiry_timestamp_seconds", f"{{{LABELS}}} 1.7991432e+09")
    expected += family("enabled", f"{{{LABELS}}} {value}") if value else ""
    assert polled(cloudflare, exporter, *honest_pages([CI | {"enabled": enabled}])) == expected


def test_pages_and_names(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """Every page is read, each id counts once, and a token without a name is called by its id."""
    rows = [{"id": f"t{number}", "name": "same name", "enabled": True} for number in range(1500)]
    rows += [{"id": "t0", "name": "once more"}, {"id": "nameless", "enabled": True}, {"name": "without an id"}]
    shown = polled(cloudflare, exporter, *honest_pages(rows))
    assert shown.count('service_token="same name"') == 1500
    assert 'service_token="once more"' not in shown
    assert f'{{account_id="{ACCOUNT_ID}",service_token="nameless",service_token_id="nameless"}} 1.0' in shown
    assert "without an id" not in shown  # it could be any


@pytest.mark.parametrize("name", ['odd "quotes" \\ and\nlines', "x" * 5000, "Ümläut 🚀"])
def test_odd_names(cloudflare: Cloudflare, exporter: Fleet, name: str) -> None:
    """A name may be any text: it is escaped, cut at 200 characters, and breaks no line."""
    shown = polled(cloudflare, exporter, *honest_pages([CI | {"name": name}]))
    escaped = json.dumps(name[:200], ensure_ascii=False)
    assert f"service_token={escaped}," in shown
    assert shown.count("\n") == 6


def test_a_name_that_cannot_be_written(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """Half of a surrogate pair in a name is shown as a question mark."""
    assert 'service_token="c?i",' in polled(cloudflare, exporter, *honest_pages([CI | {"name": "c\ud800i"}]))
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


def test_no_tokens(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """An account without service tokens is a good poll without numbers."""
    assert polled(cloudflare, exporter, *honest_pages([])) == ""
    assert exporter.health(ACCOUNT_ID) == {"success": 1}


def test_a_token_that_is_deleted(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """A deleted token is gone with the next poll."""
    assert LABELS in polled(cloudflare, exporter, *honest_pages([CI]))
    assert polled(cloudflare, exporter, *honest_pages([])) == ""


def test_a_hidden_token(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """A token that is announced and no longer listed fails one poll; then the others are shown again."""
    info = {"per_page": 1000, "total_count": 2, "total_pages": 1}
    polled(cloudflare, exporter, *honest_pages([CI, CI | {"id": "token-2", "name": "cd"}]))
    for success in (0, 1, 1):
        shown = polled(cloudflare, exporter, answer([CI], result_info=info))
        assert exporter.health(ACCOUNT_ID)["success"] == success
        assert ('service_token="cd"' in shown) is not bool(success)


@pytest.mark.parametrize("answered", [answer([]), answer(None)])
def test_totals_that_are_gone(cloudflare: Cloudflare, exporter: Fleet, answered: str) -> None:
    """An empty list without the totals it had is not believed at once."""
    before = polled(cloudflare, exporter, *honest_pages([CI]))
    assert polled(cloudflare, exporter, answered) == before
    assert exporter.health(ACCOUNT_ID)["success"] == 0


@pytest.mark.parametrize(("field", "shown"), [("enabled", "expiry"), ("expires_at", "enabled"), ("name", "enabled")])
def test_an_invalid_value(cloudflare: Cloudflare, exporter: Fleet, field: str, shown: str) -> None:
    """A value of a wrong type costs what is made of it, and nothing else of the token."""
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
    """A refusal keeps the last numbers, and its reason is counted and said in words, with the permission to grant."""
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
    """A list that would fill the memory of whoever scrapes it is an error, and no number is shown."""
    pages = [answer([{"id": f"{page}-{number}"} for number in range(1000)]) for page in range(12)]
    assert polled(cloudflare, exporter, *pages) == ""
    assert "the account lists more than 10000 service tokens" in exporter.failure()


def test_the_status_page(cloudflare: Cloudflare, exporter: Fleet) -> None:
    """The status page says how many tokens there are and which of those in use expires first."""
    rows = [CI, CI | {"id": "2", "name": "off", "enabled": False, "expires_at": "2026-10-01T00:00:00Z"}]
    polled(cloudflare, exporter, *honest_pages(rows))
    (snapshot,) = [each for each in exporter.snapshots() if each.collector.key.collector == PATH]
    assert list(snapshot.collector.status(snapshot.summary)) == [
        "2 service tokens",
        "ci expires first, on 2027-01-05 at 10:00 UTC",
    ]


def test_switched_off(mock: responses.RequestsMock) -> None:
    """Without service_tokens nothing is asked: its permission is another one."""
    account = Account(id=ACCOUNT_ID, api_token=Secret("the test", "token"), users=False)
    exporter = Fleet(Config(accounts=(account,)))
    exporter.poll()
    assert exporter.page() == ""
    assert not [call for call in mock.calls if PATH in str(call.request.url)]


@pytest.mark.parametrize(
    "name",
    [
        "a-token-nobody-may-see",
        "used with a-token-nobody-may-see",
        "a-token-nobody-may-see-2",
        "A-TOKEN-NOBODY-MAY-SEE",
    ],
)
def test_an_answer_that_repeats_the_credential(cloudflare: Cloudflare, exporter: Fleet, name: str) -> None:
    """Nothing of an answer is used that repeats the token it was asked with, and the failure does not repeat it."""
    cloudflare.lists(PATH, *honest_pages([CI | {"name": name}]))
    exporter.poll()
    assert exporter.failure() == ("invalid_response: the response from /access/service_tokens repeats the token or key")
    assert "nobody" not in exporter.whole_page() + exporter.status_page()


@pytest.mark.parametrize("escaped", ["a", "n", "-", "a-token-nobody-may-see"])
@pytest.mark.parametrize("digits", ["04x", "04X"])
def test_an_answer_that_repeats_the_credential_in_escapes(
    cloudflare: Cloudflare, exporter: Fleet, escaped: str, digits: str
) -> None:
    """The escapes of JSON do not hide the token."""
    token = "".join(f"\\u{ord(each):{digits}}" if each in escaped else each for each in "a-token-nobody-may-see")
    pages = honest_pages([CI | {"name": "PLANTED"}])
    cloudflare.lists(PATH, *(page.replace("PLANTED", token) for page in map(str, pages)))
    exporter.poll()
    assert exporter.failure() == ("invalid_response: the response from /access/service_tokens repeats the token or key")
    assert "nobody" not in exporter.whole_page() + exporter.status_page()
