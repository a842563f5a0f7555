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
    """The secret of a file."""
    return Secret(f"file {path!r}", path=path)


def bearer(token: str) -> dict[str, str]:
    """The headers that carry a token."""
    return {"Authorization": f"Bearer {token}"}


class TestNothingIsShown:
    @pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, ascii], ids=lambda show: show.__name__)
    def test_by_what_holds_it(self, show: Callable[[object], str]) -> None:
        """However a secret and what holds it are written out, only its source is."""
        secret = Secret("configuration file", SECRET)
        email = Secret("environment variable EMAIL", EMAIL)
        account = Account(id="example", api_key=secret, api_email=email)
        assert show(secret) == "Secret('configuration file')"
        for holder in (account, Config(accounts=(account,)), Credential("example", email, secret), [secret], (email,)):
            shown = show(holder)
            assert SECRET not in shown
            assert EMAIL not in shown

    def test_by_the_plan(self) -> None:
        """The plan tells where secrets come from, not what they are."""
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
    def test_by_a_traceback(self, lines: list[str]) -> None:
        """A mistake about a secret can be logged with its whole traceback, and with every error it came from."""
        content = with_credential(*lines)
        with pytest.raises(ConfigError) as refused:
            load(content)
        assert SECRET not in "".join(traceback.format_exception(refused.value))
        assert SECRET not in repr(refused.value)


class TestSecret:
    @pytest.mark.parametrize("value", [SECRET, f" {SECRET}\n", f"\t{SECRET}\r\n"])
    def test_white_space_around_it(self, value: str) -> None:
        """White space around a secret is never part of it."""
        assert Secret("here", value).read() == SECRET

    @pytest.mark.parametrize("value", ["", " \n", None])
    def test_empty(self, value: str | None) -> None:
        """An empty secret is refused by its source."""
        with pytest.raises(ConfigError, match=r"^the secret is empty \(here\)$"):
            Secret("here", value).read()

    @pytest.mark.parametrize("inside", [" ", "\n", "\r\n", "\0", "\x7f", "\x80", "é", "\ud800", "\N{ROCKET}", "\xa0"])
    def test_what_cannot_stand_in_a_header(self, inside: str) -> None:
        """A secret that no HTTP header can hold is refused before a library does it and shows it."""
        with pytest.raises(ConfigError) as refused:
            Secret("here", f"{SECRET}{inside}{SECRET}").read()
        assert str(refused.value) == "expected a secret of printable ASCII characters without spaces (here)"

    def test_identity(self) -> None:
        """Secrets are the same where source and value are, so that a reload knows what it has already."""
        secret = Secret("here", SECRET)
        assert secret == Secret("here", SECRET)
        assert hash(secret) == hash(Secret("here", SECRET))
        for other in (Secret("there", SECRET), Secret("here", "other"), Secret("here", path=SECRET), SECRET):
            assert secret != other

    def test_file_is_read_each_time(self) -> None:
        """A secret file is read when the secret is asked for, not before."""
        secret = from_file("rotated")
        Path("rotated").write_text("one\n", encoding="utf-8")
        assert secret.read() == "one"
        Path("rotated").write_text("two\n", encoding="utf-8")
        assert secret.read() == "two"


class TestCredential:
    def test_token(self) -> None:
        """A token is a bearer."""
        assert Credential("example", None, from_file("token")).headers() == bearer(SECRET)

    def test_key(self) -> None:
        """A key goes with its e-mail."""
        credential = Credential("example", Secret("here", EMAIL), from_file("token"))
        assert credential.headers() == {"X-Auth-Email": EMAIL, "X-Auth-Key": SECRET}

    def test_unusable(self) -> None:
        """There is no credential without a secret."""
        with pytest.raises(ConfigError, match=r"^the secret is empty \(file 'empty'\)$"):
            Credential("example", None, from_file("empty"))

    def test_rotation(self) -> None:
        """After a refusal the file is read again, and its new content is used from then on."""
        credential = Credential("example", None, from_file("token"))
        refused = credential.headers()
        Path("token").write_text("new", encoding="utf-8")
        assert credential.headers() == bearer(SECRET)
        assert credential.renewed(refused)
        assert credential.headers() == bearer("new")

    def test_no_rotation(self) -> None:
        """A refused secret that is still the same is not worth another try."""
        credential = Credential("example", None, from_file("token"))
        assert not credential.renewed(credential.headers())
        assert not credential.renewed(bearer(SECRET))

    def test_a_secret_without_file(self) -> None:
        """A refused secret that has no file is not worth another try."""
        credential = Credential("example", None, Secret("here", SECRET))
        assert not credential.renewed(bearer(SECRET))

    def test_rotation_seen_by_another_request(self) -> None:
        """A request refused with the old secret is tried again when another has renewed it in the meantime."""
        credential = Credential("example", None, from_file("token"))
        refused = credential.headers()
        Path("token").write_text("new", encoding="utf-8")
        assert credential.renewed(refused)
        assert credential.renewed(refused)
        assert not credential.renewed(credential.headers())

    @pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe\0", b"two words", b"two\nlines", "é".encode(), None])
    def test_rotation_to_garbage(self, content: bytes | None) -> None:
        """A file that is empty, broken or gone in the middle of a rotation leaves the old secret in use."""
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
