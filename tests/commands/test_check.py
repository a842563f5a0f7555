"""`--config.check`: its warnings, and the plan with the cost of each poll."""

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
    """Return a configuration of these accounts."""
    return Config(api=Api(url=url), accounts=accounts)


def test_no_warning() -> None:
    """The defaults give no warning, and neither does data that gets stale exactly when the next poll is due."""
    edge = Users(interval=Interval(300), stale_after=Duration(300))
    assert not list(check.warnings(config(Account(id=A, api_token=TOKEN), Account(id=B, api_token=TOKEN, users=edge))))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:8080"])
def test_clear_text_to_this_machine(host: str) -> None:
    """An http URL on this machine gives no warning, since the credential does not cross a network."""
    assert not list(check.warnings(config(Account(id=A, api_token=TOKEN), url=f"http://{host}/v4")))


@pytest.mark.parametrize("host", ["api.cloudflare.com", "10.0.0.1", "localhost.example.com"])
def test_clear_text(host: str) -> None:
    """If a credential would cross the network without encryption, there is a warning."""
    warnings = list(check.warnings(config(Account(id=A, api_token=TOKEN), url=f"http://{host}/v4")))
    assert warnings == ["api.url is not https, so the credential is sent unencrypted; use https"]


def test_stale_before_the_next_poll() -> None:
    """If data gets stale before the next poll, a warning names the account, even one of another shard."""
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
    """An account without anything to poll gives a warning."""
    account = Account(id=A, api_token=TOKEN, users=False)
    assert list(check.warnings(config(account))) == [
        f"account {A!r}: nothing is polled; add users, devices, service_tokens or policy_tests"
    ]


@pytest.mark.parametrize("name", ["a" * 31, "a" * 31 + "g", "example", "\u0661" * 32, "a" * 31 + "\n"])
def test_an_invalid_account_id(name: str) -> None:
    """An invalid account id gives a warning."""
    (warning,) = check.warnings(config(Account(id=name, api_token=TOKEN)))
    assert warning == f"account {name!r}: the id is not 32 hexadecimal digits; copy it from Cloudflare's dashboard"


def test_an_id_in_capitals() -> None:
    """The hexadecimal digits of an account id may be capital letters."""
    assert not list(check.warnings(config(Account(id="0123456789ABCDEF" * 2, api_token=TOKEN))))


@pytest.mark.parametrize("token", ['"secret"', "'secret'", "`secret`", '"secret', "secret'"])
def test_a_token_in_quotes(token: str, tmp_path: Path) -> None:
    """A token in quotes, as some tools write it, gives a warning without the token, and is sent with its quotes."""
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
    """Quotes around an API key or its e-mail address give a warning too."""
    account = Account(id=A, api_key=Secret("here", "'key'"), api_email=Secret("there", '"jane@example.com"'))
    assert list(check.warnings(config(account))) == [
        f"account {A!r}: the API key is in quotes (here); {QUOTES}",
        f"account {A!r}: the e-mail address is in quotes (there); {QUOTES}",
    ]


def test_a_token_that_is_being_replaced() -> None:
    """A token file that cannot be read at the moment gives no warning."""
    assert not list(check.warnings(config(Account(id=A, api_token_file="/nowhere/token"))))


def test_domains() -> None:
    """The plan shows how many domains are counted."""
    account = Account(id=A, api_token=TOKEN, users=Users(domains=5))
    (line,) = [line for line in check.lines(config(account)) if "idle days" in line]
    assert line.endswith("idle days 30, 60, 90, the 5 largest domains")


def test_policies_without_refresh() -> None:
    """If the exporter starts a policy test, the plan shows the number of policies and the default interval of a day."""
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
    """For discovery, the plan shows its limit, the cost of the lists and the minimum cost of the tests."""
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
    """Accounts with the same secret, from any source, share one rate limit and one line of the plan."""
    other = Secret("there", "token")
    accounts = (Account(id=A, api_token=TOKEN), Account(id=B, api_token=other))
    (line,) = [line for line in check.lines(config(*accounts)) if line.startswith("credential")]
    assert line == f"credential of account {A!r}: needs at least 32 of 7200 requests/h"
