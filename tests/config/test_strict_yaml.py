import pytest

from access_exporter.config.model import Account, Api, PolicyTest, Users
from tests.config.refusals import refusal, table
from tests.config_files import SECRET, account, api, policy_tests, users, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")

ROOT_KEYS = "expected one of api, accounts"
API_KEYS = f"expected one of {', '.join(Api.__struct_fields__)}"
ACCOUNT_KEYS = f"expected one of {', '.join(Account.__struct_fields__)}"
USERS_KEYS = f"expected one of {', '.join(Users.__struct_fields__)}"
POLICY_TEST_KEYS = f"expected one of {', '.join(PolicyTest.__struct_fields__)}"
MAPPING = "expected a mapping with the keys `accounts` and, optionally, `api`"
PLAIN_KEY = "expected a key that is a plain word, such as `users`"
NO_TAG = "expected no tag (`!name`); put a string that begins with ! or = in quotes"
EXISTS = "expected a valid number or date; put a string in quotes"
ALIASES = "expected aliases (`*name`) with less than 1,000,000 values in all"

ALIASES_OF_ALIASES = "x0: &x0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"x{number + 1}: &x{number + 1} [{', '.join([f'*x{number}'] * 10)}]\n" for number in range(20)
)
MERGES_OF_MERGES = "x0: &x0 {a: 1}\n" + "".join(
    f"x{number + 1}: &x{number + 1} {{<<: [{', '.join([f'*x{number}'] * 10)}]}}\n" for number in range(20)
)

NOT_YAML: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", MAPPING),
    "comments only": ("# accounts:\n", MAPPING),
    "null": ("null\n", MAPPING),
    "list at top level": ("- accounts\n", MAPPING),
    "string at top level": ("accounts\n", MAPPING),
    "not UTF-8": (b"accounts:\n  - id: caf\xe9\n", "line 2: expected UTF-8 text"),
    "UTF-16": ("accounts: []\n".encode("utf-16"), "line 1: expected UTF-8 text"),
    "null byte": ("accounts:\n  - id: a\0\n", "line 2: expected no control character, got U+0000"),
    "escape character": ("\x1b[31m\n", "line 1: expected no control character, got U+001B"),
    "bell in a comment": (f"{account()}# \a\n", "line 4: expected no control character, got U+0007"),
    "tab as indentation": (
        "accounts:\n\t- id: a\n",
        "line 2: expected valid YAML: found character '\\t' that cannot start any token",
    ),
    "wrong indentation": (
        "accounts:\n  - id: a\n   name: b\n",
        "line 3: expected valid YAML: expected <block end>, but found '<block mapping start>'",
    ),
    "missing colon": ("accounts\napi:\n", "line 2: expected valid YAML: mapping values are not allowed here"),
    "missing space": (
        with_credential(f"api_token:{SECRET}"),
        "line 4: expected valid YAML: could not find expected ':'",
    ),
    "colon in a secret": (
        with_credential(f"api_token: {SECRET}: {SECRET}"),
        "line 3: expected valid YAML: mapping values are not allowed here",
    ),
    "open bracket": (
        "accounts: [\n",
        "line 2: expected valid YAML: expected the node content, but found '<stream end>'",
    ),
    "open quote": (
        with_credential(f"api_token: '{SECRET}"),
        "line 4: expected valid YAML: found unexpected end of stream",
    ),
    "reserved character": (
        with_credential(f"api_token: @{SECRET}"),
        "line 3: expected valid YAML: found character '@' that cannot start any token",
    ),
    "unknown escape": (
        with_credential(f'api_token: "\\q{SECRET}"'),
        "line 3: expected valid YAML: found unknown escape character 'q'",
    ),
    "escape beyond Unicode": (
        account('name: "\\U00110000"'),
        "expected valid YAML: an escape such as \\U00110000 is not a character",
    ),
    "escape far beyond Unicode": (
        account('name: "\\UFFFFFFFF"'),
        "expected valid YAML: an escape such as \\U00110000 is not a character",
    ),
    "two documents": (f"{account()}---\n{account()}", "line 4: expected valid YAML: but found another document"),
    "secret that is an alias": (
        with_credential(f"api_token: *{SECRET}"),
        "line 3: expected valid YAML: found undefined alias",
    ),
    "secret that is a tag": (with_credential(f"api_token: !{SECRET} x"), f"line 3: {NO_TAG}"),
    "secret that is a tag handle": (
        with_credential(f"api_token: !{SECRET}!x y"),
        "line 3: expected valid YAML: found undefined tag handle",
    ),
    "secret of another type": (with_credential(f"api_token: !!bool {SECRET}"), f"line 3: {EXISTS}"),
    "python object": (account("name: !!python/object:os.system {}"), f"line 4: {NO_TAG}"),
    "python name": (account("name: !!python/name:os.system ''"), f"line 4: {NO_TAG}"),
    "binary": (account("name: !!binary aGVsbG8="), f"line 4: {NO_TAG}"),
    "set": (account("users: !!set {interval}"), f"line 4: {NO_TAG}"),
    "equals sign": (account("name: ="), f"line 4: {NO_TAG}"),
    "date that does not exist": (account("name: 2026-02-30"), f"line 4: {EXISTS}"),
    "not a date": (account("name: !!timestamp soon"), f"line 4: {EXISTS}"),
    "not a number": (account("seat_limit: !!int many"), f"line 4: {EXISTS}"),
    "empty number": (account("seat_limit: !!float ''"), f"line 4: {EXISTS}"),
    "number of 5000 digits": (account(f"seat_limit: {'9' * 5000}"), f"line 4: {EXISTS}"),
    "number as key": (account("1: x"), f"line 4: {PLAIN_KEY}"),
    "yes as key": (account("yes: x"), f"line 4: {PLAIN_KEY}"),
    "null as key": (account("~: x"), f"line 4: {PLAIN_KEY}"),
    "date as key": (account("2026-01-01: x"), f"line 4: {PLAIN_KEY}"),
    "list as key": (account("[a]: x"), f"line 4: {PLAIN_KEY}"),
    "list with a string tag as key": (account("? !!str [a]", ": x"), f"line 4: {PLAIN_KEY}"),
    "mapping as key": (account("{a: b}: x"), f"line 4: {PLAIN_KEY}"),
    "empty key": (account("'': x"), f"line 4: {PLAIN_KEY}"),
    "variable as key": (account("${FIRST}: x"), f"line 4: {PLAIN_KEY}"),
    "key with a newline": (account('"a\\nb": x'), f"line 4: {PLAIN_KEY}"),
    "key with a terminal escape code": (account('"\\e[31m": x'), f"line 4: {PLAIN_KEY}"),
    "key that is half a surrogate pair": (account('"\\ud800": x'), f"line 4: {PLAIN_KEY}"),
    "merge of a string": (
        account("<<: x"),
        "line 4: expected valid YAML: expected a mapping or list of mappings for merging, but found scalar",
    ),
    "nested too deeply": (f"accounts: {'[' * 5_000}", "line 1: expected at most 50 levels of nesting"),
    "aliases nested too deeply": (
        "- &a0 []\n" + "".join(f"- &a{number} [*a{number - 1}]\n" for number in range(1, 2000)),
        "line 51: expected at most 50 levels of nesting",  # one nesting level per line
    ),
    # Line 1 stands for 11 values, the next lines for 111, 1111 and so on: line 6 stands for 1,111,111 values.
    "aliases of aliases": (ALIASES_OF_ALIASES, f"line 6: {ALIASES}"),
    # Line 1 has a mapping, a key and a number. Each further line has a mapping, a key, a list, and ten times the
    # line above: 3, 33, 333 values and so on, so line 7 stands for 3,333,333 values.
    "merges of merges": (MERGES_OF_MERGES, f"line 7: {ALIASES}"),
    "file inside itself": ("&file {accounts: *file}\n", f"line 1: {ALIASES}"),
    "list inside itself": (account("policy_tests: &tests [*tests]"), f"line 4: {ALIASES}"),
}

KEYS = {
    "unknown at the top": (f"{account()}acounts: x\n", f"unknown key `acounts`; {ROOT_KEYS}"),
    "unknown in api": (api("tiemout: 3s"), f"api: unknown key `tiemout`; {API_KEYS}"),
    "unknown in an account": (account("seats: 50"), f"accounts[0]: unknown key `seats`; {ACCOUNT_KEYS}"),
    "unknown in users": (users("intervall: 5m"), f"accounts[0].users: unknown key `intervall`; {USERS_KEYS}"),
    "unknown in a policy test": (
        policy_tests("id: a", "{id: b, policy: c}"),
        f"accounts[0].policy_tests[1]: unknown key `policy`; {POLICY_TEST_KEYS}",
    ),
    "unknown without a value": (users("intervall:"), f"accounts[0].users: unknown key `intervall`; {USERS_KEYS}"),
    "known in another section": (api("interval: 5m"), f"api: unknown key `interval`; {API_KEYS}"),
    "named like a type": (account("int: 5"), f"accounts[0]: unknown key `int`; {ACCOUNT_KEYS}"),
    "with a dash": (account("seat-limit: 5"), f"accounts[0]: unknown key `seat-limit`; {ACCOUNT_KEYS}"),
    "with a capital": (account("Name: x"), f"accounts[0]: unknown key `Name`; {ACCOUNT_KEYS}"),
    "duplicate at the top": (account() + account(), "line 4: duplicate key"),
    "duplicate in api": (api("timeout: 3s", "burst: 1", "timeout: 3s"), "line 4: duplicate key"),
    "duplicate in an account": (account("name: a", "id: example"), "line 5: duplicate key"),
    "duplicate secret": (account(f"api_token: {SECRET}"), "line 4: duplicate key"),
    "duplicate in users": (users("interval: 5m", "interval: 6m"), "line 6: duplicate key"),
    "duplicate in a policy test": (policy_tests("{id: a, id: b}"), "line 5: duplicate key"),
    "duplicate in quotes": (users("interval: 5m", '"interval": 6m'), "line 6: duplicate key"),
    "missing accounts": ("api: {timeout: 3s}\n", "accounts: required, but missing"),
    "accounts without a value": ("accounts:\n", "accounts: required, but missing"),
    "missing id": (f"accounts:\n  - api_token: {SECRET}\n", "accounts[0].id: required, but missing"),
    "id without a value": (f"accounts:\n  - id:\n    api_token: {SECRET}\n", "accounts[0].id: required, but missing"),
}


class TestBadFiles:
    @table(NOT_YAML)
    def test_not_plain_yaml(self, content: str | bytes, expected: str) -> None:
        """For a file that is not plain YAML with one mapping, the error message names the line, without its content."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(KEYS)
    def test_keys(self, content: str, expected: str) -> None:
        """For an unknown, duplicate or missing key at any level, the error message names the key or its line."""
        assert refusal(content) == f"config.yaml: {expected}"
