import pytest

from access_exporter.commands import check
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account, Api, Config, PolicyTest, Users
from access_exporter.config.secrets import Secret

TOKEN = Secret("here", "token")
HIDDEN = "stale_after is shorter than interval, so its series vanish between polls"


def config(*accounts: Account, url: str = "https://api.cloudflare.com/client/v4") -> Config:
    """A configuration of these accounts."""
    return Config(api=Api(url=url), accounts=accounts)


def test_nothing_to_warn_of() -> None:
    """The defaults are no mistake, nor is data that goes stale just when the next poll is due."""
    edge = Users(interval=Interval(300), stale_after=Duration(300))
    assert not list(
        check.warnings(config(Account(id="a", api_token=TOKEN), Account(id="b", api_token=TOKEN, users=edge)))
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:8080"])
def test_clear_text_to_this_machine(host: str) -> None:
    """Nobody listens between the exporter and its own machine."""
    assert not list(check.warnings(config(Account(id="a", api_token=TOKEN), url=f"http://{host}/v4")))


@pytest.mark.parametrize("host", ["api.cloudflare.com", "10.0.0.1", "localhost.example.com"])
def test_clear_text(host: str) -> None:
    """A credential that would cross the network in clear is warned of."""
    warnings = list(check.warnings(config(Account(id="a", api_token=TOKEN), url=f"http://{host}/v4")))
    assert warnings == ["api.url is not https: the credential is sent in clear"]


def test_stale_before_the_next_poll() -> None:
    """Series that come and go are warned of, by the account's id, whichever of the accounts are this shard's."""
    short = Duration(299)
    tests = (PolicyTest(id="x"), PolicyTest(id="y", stale_after=short))
    accounts = (
        Account(id="a", api_token=TOKEN, users=Users(stale_after=short)),
        Account(id="b", api_token=TOKEN, policy_tests=tests),
    )
    assert list(check.warnings(config(*accounts))) == [
        f"users of account 'a': {HIDDEN}",
        f"policy_tests[1] of account 'b': {HIDDEN}",
    ]


def test_nothing_to_poll() -> None:
    """An account that is listed for nothing is warned of."""
    account = Account(id="a", api_token=TOKEN, users=False)
    assert list(check.warnings(config(account))) == ["account 'a': nothing of it is polled"]


def test_domains() -> None:
    """A plan says by how many domains users are counted."""
    account = Account(id="a", api_token=TOKEN, users=Users(domains=5))
    (line,) = [line for line in check.lines(config(account)) if line.startswith("  users:")]
    assert line.endswith("idle days 30, 60, 90, the 5 largest domains, 12 requests/h for each 1000 users")


def test_policies_without_refresh() -> None:
    """A policy test that is started says of how many policies, and that a day is between two of them."""
    account = Account(
        id="a", api_token=TOKEN, users=False, policy_tests=(PolicyTest(name="x", policies=("p", "q", "r")),)
    )
    assert list(check.lines(config(account)))[-2:] == [
        "  policy test 'x': starts a test of 3 policies every 86400 s, stale after 172800 s, 0.125 requests/h or more",
        "in all: at least 0.125 requests/h",
    ]
