"""Checks of a configuration that its types cannot express: addresses, credentials, and labels that must be unique."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests

from access_exporter.config.model import Account, Config, PolicyTest
from access_exporter.errors import ConfigError

_DISCOVERY = PolicyTest(discover="applications")


def problems(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the place of each error, and what was expected there."""
    if not _is_address(config.api.url):
        yield "api.url", "expected an address such as https://api.cloudflare.com/client/v4, without user or query"
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
                name = f"has the label {test.label!r}; give each its own name"
                other = name if test.label else "has discover; use discover only once"
                yield place, f"another policy test of this account {other}"
            labels.add(test.label)


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        host_and_port = bool(url.hostname) and url.port != 0
        requests.Request("GET", text).prepare()  # checks the host name, too
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
        yield f"{where}.api_email", f"allowed with api_key or api_key_file only, not with {given[0]}"
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
            yield f"{where}.{key}", "allowed with discover only, not with id or policies"
    if (test.id is None) == (not test.policies):
        yield (
            where,
            "expected one of the keys id (to follow a policy test), policies (to start policy tests), or discover (to "
            "start a policy test for each application)",
        )
    elif test.id in (".", ".."):
        yield f"{where}.id", "expected a policy test id"
    elif test.policies and not test.name:
        yield f"{where}.name", "required with policies, but missing"
    elif test.refresh and not test.policies:
        yield f"{where}.refresh", "allowed with policies or discover only, not with id"


def _discovery_problems(test: PolicyTest, where: str) -> Iterator[tuple[str, str]]:
    for key in ("id", "name", "policies"):
        if getattr(test, key):
            yield f"{where}.{key}", "not allowed with discover"
    if not test.match:
        yield f"{where}.match", "expected at least one name; to test all applications, remove match"
