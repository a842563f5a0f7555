import pytest

from tests.config.refusals import refusal, table
from tests.config_files import SECRET, account, only_account, with_credential

pytestmark = pytest.mark.usefixtures("secret_files")


class TestGoodFiles:
    @pytest.mark.parametrize(
        ("lines", "source", "kept"),
        [
            (["api_token: s3cr3t"], "configuration file", SECRET),
            (["api_token: ' s3cr3t '"], "configuration file", SECRET),
            (["api_token: ${CLOUDFLARE_API_TOKEN}"], "environment variable CLOUDFLARE_API_TOKEN", SECRET),
            (["api_token: ${FIRST}${SECOND}"], "environment variable FIRST and SECOND", "leftright"),
            (["api_token_file: token"], "file 'token'", SECRET),
            (["api_key: s3cr3t", "api_email: me@example.com"], "configuration file", SECRET),
            (["api_key_file: token", "api_email: me@example.com"], "file 'token'", SECRET),
        ],
    )
    def test_secrets(self, lines: list[str], source: str, kept: str) -> None:
        """A secret comes from the configuration file, a variable or its own file, without the white space around it."""
        secret = only_account(with_credential(*lines)).secret
        assert (secret.source, secret.read()) == (source, kept)


ONE_SECRET = "expected one of api_token, api_token_file, or api_email with api_key or api_key_file"
HEADER_VALUE = "expected a secret of printable ASCII characters without spaces"

SECRETS = {
    "no secret": (with_credential("name: x"), f"accounts[0]: {ONE_SECRET}; got none"),
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
        "accounts[0].api_email: allowed with api_key or api_key_file only, not with api_token",
    ),
    "e-mail with token file": (
        with_credential("api_token_file: token", "api_email: me@example.com"),
        "accounts[0].api_email: allowed with api_key or api_key_file only, not with api_token_file",
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
    "token in curly quotes": (
        with_credential(f"api_token: “{SECRET}”"),
        "accounts[0].api_token: expected a secret without quotes around it (configuration file)",
    ),
    "token with half a quote": (
        with_credential(f"api_token: {SECRET}’"),
        "accounts[0].api_token: expected a secret without quotes around it (configuration file)",
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
        "accounts[0].api_token_file: expected a string with a length of at least 1",
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
        "accounts[0].api_token_file: the secret file `pipe` cannot be read: reading it did not finish within 0.01 s",
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
        "accounts[0].api_token_file: the secret file cannot be read: it is not a path",
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


class TestBadFiles:
    @table(SECRETS)
    def test_secrets(self, content: str, expected: str) -> None:
        """If a secret is missing, given twice or invalid, the error message names its place and source only."""
        assert refusal(content) == f"config.yaml: {expected}"
