import time

import pytest

from access_exporter import config
from access_exporter.errors import ConfigError
from tests.config.refusals import refusal, table
from tests.config_files import SECRET, account, api, policy_tests, users, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")
ADDRESS = "expected an address such as https://api.cloudflare.com/client/v4, without user or query"
UNICODE = "expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, or bytes not in UTF-8"
ID_OR_POLICIES = (
    "expected one of the keys id (to follow a policy test), policies (to start policy tests), or discover (to start "
    "a policy test for each application)"
)

RANGES = {
    "no accounts": ("accounts: []\n", "accounts: expected a list with a length of at least 1"),
    "empty id": (
        f"accounts:\n  - id: ''\n    api_token: {SECRET}\n",
        "accounts[0].id: expected a string with a length of at least 1",
    ),
    "id of 33 characters": (
        f"accounts:\n  - id: {'a' * 33}\n    api_token: {SECRET}\n",
        "accounts[0].id: expected a string with a length of at most 32",
    ),
    "id that is a step in a path": (
        f"accounts:\n  - id: ..\n    api_token: {SECRET}\n",
        "accounts[0].id: expected an account id",
    ),
    "empty name": (account("name: ''"), "accounts[0].name: expected a string with a length of at least 1"),
    "page_size 0": (api("page_size: 0"), "api.page_size: expected a whole number >= 1"),
    "page_size 1001": (api("page_size: 1001"), "api.page_size: expected a whole number <= 1000"),
    "requests_per_second 0": (
        api("requests_per_second: 0"),
        "api.requests_per_second: expected a number >= 0.01",
    ),
    "requests_per_second not a number": (
        api("requests_per_second: .nan"),
        "api.requests_per_second: expected a number >= 0.01",
    ),
    "requests_per_second infinite": (
        api("requests_per_second: .inf"),
        "api.requests_per_second: expected a number <= 10000.0",
    ),
    "burst 0": (api("burst: 0"), "api.burst: expected a whole number >= 1"),
    "concurrency 0": (api("concurrency: 0"), "api.concurrency: expected a whole number >= 1"),
    "concurrency 65": (api("concurrency: 65"), "api.concurrency: expected a whole number <= 64"),
    "seat_limit 0": (account("seat_limit: 0"), "accounts[0].seat_limit: expected a whole number >= 1"),
    "seat_limit too large for a float": (
        account(f"seat_limit: {'9' * 400}"),
        "accounts[0].seat_limit: expected a whole number <= 1000000000",
    ),
    "idle_days 0": (users("idle_days: [0]"), "accounts[0].users.idle_days[0]: expected a whole number >= 1"),
    "domains below 0": (users("domains: -1"), "accounts[0].users.domains: expected a whole number >= 0"),
    "too many domains": (users("domains: 101"), "accounts[0].users.domains: expected a whole number <= 100"),
    "domains as true": (
        users("domains: true"),
        "accounts[0].users.domains: expected a whole number, got true or false",
    ),
    "idle_days too large": (
        users("idle_days: [30, 36501]"),
        "accounts[0].users.idle_days[1]: expected a whole number <= 36500",
    ),
    "idle_days twice": (
        users("idle_days: [30, 60, 30]"),
        "accounts[0].users.idle_days: expected each number of days once",
    ),
    "policy test id of 65 characters": (
        policy_tests(f"id: {'a' * 65}"),
        "accounts[0].policy_tests[0].id: expected a string with a length of at most 64",
    ),
    "policy test id that is a step in a path": (
        policy_tests("id: ."),
        "accounts[0].policy_tests[0].id: expected a policy test id",
    ),
    "policy id of 65 characters": (
        policy_tests(f"{{name: a, policies: [b, {'a' * 65}]}}"),
        "accounts[0].policy_tests[0].policies[1]: expected a string with a length of at most 64",
    ),
    "url without scheme": (api("url: api.cloudflare.com/client/v4"), f"api.url: {ADDRESS}"),
    "url without host": (api("url: https:///client/v4"), f"api.url: {ADDRESS}"),
    "url of ftp": (api("url: ftp://api.cloudflare.com/client/v4"), f"api.url: {ADDRESS}"),
    "url with user and password": (api(f"url: https://me:{SECRET}@example.com/v4"), f"api.url: {ADDRESS}"),
    "url with a password only": (api(f"url: https://:{SECRET}@example.com/v4"), f"api.url: {ADDRESS}"),
    "url with a query": (api(f"url: https://example.com/v4?key={SECRET}"), f"api.url: {ADDRESS}"),
    "url with an empty query": (api("url: https://example.com/v4?"), f"api.url: {ADDRESS}"),
    "url with a fragment": (api("url: 'https://example.com/v4#top'"), f"api.url: {ADDRESS}"),
    "url with a star": (api("url: 'https://*.example.com/v4'"), f"api.url: {ADDRESS}"),
    "url with an invalid international host": (api("url: 'https://\u2460\u30fc/v4'"), f"api.url: {ADDRESS}"),
    "url with a space": (api("url: https://example.com /v4"), f"api.url: {ADDRESS}"),
    "url with a newline": (api('url: "https://example.com\\n/v4"'), f"api.url: {ADDRESS}"),
    "url with an incomplete IPv6 address": (api("url: 'https://[::1/v4'"), f"api.url: {ADDRESS}"),
    "url with a port that is too large": (api("url: https://example.com:65536/v4"), f"api.url: {ADDRESS}"),
    "url with a port that is not a number": (api("url: https://example.com:https/v4"), f"api.url: {ADDRESS}"),
    "half a surrogate pair": (account('name: "\\ud800"'), f"accounts[0].name: {UNICODE}"),
    "two halves of a surrogate pair": (account('name: "\\ud83d\\ude80"'), f"accounts[0].name: {UNICODE}"),
    "half a surrogate pair in a label": (
        policy_tests('{id: a, name: "x\\udfff"}'),
        f"accounts[0].policy_tests[0].name: {UNICODE}",
    ),
    "half a surrogate pair in a secret": (
        with_credential(f'api_token: "{SECRET}\\ud800"'),
        f"accounts[0].api_token: {UNICODE}",
    ),
    "variable not in UTF-8": (account("name: ${LATIN_1}"), f"accounts[0].name: {UNICODE}"),
}

CONTRADICTIONS = {
    "account twice": (
        f"accounts:\n  - {{id: a, api_token: {SECRET}}}\n  - {{id: a, api_token_file: token}}\n",
        "accounts[1].id: duplicate account; expected each id once",
    ),
    "policy test twice": (
        policy_tests("id: a", "id: a"),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'a'; give each its own name",
    ),
    "label twice": (
        policy_tests("{id: a, name: wiki}", "id: c", "{id: b, name: wiki}"),
        "accounts[0].policy_tests[2]: another policy test of this account has the label 'wiki'; give each its own name",
    ),
    "name equal to another id": (
        policy_tests("id: a", "{id: b, name: a}"),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'a'; give each its own name",
    ),
    "label with a newline twice": (
        policy_tests('{id: a, name: "x\\ny"}', '{id: b, name: "x\\ny"}'),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'x\\ny'; "
        "give each its own name",
    ),
    "neither id nor policies": (policy_tests("name: wiki"), f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}"),
    "id and policies": (
        policy_tests("{id: a, name: b, policies: [c]}"),
        f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}",
    ),
    "no policies": (policy_tests("{name: a, policies: []}"), f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}"),
    "match without discover": (
        policy_tests("{id: a, match: [b]}"),
        "accounts[0].policy_tests[0].match: allowed with discover only, not with id or policies",
    ),
    "limit without discover": (
        policy_tests("{name: a, policies: [b], limit: 1}"),
        "accounts[0].policy_tests[0].limit: allowed with discover only, not with id or policies",
    ),
    "discover and id": (
        policy_tests("{id: a, discover: applications}"),
        "accounts[0].policy_tests[0].id: not allowed with discover",
    ),
    "discover and name": (
        policy_tests("{name: a, discover: applications}"),
        "accounts[0].policy_tests[0].name: not allowed with discover",
    ),
    "discover and policies": (
        policy_tests("{policies: [a], discover: applications}"),
        "accounts[0].policy_tests[0].policies: not allowed with discover",
    ),
    "discover twice": (
        policy_tests("discover: applications", "{discover: applications, limit: 1}"),
        "accounts[0].policy_tests[1]: another policy test of this account has discover; use discover only once",
    ),
    "discover nothing": (
        policy_tests("{discover: applications, match: []}"),
        "accounts[0].policy_tests[0].match: expected at least one name; to test all applications, remove match",
    ),
    "policies without name": (
        policy_tests("policies: [a]"),
        "accounts[0].policy_tests[0].name: required with policies, but missing",
    ),
    "refresh without policies": (
        policy_tests("{id: a, refresh: 24h}"),
        "accounts[0].policy_tests[0].refresh: allowed with policies or discover only, not with id",
    ),
}

FEW = 1000


def cpu_of_checks(number: int) -> float:
    """Check a configuration of this size, find a duplicate in it, and return the CPU time in seconds."""
    started = time.process_time()
    accounts: list[dict[str, object]] = [{"id": f"a{each}", "api_token": SECRET} for each in range(number)]
    assert len(config.parse({"accounts": accounts}).accounts) == number
    accounts[0]["policy_tests"] = [{"id": f"t{each}"} for each in range(number)]
    with pytest.raises(ConfigError, match=rf"accounts\[{number}\].id: duplicate account"):
        config.parse({"accounts": [*accounts, accounts[0]]})
    return time.process_time() - started


def test_many_accounts_and_policy_tests() -> None:
    """The time of the duplicate check grows in proportion to the number of accounts and policy tests."""
    assert cpu_of_checks(16 * FEW) < 64 * cpu_of_checks(FEW)  # 256 times, if each were compared with all others


class TestBadFiles:
    @table(RANGES)
    def test_ranges(self, content: str, expected: str) -> None:
        """For a value out of range, the error message names its place and what was expected."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(CONTRADICTIONS)
    def test_contradictions(self, content: str, expected: str) -> None:
        """For duplicates and keys that exclude each other, the error message names the place and what was expected."""
        assert refusal(content) == f"config.yaml: {expected}"
