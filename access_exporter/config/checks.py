"""What the types of a configuration cannot say: addresses, credentials, and labels that must be unique."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests

from access_exporter.config.model import Account, Config, PolicyTest
from access_exporter.errors import ConfigError

_DISCOVERY = PolicyTest(discover="applications")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what the types cannot say, as place and expectation."""
    if not _is_address(config.api.url):
        yield "api.url", "expected an address such as https://api.cloudflare.com/client/v4, without user and query"
    ids: set[str] = set()
    for index, account in enumerate(config.accounts):
        where = f"accounts[{index}]"
        if account.id in ids:
            yield f"{where}.id", "duplicate account; expected each id once"
        ids.add(account.id)
        if account.id in (".", ".."):
            yield f"{where}.id", "expected an account id"
        yield from _credential_problems(account, where)
        users = account.users_config
        if users and len(set(users.idle_days)) < len(users.idle_days):
            yield f"{where}.users.idle_days", "expected each number of days once"
        labels: set[str] = set()
        for number, test in enumerate(account.policy_tests):
            place = f"{where}.policy_tests[{number}]"
            yield from _policy_test_problems(test, place)
            if test.label in labels:
                other = f"has the label {test.label!r}" if test.label else "has discover"
                yield place, f"another policy test of this account {other}; expected each once"
            labels.add(test.label)


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        host_and_port = bool(url.hostname) and url.port != 0
        requests.Request("GET", text).prepare()  # has an opinion on names of hosts, too
    except ValueError:
        return False
    return url.scheme in ("https", "http") and host_and_port and not re.search(r"[\s@?#]", text)


def _credential_problems(account: Account, where: str) -> Iterator[tuple[str, str]]:
    given = [
        name
        for name in ("api_token", "api_token_file", "api_key", "api_key_file")
        if getattr(account, name) is not None
    ]
    if len(given) != 1:
        found = " and ".join(given) or "none"
        yield (
            where,
            f"expected one of api_token, api_token_file, or api_email with api_key or api_key_file; got {found}",
        )
        return
    with_key = given[0].startswith("api_key")
    if with_key and not account.api_email:
        yield f"{where}.api_email", f"required with {given[0]}, but missing"
    if account.api_email and not with_key:
        yield f"{where}.api_email", f"goes with api_key or api_key_file, not with {given[0]}"
    for name, secret in ((given[0], account.secret), ("api_email", account.api_email)):
        try:
            if secret:
                secret.read()
        except ConfigError as error:
            yield f"{where}.{name}", str(error)


def _policy_test_problems(test: PolicyTest, where: str) -> Iterator[tuple[str, str]]:
    if test.discover:
        yield from _discovery_problems(test, where)
        return
    for key in ("match", "exclude", "limit"):
        if getattr(test, key) != getattr(_DISCOVERY, key):
            yield f"{where}.{key}", "goes with discover, not with id or policies"
    if (test.id is None) == (not test.policies):
        yield (
            where,
            "expected one of id, to follow a policy test, policies, to start fresh ones, or discover, to start one for "
            "each application",
        )
    elif test.id in (".", ".."):
        yield f"{where}.id", "expected a policy test id"
    elif test.policies and not test.name:
        yield f"{where}.name", "required with policies, but missing"
    elif test.refresh and not test.policies:
        yield f"{where}.refresh", "goes with policies, not with id"


def _discovery_problems(test: PolicyTest, where: str) -> Iterator[tuple[str, str]]:
    for key in ("id", "name", "policies"):
        if getattr(test, key):
            yield f"{where}.{key}", "does not go with discover"
    if not test.match:
        yield f"{where}.match", "expected at least one name, or leave out match for all applications"
