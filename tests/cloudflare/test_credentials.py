"""Secrets and credentials: where they come from, how they are sent, and that no output shows them."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter.cloudflare.credentials import Credential, is_repeated
from access_exporter.commands import check
from access_exporter.config.model import Account, Config
from access_exporter.config.secrets import Secret
from access_exporter.errors import ConfigError
from tests.config_files import SECRET, load, with_credential
from tests.planted import TOKEN

EMAIL = "me@example.com"

pytestmark = pytest.mark.usefixtures("secret_files")


def from_file(path: str) -> Secret:
    """Return the secret of a file."""
    return Secret(f"file {path!r}", path=path)


def bearer(token: str) -> dict[str, str]:
    """Return the header for a token."""
    return {"Authorization": f"Bearer {token}"}


class TestSecretsAreHidden:
    @pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, ascii], ids=lambda show: show.__name__)
    def test_text_form(self, show: Callable[[object], str]) -> None:
        """When a secret, or an object with a secret, is printed, only the source of the secret appears."""
        secret = Secret("configuration file", SECRET)
        email = Secret("environment variable EMAIL", EMAIL)
        account = Account(id="example", api_key=secret, api_email=email)
        assert show(secret) == "Secret('configuration file')"
        for holder in (account, Config(accounts=(account,)), Credential("example", email, secret), [secret], (email,)):
            shown = show(holder)
            assert SECRET not in shown
            assert EMAIL not in shown

    def test_configuration_check(self) -> None:
        """The configuration check shows the source of each secret, not its value."""
        config = load(with_credential("api_key: ${CLOUDFLARE_API_TOKEN}", f"api_email: {EMAIL}"))
        assert list(check.lines(config))[2:5] == [
            "account 'example'",
            "  API key: from environment variable CLOUDFLARE_API_TOKEN",
            "  e-mail: from configuration file",
        ]

    @pytest.mark.parametrize(
        "lines",
        [
            [f"api_token: {SECRET}", "api_token_file: token"],
            [f"api_token: {SECRET}", f"api_token: {SECRET}"],
            [f"api_token: {SECRET} {SECRET}"],
            [f"api_token: {SECRET}é"],
            [f'api_token: "{SECRET}\\ud800"'],
            [f"api_token: [{SECRET}]"],
            [f"api_token: {{{SECRET}: {SECRET}}}"],
            [f"api_token: *{SECRET}"],
            [f"api_token: !{SECRET} x"],
            [f"api_token: !!int {SECRET}"],
            [f"api_token: ${{{SECRET}"],
            [f"api_token: {SECRET}: {SECRET}"],
            [f"api_key: {SECRET}"],
            ["api_token: ${SPACES}"],
            ["api_token_file: spaces"],
            ["api_token_file: lines"],
            ["api_token_file: binary"],
            ["api_token_file: accent"],
            ["api_key_file: 'null'", f"api_email: {EMAIL}"],
        ],
        ids=" ".join,
    )
    def test_traceback(self, lines: list[str]) -> None:
        """The traceback of a configuration error never contains the secret."""
        content = with_credential(*lines)
        with pytest.raises(ConfigError) as refused:
            load(content)
        assert SECRET not in "".join(traceback.format_exception(refused.value))
        assert SECRET not in repr(refused.value)


class TestSecret:
    @pytest.mark.parametrize("value", [SECRET, f" {SECRET}\n", f"\t{SECRET}\r\n"])
    def test_white_space_around_a_secret(self, value: str) -> None:
        """The exporter removes white space before and after a secret."""
        assert Secret("here", value).read() == SECRET

    @pytest.mark.parametrize("value", ["", " \n", None])
    def test_empty(self, value: str | None) -> None:
        """The exporter rejects an empty secret, and the error names the source."""
        with pytest.raises(ConfigError, match=r"^the secret is empty \(here\)$"):
            Secret("here", value).read()

    @pytest.mark.parametrize("inside", [" ", "\n", "\r\n", "\0", "\x7f", "\x80", "é", "\ud800", "\N{ROCKET}", "\xa0"])
    def test_invalid_characters(self, inside: str) -> None:
        """The exporter rejects a secret that an HTTP header cannot contain, and does not show the secret."""
        with pytest.raises(ConfigError) as refused:
            Secret("here", f"{SECRET}{inside}{SECRET}").read()
        assert str(refused.value) == "expected a secret of printable ASCII characters without spaces (here)"

    def test_equality(self) -> None:
        """Two secrets are equal if source and value are equal, so that a reload recognizes unchanged secrets."""
        secret = Secret("here", SECRET)
        assert secret == Secret("here", SECRET)
        assert hash(secret) == hash(Secret("here", SECRET))
        for other in (Secret("there", SECRET), Secret("here", "other"), Secret("here", path=SECRET), SECRET):
            assert secret != other

    def test_file_is_read_each_time(self) -> None:
        """The exporter reads a secret file each time it needs the secret."""
        secret = from_file("rotated")
        Path("rotated").write_text("one\n", encoding="utf-8")
        assert secret.read() == "one"
        Path("rotated").write_text("two\n", encoding="utf-8")
        assert secret.read() == "two"


class TestCredential:
    def test_token(self) -> None:
        """The exporter sends a token as a bearer token."""
        assert Credential("example", None, from_file("token")).headers() == bearer(SECRET)

    def test_key(self) -> None:
        """The exporter sends a global key together with its e-mail address."""
        credential = Credential("example", Secret("here", EMAIL), from_file("token"))
        assert credential.headers() == {"X-Auth-Email": EMAIL, "X-Auth-Key": SECRET}

    def test_empty_file(self) -> None:
        """A credential with an empty secret file is an error."""
        with pytest.raises(ConfigError, match=r"^the secret is empty \(file 'empty'\)$"):
            Credential("example", None, from_file("empty"))

    def test_rotation(self) -> None:
        """After a refusal, the exporter reads the secret file again and uses the new secret."""
        credential = Credential("example", None, from_file("token"))
        refused = credential.headers()
        Path("token").write_text("new", encoding="utf-8")
        assert credential.headers() == bearer(SECRET)
        assert credential.renewed(refused)
        assert credential.headers() == bearer("new")

    def test_no_rotation(self) -> None:
        """If the secret is unchanged after a refusal, the exporter does not retry."""
        credential = Credential("example", None, from_file("token"))
        assert not credential.renewed(credential.headers())
        assert not credential.renewed(bearer(SECRET))

    def test_a_secret_without_file(self) -> None:
        """If a refused secret does not come from a file, the exporter does not retry."""
        credential = Credential("example", None, Secret("here", SECRET))
        assert not credential.renewed(bearer(SECRET))

    def test_rotation_seen_by_another_request(self) -> None:
        """A request with the old secret is retried if another request has already read the new secret."""
        credential = Credential("example", None, from_file("token"))
        refused = credential.headers()
        Path("token").write_text("new", encoding="utf-8")
        assert credential.renewed(refused)
        assert credential.renewed(refused)
        assert not credential.renewed(credential.headers())

    @pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\0", b"two words", b"two\nlines", "é".encode(), None])
    def test_rotation_to_an_invalid_file(self, content: bytes | None) -> None:
        """If the secret file becomes empty, invalid or missing, the exporter keeps the old secret."""
        credential = Credential("example", None, from_file("token"))
        if content is None:
            Path("token").unlink()
        else:
            Path("token").write_bytes(content)
        for read in (credential.refresh, lambda: credential.renewed(bearer(SECRET))):
            with pytest.raises(ConfigError):
                read()
        assert credential.headers() == bearer(SECRET)
        Path("token").write_text("new", encoding="utf-8")
        assert credential.renewed(bearer(SECRET))
        assert credential.headers() == bearer("new")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'{{"name": "{TOKEN}"}}', True),
        (f'{{"name": "of {TOKEN.upper()}, old"}}', True),
        (f'{{"name": "\\u00{ord(TOKEN[0]):x}{TOKEN[1:]}"}}', True),
        (f'{{"name": "{TOKEN[:12]}"}}', False),
        ('{"name": "\\u00e9\\u0026\\u4e2d"}', False),
    ],
)
def test_a_response_with_the_secret(body: str, expected: bool) -> None:
    """A response that repeats the secret is found, in capitals and escapes, too."""
    assert is_repeated(bearer(TOKEN), body.encode()) is expected
