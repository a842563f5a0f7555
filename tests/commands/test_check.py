from pathlib import Path

import pytest

from access_exporter.commands import check
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account, Api, Config, PolicyTest, Users
from access_exporter.config.secrets import Secret

A, B = "a" * 32, "b" * 32
TOKEN = Secret("here", "token")
HIDDEN = "stale_after is shorter than interval, so the series disappear between polls; raise stale_after"
QUOTES = "Cloudflare gets the quotes as well; remove them"


def config(*accounts: Account, url: str = "https://api.cloudflare.com/client/v4") -> Config:
    """A configuration of these accounts."""
    return Config(api=Api(url=url), accounts=accounts)


def test_nothing_to_warn_of() -> None:
    """The defaults are no mistake, nor is data that goes stale just when the next poll is due."""
    edge = Users(interval=Interval(300), stale_after=Duration(300))
    assert not list(check.warnings(config(Account(id=A, api_token=TOKEN), Account(id=B, api_token=TOKEN, users=edge))))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:8080"])
def test_clear_text_to_this_machine(host: str) -> None:
    """Nobody listens between the exporter and its own machine."""
    assert not list(check.warnings(config(Account(id=A, api_token=TOKEN), url=f"http://{host}/v4")))


@pytest.mark.parametrize("host", ["api.cloudflare.com", "10.0.0.1", "localhost.example.com"])
def test_clear_text(host: str) -> None:
    """A credential that would cross the network in clear is warned of."""
    warnings = list(check.warnings(config(Account(id=A, api_token=TOKEN), url=f"http://{host}/v4")))
    assert warnings == ["api.url is not https, so the credential is sent unencrypted; use https"]


def test_stale_before_the_next_poll() -> None:
    """Series that come and go are warned of, by the account's id, whichever of the accounts are this shard's."""
    short = Duration(299)
    tests = (PolicyTest(id="x"), PolicyTest(id="y", stale_after=short))
    accounts = (
        Account(id=A, api_token=TOKEN, users=Users(stale_after=short)),
        Account(id=B, api_token=TOKEN, policy_tests=tests),
    )
    assert list(check.warnings(config(*accounts))) == [
        f"users of account {A!r}: {HIDDEN}",
        f"policy_tests[1] of account {B!r}: {HIDDEN}",
    ]


def test_nothing_to_poll() -> None:
    """An account that is listed for nothing is warned of."""
    account = Account(id=A, api_token=TOKEN, users=False)
    assert list(check.warnings(config(account))) == [
        f"account {A!r}: nothing is polled; add users, devices, service_tokens or policy_tests"
    ]


@pytest.mark.parametrize("name", ["a" * 31, "a" * 31 + "g", "example", "\u0661" * 32, "a" * 31 + "\n"])
def test_an_id_that_is_none(name: str) -> None:
    """An id that cannot be one of an account is warned of."""
    (warning,) = check.warnings(config(Account(id=name, api_token=TOKEN)))
    assert warning == f"account {name!r}: the id is not 32 hexadecimal digits; copy it from Cloudflare's dashboard"


def test_an_id_in_capitals() -> None:
    """Hexadecimal digits may be capitals."""
    assert not list(check.warnings(config(Account(id="0123456789ABCDEF" * 2, api_token=TOKEN))))


@pytest.mark.parametrize("token", ['"secret"', "'secret'", "`secret`", '"secret', "secret'"])
def test_a_token_in_quotes(token: str, tmp_path: Path) -> None:
    """Quotes around a token, as some tools leave them, are warned of, wherever it is; it is not shown, and used so."""
    (tmp_path / "token").write_text(f"{token}\n")
    accounts = (
        Account(id=A, api_token=Secret("environment variable X", token)),
        Account(id=B, api_token_file=str(tmp_path / "token")),
    )
    assert list(check.warnings(config(*accounts))) == [
        f"account {A!r}: the API token is in quotes (environment variable X); {QUOTES}",
        f"account {B!r}: the API token is in quotes (file {str(tmp_path / 'token')!r}); {QUOTES}",
    ]
    assert accounts[0].secret.read() == token


def test_a_key_in_quotes() -> None:
    """So are quotes around a key or its address."""
    account = Account(id=A, api_key=Secret("here", "'key'"), api_email=Secret("there", '"jane@example.com"'))
    assert list(check.warnings(config(account))) == [
        f"account {A!r}: the API key is in quotes (here); {QUOTES}",
        f"account {A!r}: the e-mail address is in quotes (there); {QUOTES}",
    ]


def test_a_token_that_is_being_replaced() -> None:
    """A token that cannot be read just now is nothing to warn of."""
    assert not list(check.warnings(config(Account(id=A, api_token_file="/nowhere/token"))))


def test_domains() -> None:
    """A plan says by how many domains users are counted."""
    account = Account(id=A, api_token=TOKEN, users=Users(domains=5))
    (line,) = [line for line in check.lines(config(account)) if "idle days" in line]
    assert line.endswith("idle days 30, 60, 90, the 5 largest domains")


def test_policies_without_refresh() -> None:
    """A policy test that is started says of how many policies, and that a day is between two of them."""
    account = Account(
        id=A, api_token=TOKEN, users=False, policy_tests=(PolicyTest(name="x", policies=("p", "q", "r")),)
    )
    assert [line.strip() for line in check.lines(config(account))][-5:-1] == [
        "policy test 'x'  0.125 requests/h or more",
        "starts a test of 3 policies every 86400 s, stale after 172800 s",
        "needs Access: Policy Test Write",
        f"credential of account {A!r}: needs at least 0.125 of 7200 requests/h",
    ]


def test_the_cost_of_discovery() -> None:
    """Discovery is planned with its limit: what the lists cost, and what tests cost at least."""
    found = PolicyTest(discover="applications", limit=100, refresh=Interval(43_200))
    account = Account(id=A, api_token=TOKEN, users=False, policy_tests=(found,))
    assert [line.strip() for line in check.lines(config(account))][-6:-1] == [
        "applications  8 requests/h for each 100 applications, 25 or more for 100 tests",
        "listed every 900 s; each tested every 43200 s, at most 100 of them, stale after",
        "86400 s",
        "needs Access: Apps and Policies Read and Access: Policy Test Write",
        f"credential of account {A!r}: needs at least 33 of 7200 requests/h",
    ]


def test_accounts_that_share_a_secret() -> None:
    """Accounts with the same secret, wherever it comes from, have one budget, and one line beside what it allows."""
    other = Secret("there", "token")
    accounts = (Account(id=A, api_token=TOKEN), Account(id=B, api_token=other))
    (line,) = [line for line in check.lines(config(*accounts)) if line.startswith("credential")]
    assert line == f"credential of account {A!r}: needs at least 32 of 7200 requests/h"
