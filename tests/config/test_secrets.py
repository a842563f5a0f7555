"""A secret, an e-mail or a name that is written where it does not belong is not repeated by the line that says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter import cli
from access_exporter.errors import named
from tests.planted import EMAIL, KEY, PASSWORD, PLANTED, SCRAPER, TOKEN

PEM = f"-----BEGIN PRIVATE KEY-----\n{PLANTED}/{KEY}\n-----END PRIVATE KEY-----\n"

MISTAKES = {
    "a token for its file": f"accounts: [{{id: a, api_token_file: {TOKEN}}}]",
    "a key for its file": f"accounts: [{{id: a, api_email: {EMAIL}, api_key_file: {KEY}}}]",
    "a token for its variable": f"accounts: [{{id: a, api_token: '${{{TOKEN}}}'}}]",
    "an e-mail for its variable": f"accounts: [{{id: a, api_email: '${{{EMAIL}}}', api_key: x}}]",
    "half a variable": f"accounts: [{{id: a, api_token: '${{{TOKEN}'}}]",
    "two words": f"accounts: [{{id: a, api_token: '{TOKEN} {TOKEN}'}}]",
    "a token for a key": f"accounts: [{{id: a, {TOKEN}: x}}]",
    "a token for a key, twice": f"accounts: [{{id: a, {TOKEN}: x, {TOKEN}: x}}]",
    "a token for a section": f"accounts: [{{id: a, api_token: x}}]\n{TOKEN}: {{}}",
    "an e-mail for a key": f"accounts: [{{id: a, {EMAIL}: x}}]",
    "a list": f"accounts: [{{id: a, api_token: [{TOKEN}]}}]",
    "a mapping": f"accounts: [{{id: a, api_token: {{{TOKEN}: {TOKEN}}}}}]",
    "an alias": f"accounts: [{{id: a, api_token: *{TOKEN}}}]",
    "a tag": f"accounts: [{{id: a, api_token: !{TOKEN} x}}]",
    "a directive": f"%{TOKEN}",
    "no space": f"accounts:\n  - id: a\n    api_token:{TOKEN}\n",
    "no colon": f"accounts:\n  - id: a\n    {TOKEN}\n",
    "an account": f"accounts: [{TOKEN}]",
    "accounts": f"accounts: {TOKEN}",
    "an id": f"accounts: [{{id: {TOKEN}, api_token: x}}]",
    "an interval": f"accounts: [{{id: a, api_token: x, users: {{interval: {TOKEN}}}}}]",
    "a number": f"accounts: [{{id: a, api_token: x, seat_limit: {TOKEN}}}]",
    "users": f"accounts: [{{id: a, api_token: x, users: {TOKEN}}}]",
    "policy tests": f"accounts: [{{id: a, api_token: x, policy_tests: {TOKEN}}}]",
    "an address with a password": f"api: {{url: 'https://{EMAIL}:{TOKEN}@a'}}\naccounts: [{{id: a, api_token: x}}]",
    "an address with a query": f"api: {{url: 'https://a?{TOKEN}'}}\naccounts: [{{id: a, api_token: x}}]",
    "an address that is none": f"api: {{url: {TOKEN}}}\naccounts: [{{id: a, api_token: x}}]",
    "one account twice": f"accounts: [{{id: a, api_token: {TOKEN}}}, {{id: a, api_token: {KEY}}}]",
    "nothing but a token": TOKEN,
}
WEB_MISTAKES = {
    "a password for its hash": f"basic_auth_users: {{{SCRAPER}: {PASSWORD}}}",
    "a list of passwords": f"basic_auth_users: {{{SCRAPER}: [{PASSWORD}]}}",
    "a password for a user": f"basic_auth_users: {{'{PASSWORD}': x}}",
    "a user twice": f"basic_auth_users: {{{SCRAPER}: x, {SCRAPER}: x}}",
    "an e-mail for a user": f"basic_auth_users: {{{EMAIL}: x}}",
    "a user for a section": f"basic_auth_users:\n{EMAIL}: {PASSWORD}",
    "a key for its file": f"tls_server_config: {{cert_file: x, key_file: {json.dumps(PEM)}}}",
    "a certificate for its file": f"tls_server_config: {{cert_file: {json.dumps(PEM)}, key_file: x}}",
    "a version": f"tls_server_config: {{cert_file: x, key_file: x, min_version: {TOKEN}}}",
    "a kind of client": f"tls_server_config: {{cert_file: x, key_file: x, client_auth_type: {TOKEN}}}",
    "a header": f"http_server_config: {{headers: {{{TOKEN}: x}}}}",
    "the value of a header": f"http_server_config: {{headers: {{X-Frame-Options: '{TOKEN}é'}}}}",
    "nothing but a password": PASSWORD,
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], own_logging: None) -> Callable[..., None]:
    """Checks a configuration that has a mistake, and that the one line about it repeats nothing."""

    def check(*flags: str) -> None:
        assert cli.main(["--config.check", *flags]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert PLANTED not in err

    return check


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name: str, tmp_path: Path, refused: Callable[..., None]) -> None:
    """The line about a mistake in the configuration repeats nothing that may be a secret."""
    config = tmp_path / "config.yaml"
    config.write_text(MISTAKES[name], encoding="utf-8")
    refused(f"--config.file={config}")


@pytest.mark.parametrize("name", WEB_MISTAKES)
def test_web_mistakes(name: str, tmp_path: Path, refused: Callable[..., None]) -> None:
    """Nor does the line about a mistake in the web configuration."""
    config, of_web = tmp_path / "config.yaml", tmp_path / "web.yaml"
    config.write_text("accounts: [{id: a, api_token: x}]", encoding="utf-8")
    of_web.write_text(WEB_MISTAKES[name], encoding="utf-8")
    refused(f"--config.file={config}", f"--web.config.file={of_web}")


@pytest.mark.parametrize(
    "name",
    ["tokn", "/run/secrets/cloudflare-token", "token.txt", "prefer_server_cipher_suites", "PRODUCTION_API_TOKEN_2"],
)
def test_names_are_repeated(name: str) -> None:
    """What can only be a name or a path is repeated, since it helps."""
    assert named("the file", name) == f"the file `{name}`"


@pytest.mark.parametrize("secret", [TOKEN, KEY, EMAIL, PASSWORD, PEM, f"/run/{TOKEN}", f"{TOKEN}.txt", "", "\n", "é"])
def test_secrets_are_not_repeated(secret: str) -> None:
    """What could be a secret or a person is not, nor what could forge a line."""
    assert named("the file", secret) == "the file"
