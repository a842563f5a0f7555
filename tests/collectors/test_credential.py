"""When an API token expires: the exporter asks the two endpoints that verify a token, once a day."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from access_exporter.collectors import credential
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.serving.status_accounts import Row
from access_exporter.serving.status_page import View, render
from access_exporter.simulator import Account, Handler, Request, Simulator
from access_exporter.simulator.account import TOKEN
from tests.faults import answers, refuses, resets, result
from tests.fleet import Fleet

pytestmark = pytest.mark.usefixtures("no_proxy")

ID, OTHER = "a" * 32, "b" * 32
SOON = datetime(2026, 10, 11, 14, 13, 20, tzinfo=UTC)
DAY = 86400
ENDPOINTS = ("user_token", "account_token")


@pytest.fixture
def server() -> Iterator[Simulator]:
    """Return a simulator of two accounts with the same token, which expires in 20 days."""
    accounts = [Account(name) for name in (ID, OTHER)]
    accounts[0].token_expires = SOON
    with Simulator(accounts) as server:
        yield server


def exporter(server: Simulator, *accounts: AccountConfig) -> Fleet:
    """Return an exporter of these accounts, or of the first account by default."""
    return Fleet(config(server, *(accounts or (account(),))))


def config(server: Simulator, *accounts: AccountConfig) -> Config:
    return Config(api=Api(url=server.url, requests_per_second=10_000, burst=1_000_000), accounts=accounts)


def account(name: str = ID, secret: Secret | None = None) -> AccountConfig:
    """Return an account without users to poll."""
    return AccountConfig(id=name, api_token=secret or Secret("the test", TOKEN), users=False)


def shown(fleet: Fleet, name: str = ID) -> float | None:
    """Return the expiry of a credential that `/metrics` shows."""
    return fleet.registry.get_sample_value(
        "cloudflare_access_credential_expiry_timestamp_seconds", {"credential": name}
    )


def asked(server: Simulator) -> list[str]:
    """Return the requested verify endpoints in order."""
    return [arrival.endpoint for arrival in server.arrivals if arrival.endpoint in ENDPOINTS]


def says(body: str) -> Callable[[Request], Callable[[Handler], None]]:
    """Return a fault that answers every request with this result."""
    return lambda _: result(body)


def test_user_token(server: Simulator) -> None:
    """The exporter verifies a user token once a day, and shows no health metrics for it."""
    fleet = exporter(server)
    fleet.run(DAY - 1)
    assert shown(fleet) == SOON.timestamp() == 1791728000
    assert asked(server) == ["user_token"]
    assert fleet.page() == ""
    fleet.run(600)
    assert asked(server) == ["user_token"] * 2


def test_account_token(server: Simulator) -> None:
    """The exporter verifies an account token at the second endpoint, because the first one refuses it."""
    server.accounts[ID].owns_token = True
    fleet = exporter(server)
    fleet.run(1)
    assert shown(fleet) == SOON.timestamp()
    assert asked(server) == ["user_token", "account_token"]


def test_accounts_with_one_token(server: Simulator) -> None:
    """A token of several accounts is verified once, and named after the first account."""
    fleet = exporter(server, account(OTHER), account())
    fleet.run(1)
    assert (shown(fleet, OTHER), shown(fleet)) == (SOON.timestamp(), None)
    assert asked(server) == ["user_token"]


def test_global_key(server: Simulator) -> None:
    """The exporter never verifies a global key, because it does not expire."""
    key = AccountConfig(id=ID, api_key=Secret("here", "key"), api_email=Secret("here", "me@example.com"), users=False)
    fleet = exporter(server, key)
    fleet.run(2 * DAY)
    assert (shown(fleet), asked(server)) == (None, [])


@pytest.mark.parametrize(
    "body",
    [
        '{"status": "active"}',
        *(
            f'{{"status": "active", "expires_on": {value}}}'
            for value in ("null", '""', '"never"', "0", "1791728000", "true", "[]", '"2026-02-30T00:00:00Z"')
        ),
        '{"expires_on": "0001-01-01T00:00:00Z"}',
        '{"expires_on": "2026-10-11T14:13:20"}',
    ],
)
def test_no_expiry(server: Simulator, body: str) -> None:
    """A token without a valid expiry has no time series, and the exporter does not ask again."""
    server.fault = says(body)
    fleet = exporter(server)
    fleet.run(3600)
    assert (shown(fleet), asked(server)) == (None, ["user_token"])


@pytest.mark.parametrize(
    "fault",
    [*(refuses(status, 1000) for status in (400, 401, 403, 404, 500)), answers(403), answers(200), resets()],
)
def test_both_endpoints_fail(server: Simulator, fault: Callable[[Handler], None], log: Callable[[], list[str]]) -> None:
    """If both endpoints fail, the exporter shows and logs nothing, and asks again within five minutes."""
    server.fault = lambda _: fault
    fleet = exporter(server)
    fleet.run(1)
    assert (shown(fleet), fleet.page(), log()) == (None, "", [])
    assert asked(server) == list(ENDPOINTS)
    server.fault = None
    fleet.run(300)
    assert shown(fleet) == SOON.timestamp()


@pytest.mark.parametrize(
    ("faults", "stays"),
    [
        ((refuses(401, 1000), refuses(401, 1000)), False),
        ((refuses(401, 1000), refuses(503, 1)), True),
        ((refuses(503, 1), refuses(401, 1000)), True),
        ((answers(403), refuses(401, 1000)), True),
        ((resets(), resets()), True),
        ((refuses(401, 1000), result('{"status": "active"}')), False),
    ],
)
def test_later_failure(
    server: Simulator, faults: tuple[Callable[[Handler], None], Callable[[Handler], None]], stays: bool
) -> None:
    """The known expiry is removed if both endpoints refuse the token, and kept after a temporary failure."""
    fleet = exporter(server)
    fleet.run(1)
    by_endpoint = dict(zip(ENDPOINTS, faults, strict=True))
    server.fault = lambda request: by_endpoint[request.endpoint]
    fleet.run(DAY + 300)
    assert shown(fleet) == (SOON.timestamp() if stays else None)


def test_rotation(server: Simulator, tmp_path: Path) -> None:
    """After a rotation of the token, the old expiry is removed at once, and the new token is verified."""
    path = tmp_path / "token"
    path.write_text(TOKEN)
    polled = AccountConfig(id=ID, api_token_file=str(path), devices=False)
    fleet = exporter(server, polled)
    fleet.run(10)
    assert shown(fleet) == SOON.timestamp()
    path.write_text("another")
    server.accounts[ID].token = "another"
    server.accounts[ID].token_expires = None
    seen: list[float | None] = []

    def look(request: Request) -> None:
        if request.headers["authorization"] == "Bearer another":
            seen.append(shown(fleet))

    server.fault = look
    fleet.run(600)
    assert seen
    assert set(seen) == {None}
    assert asked(server) == ["user_token", "user_token"]


def test_reload(server: Simulator) -> None:
    """After a reload, the exporter verifies the token again, and shows the known expiry until then."""
    fleet = exporter(server)
    fleet.run(1)
    later = datetime(2027, 1, 1, tzinfo=UTC)
    server.accounts[ID].token_expires = later
    fleet.load(config(server, account()))
    assert shown(fleet) == SOON.timestamp()
    fleet.run(1)
    assert shown(fleet) == later.timestamp()
    assert asked(server) == ["user_token"] * 2


def test_removed_account(server: Simulator) -> None:
    """The expiry of a token disappears when its account is removed from the configuration."""
    fleet = exporter(server, account(), account(OTHER, Secret("elsewhere", "another")))
    fleet.run(1)
    fleet.load(config(server, account(OTHER, Secret("elsewhere", "another"))))
    assert shown(fleet) is None


def test_the_status_page(server: Simulator) -> None:
    """The status page shows when the token expires, and does not count the verification as a poll."""
    fleet = exporter(server)
    assert "API token" not in status_page(fleet)
    fleet.run(1)
    page = status_page(fleet)
    assert "<h3>API token</h3>\n<p><bdi>expires on 2026-10-11 at 14:13 UTC</bdi></p>" in page
    assert "All 0 polls good" in page


def status_page(fleet: Fleet) -> str:
    """Return the status page of an exporter."""
    rows = [Row(snapshot, fresh=snapshot.succeeded_at is not None) for snapshot in fleet.snapshots()]
    return render([account()], rows, fleet.clock.now, View())


def test_names_of_endpoints() -> None:
    """Error messages name the endpoints by their paths in the API."""
    assert [each.place for each in (credential.OF_A_USER, credential.OF_AN_ACCOUNT)] == [
        "/user/tokens/verify",
        "/tokens/verify",
    ]
    assert urlsplit(credential.OF_AN_ACCOUNT.of(ID).path).path == f"/accounts/{ID}/tokens/verify"
