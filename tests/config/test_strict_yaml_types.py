import pytest

from tests.config.refusals import QUOTES, refusal, table
from tests.config_files import SECRET, account, api, policy_tests, users, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")

TYPES = {
    "api as a list": (f"{account()}api: []\n", "api: expected a mapping, got a list"),
    "api as a string": (f"{account()}api: x\n", "api: expected a mapping, got a string"),
    "accounts as a mapping": (
        f"accounts: {{id: a, api_token: {SECRET}}}\n",
        "accounts: expected a list, got a mapping",
    ),
    "accounts as a string": (f"accounts: {SECRET}\n", "accounts: expected a list, got a string"),
    "account as a string": (f"accounts: [{SECRET}]\n", "accounts[0]: expected a mapping, got a string"),
    "account as nothing": ("accounts: [null]\n", "accounts[0]: expected a mapping, got nothing"),
    "account as a list": ("accounts: [[]]\n", "accounts[0]: expected a mapping, got a list"),
    "id as a number": (
        f"accounts:\n  - id: 123\n    api_token: {SECRET}\n",
        f"accounts[0].id: expected a string, got a whole number; {QUOTES}",
    ),
    "name as a whole number": (
        account("name: 5"),
        f"accounts[0].name: expected a string, got a whole number; {QUOTES}",
    ),
    "name as a number": (account("name: 1.5"), f"accounts[0].name: expected a string, got a number; {QUOTES}"),
    "name as yes": (account("name: yes"), f"accounts[0].name: expected a string, got true or false; {QUOTES}"),
    "name as a date": (account("name: 2026-01-31"), f"accounts[0].name: expected a string, got a date; {QUOTES}"),
    "name as a time": (
        account("name: 2026-01-31T12:00:00Z"),
        f"accounts[0].name: expected a string, got a date; {QUOTES}",
    ),
    "name as a list": (account("name: [a]"), "accounts[0].name: expected a string, got a list"),
    "name as a mapping": (account("name: {a: b}"), "accounts[0].name: expected a string, got a mapping"),
    "url as a number": (api("url: 5"), f"api.url: expected a string, got a whole number; {QUOTES}"),
    "page_size as a string": (api("page_size: '5'"), "api.page_size: expected a whole number, got a string"),
    "page_size as a fraction": (api("page_size: 5.5"), "api.page_size: expected a whole number, got a number"),
    "page_size as true": (api("page_size: true"), "api.page_size: expected a whole number, got true or false"),
    "requests_per_second as a string": (
        api("requests_per_second: two"),
        "api.requests_per_second: expected a number, got a string",
    ),
    "seat_limit as a variable that is not a number": (
        account("seat_limit: ${FIFTY}"),
        "accounts[0].seat_limit: expected a whole number, got a string",
    ),
    "users as a string": (
        account("users: 'no'"),
        "accounts[0].users: expected true or false or a mapping, got a string",
    ),
    "users as a number": (
        account("users: 0"),
        "accounts[0].users: expected true or false or a mapping, got a whole number",
    ),
    "users as a list": (account("users: []"), "accounts[0].users: expected true or false or a mapping, got a list"),
    "idle_days as a string": (
        users("idle_days: '30'"),
        "accounts[0].users.idle_days: expected a list, got a string",
    ),
    "idle_days as a number": (
        users("idle_days: 30"),
        "accounts[0].users.idle_days: expected a list, got a whole number",
    ),
    "idle_days of strings": (
        users("idle_days: [30, thirty]"),
        "accounts[0].users.idle_days[1]: expected a whole number, got a string",
    ),
    "idle_days of nothing": (
        users("idle_days: [null]"),
        "accounts[0].users.idle_days[0]: expected a whole number, got nothing",
    ),
    "policy_tests as a mapping": (
        account("policy_tests: {id: a}"),
        "accounts[0].policy_tests: expected a list, got a mapping",
    ),
    "policy test as a string": (
        policy_tests("a"),
        "accounts[0].policy_tests[0]: expected a mapping, got a string",
    ),
    "policies as a string": (
        policy_tests("{name: a, policies: b}"),
        "accounts[0].policy_tests[0].policies: expected a list, got a string",
    ),
    "policies of numbers": (
        policy_tests("{name: a, policies: [5]}"),
        f"accounts[0].policy_tests[0].policies[0]: expected a string, got a whole number; {QUOTES}",
    ),
    "token as a number": (with_credential("api_token: 12345"), f"accounts[0].api_token: expected a string; {QUOTES}"),
    "token as a mapping": (
        with_credential(f"api_token: {{path: {SECRET}, source: x}}"),
        f"accounts[0].api_token: expected a string; {QUOTES}",
    ),
    "token file as a number": (
        with_credential("api_token_file: 5"),
        f"accounts[0].api_token_file: expected a string, got a whole number; {QUOTES}",
    ),
}


class TestBadFiles:
    @table(TYPES)
    def test_types(self, content: str, expected: str) -> None:
        """For a value of the wrong type, the error message uses YAML words, such as mapping, not Python words."""
        assert refusal(content) == f"config.yaml: {expected}"
