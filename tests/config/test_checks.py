from collections.abc import Mapping
from pathlib import Path

import pytest

from access_exporter import config
from access_exporter.config.model import Account
from access_exporter.errors import ConfigError
from tests.config_files import ENVIRON, SECRET, account, api, load, policy_tests, users, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")

ROOT_KEYS = "expected one of api, accounts"
API_KEYS = "expected one of url, timeout, page_size, requests_per_second, burst, concurrency"
ACCOUNT_KEYS = f"expected one of {', '.join(Account.__struct_fields__)}"
USERS_KEYS = "expected one of interval, stale_after, idle_days, domains"
POLICY_TEST_KEYS = "expected one of id, name, interval, stale_after, policies, refresh"
DURATION = "expected a duration from 1ms to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"
INTERVAL = "expected a duration from 10s to 365d, such as 90s, 5m, 2h or 1d, or a number of seconds"
ADDRESS = "expected an address such as https://api.cloudflare.com/client/v4, without user and query"
MAPPING = "expected a mapping with the keys `accounts` and, optionally, `api`"
QUOTES = "put the value in quotes"
PLAIN_KEY = "expected a key that is a plain word, such as `users`"
NO_TAG = "expected no tag (`!name`); put a string that begins with ! or = in quotes"
EXISTS = "expected a number or date that exists; put a string in quotes"
ALIASES = "expected aliases (`*name`) that stand for less than 1,000,000 values"
UNICODE = "expected Unicode, got half of a surrogate pair: an escape \\ud800 to \\udfff, or bytes not in UTF-8"
VARIABLE = "expected ${NAME} with the name of an environment variable"
ONE_SECRET = "expected one of api_token, api_token_file, or api_email with api_key or api_key_file"
HEADER_VALUE = "expected a secret of printable ASCII characters without spaces"
ID_OR_POLICIES = "expected either id, to follow a policy test, or policies, to start fresh ones"

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
        "expected valid YAML: an escape such as \\U00110000 stands for no character",
    ),
    "escape beyond everything": (
        account('name: "\\UFFFFFFFF"'),
        "expected valid YAML: an escape such as \\U00110000 stands for no character",
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
    "list that says it is a string": (account("? !!str [a]", ": x"), f"line 4: {PLAIN_KEY}"),
    "mapping as key": (account("{a: b}: x"), f"line 4: {PLAIN_KEY}"),
    "empty key": (account("'': x"), f"line 4: {PLAIN_KEY}"),
    "variable as key": (account("${FIRST}: x"), f"line 4: {PLAIN_KEY}"),
    "key of two lines": (account('"a\\nb": x'), f"line 4: {PLAIN_KEY}"),
    "key that drives a terminal": (account('"\\e[31m": x'), f"line 4: {PLAIN_KEY}"),
    "key that is half a character": (account('"\\ud800": x'), f"line 4: {PLAIN_KEY}"),
    "merge of a string": (
        account("<<: x"),
        "line 4: expected valid YAML: expected a mapping or list of mappings for merging, but found scalar",
    ),
    "nested too deeply": (f"accounts: {'[' * 5_000}", "line 1: expected less nesting"),
    "aliases nested too deeply": (
        "- &a0 []\n" + "".join(f"- &a{number} [*a{number - 1}]\n" for number in range(1, 2000)),
        "line 51: expected less nesting",  # each line is a level more than the one above
    ),
    # 11 numbers in line 1, then 111, 1111 and so on: line 6 stands for 1,111,111.
    "aliases of aliases": (ALIASES_OF_ALIASES, f"line 6: {ALIASES}"),
    # A mapping, a key and a number in line 1; each further line is a mapping, a key, a list and ten of the line above:
    # 3, 33, 333 and so on, so that line 7 stands for 3,333,333.
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
    "known elsewhere": (api("interval: 5m"), f"api: unknown key `interval`; {API_KEYS}"),
    "named like a type": (account("int: 5"), f"accounts[0]: unknown key `int`; {ACCOUNT_KEYS}"),
    "with a dash": (account("seat-limit: 5"), f"accounts[0]: unknown key `seat-limit`; {ACCOUNT_KEYS}"),
    "with a capital": (account("Name: x"), f"accounts[0]: unknown key `Name`; {ACCOUNT_KEYS}"),
    "duplicate at the top": (account() + account(), "line 4: this key stands there twice"),
    "duplicate in api": (api("timeout: 3s", "burst: 1", "timeout: 3s"), "line 4: this key stands there twice"),
    "duplicate in an account": (account("name: a", "id: example"), "line 5: this key stands there twice"),
    "duplicate secret": (account(f"api_token: {SECRET}"), "line 4: this key stands there twice"),
    "duplicate in users": (users("interval: 5m", "interval: 6m"), "line 6: this key stands there twice"),
    "duplicate in a policy test": (policy_tests("{id: a, id: b}"), "line 5: this key stands there twice"),
    "duplicate in quotes": (users("interval: 5m", '"interval": 6m'), "line 6: this key stands there twice"),
    "missing accounts": ("api: {timeout: 3s}\n", "accounts: required, but missing"),
    "accounts without a value": ("accounts:\n", "accounts: required, but missing"),
    "missing id": (f"accounts:\n  - api_token: {SECRET}\n", "accounts[0].id: required, but missing"),
    "id without a value": (f"accounts:\n  - id:\n    api_token: {SECRET}\n", "accounts[0].id: required, but missing"),
}

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
    "seat_limit as a variable that is none": (
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

RANGES = {
    "no accounts": ("accounts: []\n", "accounts: expected a list of length >= 1"),
    "empty id": (
        f"accounts:\n  - id: ''\n    api_token: {SECRET}\n",
        "accounts[0].id: expected a string of length >= 1",
    ),
    "id of 33 characters": (
        f"accounts:\n  - id: {'a' * 33}\n    api_token: {SECRET}\n",
        "accounts[0].id: expected a string of length <= 32",
    ),
    "id that is a step in a path": (
        f"accounts:\n  - id: ..\n    api_token: {SECRET}\n",
        "accounts[0].id: expected an account id",
    ),
    "empty name": (account("name: ''"), "accounts[0].name: expected a string of length >= 1"),
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
    "requests_per_second without end": (
        api("requests_per_second: .inf"),
        "api.requests_per_second: expected a number <= 10000.0",
    ),
    "burst 0": (api("burst: 0"), "api.burst: expected a whole number >= 1"),
    "concurrency 0": (api("concurrency: 0"), "api.concurrency: expected a whole number >= 1"),
    "concurrency 65": (api("concurrency: 65"), "api.concurrency: expected a whole number <= 64"),
    "seat_limit 0": (account("seat_limit: 0"), "accounts[0].seat_limit: expected a whole number >= 1"),
    "seat_limit no float can hold": (
        account(f"seat_limit: {'9' * 400}"),
        "accounts[0].seat_limit: expected a whole number <= 1000000000",
    ),
    "idle_days 0": (users("idle_days: [0]"), "accounts[0].users.idle_days[0]: expected a whole number >= 1"),
    "domains below 0": (users("domains: -1"), "accounts[0].users.domains: expected a whole number >= 0"),
    "too many domains": (users("domains: 101"), "accounts[0].users.domains: expected a whole number <= 100"),
    "domains as a switch": (
        users("domains: true"),
        "accounts[0].users.domains: expected a whole number, got true or false",
    ),
    "idle_days of a century": (
        users("idle_days: [30, 36501]"),
        "accounts[0].users.idle_days[1]: expected a whole number <= 36500",
    ),
    "idle_days twice": (
        users("idle_days: [30, 60, 30]"),
        "accounts[0].users.idle_days: expected each number of days once",
    ),
    "policy test id of 65 characters": (
        policy_tests(f"id: {'a' * 65}"),
        "accounts[0].policy_tests[0].id: expected a string of length <= 64",
    ),
    "policy test id that is a step in a path": (
        policy_tests("id: ."),
        "accounts[0].policy_tests[0].id: expected a policy test id",
    ),
    "policy id of 65 characters": (
        policy_tests(f"{{name: a, policies: [b, {'a' * 65}]}}"),
        "accounts[0].policy_tests[0].policies[1]: expected a string of length <= 64",
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
    "url with a host of no script": (api("url: 'https://\u2460\u30fc/v4'"), f"api.url: {ADDRESS}"),
    "url with a space": (api("url: https://example.com /v4"), f"api.url: {ADDRESS}"),
    "url of two lines": (api('url: "https://example.com\\n/v4"'), f"api.url: {ADDRESS}"),
    "url with half an IPv6 address": (api("url: 'https://[::1/v4'"), f"api.url: {ADDRESS}"),
    "url with a port that is too large": (api("url: https://example.com:65536/v4"), f"api.url: {ADDRESS}"),
    "url with a port that is none": (api("url: https://example.com:https/v4"), f"api.url: {ADDRESS}"),
    "half a character": (account('name: "\\ud800"'), f"accounts[0].name: {UNICODE}"),
    "two halves of a character": (account('name: "\\ud83d\\ude80"'), f"accounts[0].name: {UNICODE}"),
    "half a character in a label": (
        policy_tests('{id: a, name: "x\\udfff"}'),
        f"accounts[0].policy_tests[0].name: {UNICODE}",
    ),
    "half a character in a secret": (
        with_credential(f'api_token: "{SECRET}\\ud800"'),
        f"accounts[0].api_token: {UNICODE}",
    ),
    "variable not in UTF-8": (account("name: ${LATIN_1}"), f"accounts[0].name: {UNICODE}"),
}

VARIABLES = {
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
    "nothing in braces": (account("name: ${}"), f"accounts[0].name: {VARIABLE}"),
    "space in braces": (account("name: ${FIRST }"), f"accounts[0].name: {VARIABLE}"),
    "digit first": (account("name: ${1ST}"), f"accounts[0].name: {VARIABLE}"),
    "default, as in a shell": (account("name: ${FIRST:-x}"), f"accounts[0].name: {VARIABLE}"),
    "braces in braces": (account("name: ${${FIRST}}"), f"accounts[0].name: {VARIABLE}"),
    "braces left open": (with_credential(f"api_token: ${{{SECRET}"), f"accounts[0].api_token: {VARIABLE}"),
    "braces left open after good ones": (account("name: '${FIRST} ${'"), f"accounts[0].name: {VARIABLE}"),
}

SECRETS = {
    "none": (with_credential("name: x"), f"accounts[0]: {ONE_SECRET}; got none"),
    "token without a value": (with_credential("api_token:"), f"accounts[0]: {ONE_SECRET}; got none"),
    "e-mail only": (with_credential("api_email: me@example.com"), f"accounts[0]: {ONE_SECRET}; got none"),
    "token and file": (
        account("api_token_file: token"),
        f"accounts[0]: {ONE_SECRET}; got api_token and api_token_file",
    ),
    "token and key": (
        account(f"api_key: {SECRET}", "api_email: me@example.com"),
        f"accounts[0]: {ONE_SECRET}; got api_token and api_key",
    ),
    "key and file": (
        with_credential(f"api_key: {SECRET}", "api_key_file: token", "api_email: me@example.com"),
        f"accounts[0]: {ONE_SECRET}; got api_key and api_key_file",
    ),
    "key without e-mail": (
        with_credential(f"api_key: {SECRET}"),
        "accounts[0].api_email: required with api_key, but missing",
    ),
    "key file without e-mail": (
        with_credential("api_key_file: token"),
        "accounts[0].api_email: required with api_key_file, but missing",
    ),
    "e-mail with token": (
        account("api_email: me@example.com"),
        "accounts[0].api_email: goes with api_key or api_key_file, not with api_token",
    ),
    "e-mail with token file": (
        with_credential("api_token_file: token", "api_email: me@example.com"),
        "accounts[0].api_email: goes with api_key or api_key_file, not with api_token_file",
    ),
    "empty token": (
        with_credential("api_token: ''"),
        "accounts[0].api_token: the secret is empty (configuration file)",
    ),
    "token of spaces": (
        with_credential("api_token: '  '"),
        "accounts[0].api_token: the secret is empty (configuration file)",
    ),
    "token with a space": (
        with_credential(f"api_token: {SECRET} {SECRET}"),
        f"accounts[0].api_token: {HEADER_VALUE} (configuration file)",
    ),
    "token not in ASCII": (
        with_credential(f"api_token: {SECRET}é"),
        f"accounts[0].api_token: {HEADER_VALUE} (configuration file)",
    ),
    "token with a null byte": (
        with_credential(f'api_token: "{SECRET}\\0"'),
        f"accounts[0].api_token: {HEADER_VALUE} (configuration file)",
    ),
    "variable with a space": (
        with_credential("api_token: ${SPACES}"),
        f"accounts[0].api_token: {HEADER_VALUE} (environment variable SPACES)",
    ),
    "variable with a newline": (
        with_credential("api_key: ${LINES}", "api_email: me@example.com"),
        f"accounts[0].api_key: {HEADER_VALUE} (environment variable LINES)",
    ),
    "e-mail with a space": (
        with_credential(f"api_key: {SECRET}", "api_email: me @example.com"),
        f"accounts[0].api_email: {HEADER_VALUE} (configuration file)",
    ),
    "no file name": (
        with_credential("api_token_file: ''"),
        "accounts[0].api_token_file: expected a string of length >= 1",
    ),
    "missing file": (
        with_credential("api_token_file: tokn"),
        "accounts[0].api_token_file: the secret file `tokn` cannot be read: No such file or directory",
    ),
    "directory": (
        with_credential("api_token_file: directory"),
        "accounts[0].api_token_file: the secret file `directory` cannot be read: Is a directory",
    ),
    "named pipe": (
        with_credential("api_token_file: pipe"),
        "accounts[0].api_token_file: the secret file `pipe` cannot be read: it did not come to its end within 0.01 s",
    ),
    "large file": (
        with_credential("api_token_file: large"),
        "accounts[0].api_token_file: the secret file `large` cannot be read: it has more than 16384 bytes",
    ),
    "file below a file": (
        with_credential("api_token_file: token/x"),
        "accounts[0].api_token_file: the secret file `token/x` cannot be read: Not a directory",
    ),
    "link to itself": (
        with_credential("api_token_file: loop"),
        "accounts[0].api_token_file: the secret file `loop` cannot be read: Too many levels of symbolic links",
    ),
    "file name with a null byte": (
        with_credential('api_token_file: "to\\0ken"'),
        "accounts[0].api_token_file: the secret file cannot be read: this is not a path",
    ),
    "file name of two lines": (
        with_credential('api_token_file: "to\\nken"'),
        "accounts[0].api_token_file: the secret file cannot be read: No such file or directory",
    ),
    "empty file": (
        with_credential("api_token_file: empty"),
        "accounts[0].api_token_file: the secret is empty (file 'empty')",
    ),
    "file of spaces": (
        with_credential("api_token_file: blank"),
        "accounts[0].api_token_file: the secret is empty (file 'blank')",
    ),
    "binary file": (
        with_credential("api_token_file: binary"),
        "accounts[0].api_token_file: the secret file `binary` cannot be read: it is not text",
    ),
    "file with a space": (
        with_credential("api_token_file: spaces"),
        f"accounts[0].api_token_file: {HEADER_VALUE} (file 'spaces')",
    ),
    "file of two lines": (
        with_credential("api_key_file: lines", "api_email: me@example.com"),
        f"accounts[0].api_key_file: {HEADER_VALUE} (file 'lines')",
    ),
    "file not in ASCII": (
        with_credential("api_token_file: accent"),
        f"accounts[0].api_token_file: {HEADER_VALUE} (file 'accent')",
    ),
    "file with a null byte": (
        with_credential("api_token_file: 'null'"),
        f"accounts[0].api_token_file: {HEADER_VALUE} (file 'null')",
    ),
}

CONTRADICTIONS = {
    "account twice": (
        f"accounts:\n  - {{id: a, api_token: {SECRET}}}\n  - {{id: a, api_token_file: token}}\n",
        "accounts[1].id: the same account stands in the list twice; expected each id once",
    ),
    "policy test twice": (
        policy_tests("id: a", "id: a"),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'a'; expected each once",
    ),
    "label twice": (
        policy_tests("{id: a, name: wiki}", "id: c", "{id: b, name: wiki}"),
        "accounts[0].policy_tests[2]: another policy test of this account has the label 'wiki'; expected each once",
    ),
    "name that is another's id": (
        policy_tests("id: a", "{id: b, name: a}"),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'a'; expected each once",
    ),
    "label of two lines twice": (
        policy_tests('{id: a, name: "x\\ny"}', '{id: b, name: "x\\ny"}'),
        "accounts[0].policy_tests[1]: another policy test of this account has the label 'x\\ny'; expected each once",
    ),
    "neither id nor policies": (policy_tests("name: wiki"), f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}"),
    "id and policies": (
        policy_tests("{id: a, name: b, policies: [c]}"),
        f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}",
    ),
    "no policies": (policy_tests("{name: a, policies: []}"), f"accounts[0].policy_tests[0]: {ID_OR_POLICIES}"),
    "policies without name": (
        policy_tests("policies: [a]"),
        "accounts[0].policy_tests[0].name: required with policies, but missing",
    ),
    "refresh without policies": (
        policy_tests("{id: a, refresh: 24h}"),
        "accounts[0].policy_tests[0].refresh: goes with policies, not with id",
    ),
}

TOO_SHORT = ("9s", "9", "9.999", '"9"', '"5"', "0s", "500ms")  # for an interval, not for another duration
NO_DURATION = (
    *("0", "'0'", "-60", "-5m", "true", ".inf", "-.inf", ".nan", "'nan'", "''", "m", "1e3", "5M", "5 m"),
    *("1.5.2s", "366d", "1w", "9" * 400, "9" * 400 + "s", "0x" + "f" * 5000, "[60]", "{s: 60}", "2026-01-31", "ten"),
)


def refusal(content: str | bytes) -> str:
    """The message that refuses this content: one line, which never holds a secret."""
    with pytest.raises(ConfigError) as refused:
        load(content)
    message = str(refused.value)
    assert SECRET not in message
    assert message.isprintable()
    return message


def table(cases: Mapping[str, tuple[str | bytes, str]]) -> pytest.MarkDecorator:
    """The parameters `content` and `expected` of a test, named for people."""
    return pytest.mark.parametrize(("content", "expected"), cases.values(), ids=cases.keys())


class TestBadFiles:
    @table(NOT_YAML)
    def test_what_is_not_plain_yaml(self, content: str | bytes, expected: str) -> None:
        """What is not plain YAML with one mapping in it is refused by its line, without a word of what stands there."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(KEYS)
    def test_keys(self, content: str, expected: str) -> None:
        """A key that is unknown, stands twice or is missing is named, at every level."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(TYPES)
    def test_types(self, content: str, expected: str) -> None:
        """A value of another type is refused in the words of the file, not in those of a program."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(RANGES)
    def test_ranges(self, content: str, expected: str) -> None:
        """A value of the right type that cannot be meant is refused by its place and what was expected."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(VARIABLES)
    def test_variables(self, content: str, expected: str) -> None:
        """A variable that is unset, empty or not well written is refused by the place it is used in."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(SECRETS)
    def test_secrets(self, content: str, expected: str) -> None:
        """A secret that is missing, given twice or unusable is refused by its place and source, and never shown."""
        assert refusal(content) == f"config.yaml: {expected}"

    @table(CONTRADICTIONS)
    def test_contradictions(self, content: str, expected: str) -> None:
        """What the types cannot tell is refused as clearly: duplicates, and keys that do not go together."""
        assert refusal(content) == f"config.yaml: {expected}"

    @pytest.mark.parametrize("value", [*TOO_SHORT, *NO_DURATION])
    def test_intervals(self, value: str) -> None:
        """An interval under ten seconds, without end, or in no known form is refused wherever intervals stand."""
        assert refusal(users(f"interval: {value}")) == f"config.yaml: accounts[0].users.interval: {INTERVAL}"
        test = policy_tests(f"{{id: a, interval: {value}}}")
        assert refusal(test) == f"config.yaml: accounts[0].policy_tests[0].interval: {INTERVAL}"
        test = policy_tests(f"{{name: a, policies: [b], refresh: {value}}}")
        assert refusal(test) == f"config.yaml: accounts[0].policy_tests[0].refresh: {INTERVAL}"

    @pytest.mark.parametrize("value", NO_DURATION)
    def test_durations(self, value: str) -> None:
        """A duration that is nothing, without end, or in no known form is refused wherever durations stand."""
        assert refusal(api(f"timeout: {value}")) == f"config.yaml: api.timeout: {DURATION}"
        assert refusal(users(f"stale_after: {value}")) == f"config.yaml: accounts[0].users.stale_after: {DURATION}"

    def test_missing_file(self) -> None:
        """A file that is not there is named."""
        with pytest.raises(ConfigError) as refused:
            config.load("missing.yaml", ENVIRON)
        assert str(refused.value) == "missing.yaml: cannot be read: No such file or directory"

    def test_directory(self) -> None:
        """A directory in place of the file is named."""
        with pytest.raises(ConfigError) as refused:
            config.load("directory", ENVIRON)
        assert str(refused.value) == "directory: cannot be read: Is a directory"

    def test_named_pipe(self) -> None:
        """A pipe that nobody writes into keeps nothing waiting."""
        with pytest.raises(ConfigError) as refused:
            config.load("pipe", ENVIRON)
        assert str(refused.value) == "pipe: cannot be read: it did not come to its end within 0.01 s"

    def test_large_file(self, secret_files: Path) -> None:
        """Of a file that can be no configuration not all is read."""
        with (secret_files / "endless").open("wb") as file:
            file.truncate(1 << 40)
        with pytest.raises(ConfigError) as refused:
            config.load("endless", ENVIRON)
        assert str(refused.value) == "endless: cannot be read: it has more than 33554432 bytes"
