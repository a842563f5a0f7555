"""`${NAME}` and `${NAME:-default}` in a file."""

import pytest

from access_exporter.config.model import Users
from access_exporter.config.secrets import Secret
from tests.config.refusals import refusal, table
from tests.config_files import SECRET, account, load, only_account, policy_tests, users, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")

VARIABLE = "expected ${NAME} or ${NAME:-default} with the name of an environment variable"
BAD = {
    "unset": (
        with_credential("api_token: ${CLOUDFLARE_API_TOKN}"),
        "accounts[0].api_token: the environment variable `CLOUDFLARE_API_TOKN` is not set or is empty",
    ),
    "empty": (account("name: ${EMPTY}"), "accounts[0].name: the environment variable `EMPTY` is not set or is empty"),
    "one of two unset": (
        account("name: ${FIRST}-${THIRD}"),
        "accounts[0].name: the environment variable `THIRD` is not set or is empty",
    ),
    "unset in a list": (
        policy_tests("{name: a, policies: [b, '${THIRD}']}"),
        "accounts[0].policy_tests[0].policies[1]: the environment variable `THIRD` is not set or is empty",
    ),
    "unset in a number": (
        users("idle_days: ['${THIRD}']"),
        "accounts[0].users.idle_days[0]: the environment variable `THIRD` is not set or is empty",
    ),
    "unset in a default that is used": (
        account("name: ${EMPTY:-${THIRD}}"),
        "accounts[0].name: the environment variable `THIRD` is not set or is empty",
    ),
    "several unset": (
        account("name: ${EMPTY} ${THIRD} ${EMPTY}", "seat_limit: ${FOURTH}", "users: {interval: '${THIRD}'}"),
        "environment variables are not set or are empty: `EMPTY` (accounts[0].name); `THIRD` (accounts[0].name); "
        "`FOURTH` (accounts[0].seat_limit)",
    ),
    "a credential among them": (
        "accounts: [{id: '${THIRD}', api_token: '${A:-}', api_token_file: '${EMPTY:-}'}]\n",
        "environment variables are not set or are empty: `THIRD` (accounts[0].id); one of `A`, `EMPTY` (accounts[0])",
    ),
    "a credential alone": (
        with_credential("api_token: ${A:-${B:-}}"),
        "accounts[0]: the environment variable `A` is not set or is empty",
    ),
    "a missing e-mail beside a key": (
        with_credential("api_email: ${A:-}", f"api_key: {SECRET}"),
        "accounts[0].api_email: the environment variable `A` is not set or is empty",
    ),
    "a default that is not a number": (
        account("seat_limit: ${THIRD:-many}"),
        "accounts[0].seat_limit: expected a whole number, got a string",
    ),
    "a default that is out of range": (
        account("seat_limit: ${THIRD:-0}"),
        "accounts[0].seat_limit: expected a whole number >= 1",
    ),
    "a secret in a default of a shown value": (
        account(f"name: ${{THIRD:-{SECRET}}}"),
        "accounts[0].name: this text contains a secret of the configuration, and the exporter would show it; remove it",
    ),
    "all accounts from empty variables": (
        "accounts: [{id: '${A:-}', api_token: '${B:-}'}]\n",
        "accounts: required, but missing",
    ),
    "nothing in braces": (account("name: ${}"), f"accounts[0].name: {VARIABLE}"),
    "space in braces": (account("name: ${FIRST }"), f"accounts[0].name: {VARIABLE}"),
    "digit first": (account("name: ${1ST}"), f"accounts[0].name: {VARIABLE}"),
    "default without a colon": (account("name: ${FIRST-x}"), f"accounts[0].name: {VARIABLE}"),
    "message, as in a shell": (account("name: ${FIRST:?x}"), f"accounts[0].name: {VARIABLE}"),
    "braces in braces": (account("name: ${${FIRST}}"), f"accounts[0].name: {VARIABLE}"),
    "braces left open": (with_credential(f"api_token: ${{{SECRET}"), f"accounts[0].api_token: {VARIABLE}"),
    "braces left open after good ones": (account("name: '${FIRST} ${'"), f"accounts[0].name: {VARIABLE}"),
    "default left open": (account("name: ${FIRST:-${SECOND}"), f"accounts[0].name: {VARIABLE}"),
    "wrong in a default that is not used": (account("name: ${FIRST:-${1ST}}"), f"accounts[0].name: {VARIABLE}"),
    "defaults nested 9999 times": (account(f"name: {'${A:-' * 9999}{'}' * 9999}"), f"accounts[0].name: {VARIABLE}"),
}
DEFAULTS = {
    "${FIRST:-x}": "left",
    "${THIRD:-x}": "x",
    "${EMPTY:-x}": "x",
    "a${THIRD:-}b": "ab",
    "${THIRD:-a b: #$\"'`\\é$$}": "a b: #$\"'`\\é$$",
    "${THIRD:-:-x}": ":-x",
    "${THIRD:-{x}": "{x",
    "${THIRD:-{x}}": "{x}",
    "${THIRD:-${SECOND}}": "right",
    "${THIRD:-${EMPTY:-${FIRST}-${FOURTH:-x}}y}z": "left-xyz",
    "${FIRST:-${THIRD}}": "left",
    "${FIRST}${THIRD:-x}${SECOND:-y}": "leftxright",
    "$FIRST ${FIRST}}": "$FIRST left}",
    "$${FIRST}{SECOND}": "$left{SECOND}",
}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@pytest.mark.parametrize("text", DEFAULTS)
def test_defaults(text: str) -> None:
    """As in a shell, the default replaces an unset or empty variable, and may contain any characters."""
    assert only_account(account(f"name: {quoted(text)}")).name == DEFAULTS[text]


def test_everywhere() -> None:
    """Variables are replaced everywhere in a string and in lists, each time that they occur."""
    found = only_account(
        account("name: ${FIRST}-${SECOND}, $FIRST, ${FIRST}", "policy_tests:", "  - {name: x, policies: ['${SECOND}']}")
    )
    assert found.name == "left-right, $FIRST, left"
    assert found.policy_tests[0].policies == ("right",)


def test_numbers_and_switches() -> None:
    """A variable or its default can be a number or a boolean, and an account id of digits stays a string."""
    loaded = load(
        "api: {requests_per_second: '${PACE}', burst: '${THIRD:-7}'}\naccounts:\n"
        f"  - {{id: '${{DIGITS}}', api_token: {SECRET}, seat_limit: '${{SEATS}}', name: '${{SEATS}}',\n"
        "     users: {idle_days: ['${SEATS}', '${THIRD:-9}']}, devices: '${THIRD:-false}',\n"
        "     service_tokens: '${THIRD:-true}'}\n"
    )
    (found,) = loaded.accounts
    assert (loaded.api.requests_per_second, loaded.api.burst) == (1.5, 7)
    assert (found.id, found.seat_limit, found.name) == ("12345678901234567890123456789012", 50, " 50 ")
    assert found.users_settings.idle_days == (50, 9)
    assert (found.devices, found.service_tokens) == (False, True)


def test_empty_default_means_absent() -> None:
    """A key, item or section that is empty because of an empty default counts as absent."""
    found = only_account(
        account(
            "name: ${THIRD:-}",
            "seat_limit: ${EMPTY:-}",
            "api_token_file: ${THIRD:-${EMPTY:-}}",
            "users: {interval: '${THIRD:-}'}",
            "policy_tests: [{discover: '${THIRD:-}'}, {id: a, name: '${THIRD:-}'}]",
        )
    )
    assert (found.name, found.seat_limit, found.users) == (None, None, Users())
    assert [test.id for test in found.policy_tests] == ["a"]


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("${FIRST:-x}", "environment variable FIRST"),
        ("${THIRD:-${SECOND}}", "environment variable SECOND"),
        ("${FIRST}${SECOND}", "environment variable FIRST and SECOND"),
        ("${THIRD:-x}", "configuration file"),
    ],
)
def test_where_a_secret_comes_from(text: str, source: str) -> None:
    """The source of a secret is the variables that it came from or, for a default, the configuration file."""
    secret = only_account(with_credential(f"api_token: '{text}'")).secret
    assert isinstance(secret, Secret)
    assert secret.source == source


@table(BAD)
def test_bad_variables(content: str, expected: str) -> None:
    """For missing or malformed variables, the error message names the place, and lists all missing ones at once."""
    assert refusal(content) == f"config.yaml: {expected}"
