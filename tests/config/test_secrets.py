"""Error messages about a configuration do not repeat a secret, an e-mail address or a name in a wrong place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter import cli
from access_exporter.errors import named
from tests.planted import EMAIL, KEY, PASSWORD, PLANTED, SCRAPER, TOKEN

PEM = f"-----BEGIN PRIVATE KEY-----\n{PLANTED}/{KEY}\n-----END PRIVATE KEY-----\n"

ERRORS = {
    "a token in place of its file": f"accounts: [{{id: a, api_token_file: {TOKEN}}}]",
    "a key in place of its file": f"accounts: [{{id: a, api_email: {EMAIL}, api_key_file: {KEY}}}]",
    "a token in place of a variable name": f"accounts: [{{id: a, api_token: '${{{TOKEN}}}'}}]",
    "an e-mail in place of a variable name": f"accounts: [{{id: a, api_email: '${{{EMAIL}}}', api_key: x}}]",
    "an unclosed variable": f"accounts: [{{id: a, api_token: '${{{TOKEN}'}}]",
    "a token with a space": f"accounts: [{{id: a, api_token: '{TOKEN} {TOKEN}'}}]",
    "a token as a key": f"accounts: [{{id: a, {TOKEN}: x}}]",
    "a token as a duplicate key": f"accounts: [{{id: a, {TOKEN}: x, {TOKEN}: x}}]",
    "a token as a section": f"accounts: [{{id: a, api_token: x}}]\n{TOKEN}: {{}}",
    "an e-mail as a key": f"accounts: [{{id: a, {EMAIL}: x}}]",
    "a list of tokens": f"accounts: [{{id: a, api_token: [{TOKEN}]}}]",
    "a mapping of tokens": f"accounts: [{{id: a, api_token: {{{TOKEN}: {TOKEN}}}}}]",
    "a token as an alias": f"accounts: [{{id: a, api_token: *{TOKEN}}}]",
    "a token as a tag": f"accounts: [{{id: a, api_token: !{TOKEN} x}}]",
    "a token as a directive": f"%{TOKEN}",
    "no space before a token": f"accounts:\n  - id: a\n    api_token:{TOKEN}\n",
    "a token without a colon": f"accounts:\n  - id: a\n    {TOKEN}\n",
    "a token as an account": f"accounts: [{TOKEN}]",
    "a token as accounts": f"accounts: {TOKEN}",
    "a token as an id": f"accounts: [{{id: {TOKEN}, api_token: x}}]",
    "a token as an interval": f"accounts: [{{id: a, api_token: x, users: {{interval: {TOKEN}}}}}]",
    "a token as a number": f"accounts: [{{id: a, api_token: x, seat_limit: {TOKEN}}}]",
    "a token as users": f"accounts: [{{id: a, api_token: x, users: {TOKEN}}}]",
    "a token as policy tests": f"accounts: [{{id: a, api_token: x, policy_tests: {TOKEN}}}]",
    "an address with a password": f"api: {{url: 'https://{EMAIL}:{TOKEN}@a'}}\naccounts: [{{id: a, api_token: x}}]",
    "an address with a query": f"api: {{url: 'https://a?{TOKEN}'}}\naccounts: [{{id: a, api_token: x}}]",
    "a token as an address": f"api: {{url: {TOKEN}}}\naccounts: [{{id: a, api_token: x}}]",
    "one account twice": f"accounts: [{{id: a, api_token: {TOKEN}}}, {{id: a, api_token: {KEY}}}]",
    "only a token": TOKEN,
}
WEB_ERRORS = {
    "a password in place of its hash": f"basic_auth_users: {{{SCRAPER}: {PASSWORD}}}",
    "a list of passwords": f"basic_auth_users: {{{SCRAPER}: [{PASSWORD}]}}",
    "a password as a user": f"basic_auth_users: {{'{PASSWORD}': x}}",
    "a user twice": f"basic_auth_users: {{{SCRAPER}: x, {SCRAPER}: x}}",
    "an e-mail as a user": f"basic_auth_users: {{{EMAIL}: x}}",
    "a user as a section": f"basic_auth_users:\n{EMAIL}: {PASSWORD}",
    "a key in place of its file": f"tls_server_config: {{cert_file: x, key_file: {json.dumps(PEM)}}}",
    "a certificate in place of its file": f"tls_server_config: {{cert_file: {json.dumps(PEM)}, key_file: x}}",
    "a token as a TLS version": f"tls_server_config: {{cert_file: x, key_file: x, min_version: {TOKEN}}}",
    "a token as a client auth type": f"tls_server_config: {{cert_file: x, key_file: x, client_auth_type: {TOKEN}}}",
    "a token as a header": f"http_server_config: {{headers: {{{TOKEN}: x}}}}",
    "a token as a header value": f"http_server_config: {{headers: {{X-Frame-Options: '{TOKEN}é'}}}}",
    "only a password": PASSWORD,
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], own_logging: None) -> Callable[..., None]:
    """Return a check that a wrong configuration gives one line of error without a secret."""

    def check(*flags: str) -> None:
        assert cli.main(["--config.check", *flags]) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        assert PLANTED not in err

    return check


@pytest.mark.parametrize("name", ERRORS)
def test_errors(name: str, tmp_path: Path, refused: Callable[..., None]) -> None:
    """An error message about the configuration file does not repeat a value that may be a secret."""
    config = tmp_path / "config.yaml"
    config.write_text(ERRORS[name], encoding="utf-8")
    refused(f"--config.file={config}")


@pytest.mark.parametrize("name", WEB_ERRORS)
def test_web_errors(name: str, tmp_path: Path, refused: Callable[..., None]) -> None:
    """An error message about the web configuration does not repeat a value that may be a secret."""
    config, of_web = tmp_path / "config.yaml", tmp_path / "web.yaml"
    config.write_text("accounts: [{id: a, api_token: x}]", encoding="utf-8")
    of_web.write_text(WEB_ERRORS[name], encoding="utf-8")
    refused(f"--config.file={config}", f"--web.config.file={of_web}")


@pytest.mark.parametrize(
    "name",
    ["tokn", "/run/secrets/cloudflare-token", "token.txt", "prefer_server_cipher_suites", "PRODUCTION_API_TOKEN_2"],
)
def test_names_are_repeated(name: str) -> None:
    """An error message repeats a value that can only be a name or a path, because it helps to find the error."""
    assert named("the file", name) == f"the file `{name}`"


@pytest.mark.parametrize("secret", [TOKEN, KEY, EMAIL, PASSWORD, PEM, f"/run/{TOKEN}", f"{TOKEN}.txt", "", "\n", "é"])
def test_secrets_are_not_repeated(secret: str) -> None:
    """An error message repeats no value that may be a secret or personal data, or that could forge a log line."""
    assert named("the file", secret) == "the file"
