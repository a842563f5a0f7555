"""`--web.config.file`: what is refused and in which words, and what happens when its files change."""

import errno
import logging
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from access_exporter import cli
from access_exporter.config import files
from access_exporter.errors import ConfigError
from access_exporter.serving import web_config
from access_exporter.serving.web_config import WebConfig, WebSettings
from tests.certificates import Authority, openssl
from tests.processes import ROOT

HASH = "$2b$04$bY1.PFgqoDWgcdi9pvXDTOs1ABTRPNl.vBS5sr2kJ3W6u4TJ1AoCW"  # of "pw"
TOP = "expected one of tls_server_config, http_server_config, basic_auth_users"
TLS = "expected one of cert_file, key_file, client_ca_file, client_auth_type, min_version, max_version"
HEADERS = (
    "expected one of Content-Security-Policy, Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, "
    "X-XSS-Protection"
)
PEM = "tls_server_config.cert_file: expected the certificate in PEM, and in key_file its key in PEM without a password"
BCRYPT = "basic_auth_users: expected a bcrypt hash for user 1, such as `htpasswd -nBC 10 ''` prints"


def tls(more: str = "", *, cert: str = "server.pem", key: str = "server.key") -> str:
    return f"tls_server_config: {{cert_file: {cert}, key_file: {key}{', ' * bool(more)}{more}}}\n"


MISTAKES = [
    # What is no such file.
    ("- a\n", "expected a mapping with the keys tls_server_config, http_server_config, basic_auth_users"),
    ("tls_server_config: [\n", "line 2: expected valid YAML: expected the node content, but found '<stream end>'"),
    ("a: b\0", "line 1: expected no control character, got U+0000"),
    ("basic_auth_users: {alice: a, alice: b}", "line 1: this key stands there twice"),
    ("basic_auth_users: {a b: c}", "line 1: expected a key that is a plain word, such as `users`"),
    ("!!python/name:os.system x", "line 1: expected no tag (`!name`); put a string that begins with ! or = in quotes"),
    ("[" * 1500, "line 1: expected less nesting"),
    ("tls_server_config: 3", "tls_server_config: expected a mapping, got a whole number"),
    # What the exporter-toolkit has and this has not.
    ("rate_limit: {interval: 1s}", f"unknown key `rate_limit`; {TOP}"),
    ("http_server_config: {http2: true}", "http_server_config: unknown key `http2`; expected one of headers"),
    *(
        (tls(f"{key}: x"), f"tls_server_config: unknown key `{key}`; {TLS}")
        for key in (
            "cert",
            "key",
            "client_ca",
            "cipher_suites",
            "curve_preferences",
            "prefer_server_cipher_suites",
            "client_allowed_sans",
        )
    ),
    *(
        (
            tls(f"{key}: {value}"),
            f"tls_server_config.{key}: the value `{value}` is not supported; expected one of TLS12, TLS13",
        )
        for key in ("min_version", "max_version")
        for value in ("TLS10", "TLS11", "SSLv3")
    ),
    *(
        (
            tls(f"client_auth_type: {value}, client_ca_file: authority.pem"),
            f"tls_server_config.client_auth_type: the value `{value}` is not supported; "
            "expected one of NoClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert",
        )
        for value in ("RequestClientCert", "RequireAnyClientCert")
    ),
    # What does not fit together.
    ("tls_server_config: {}", "tls_server_config.cert_file: required, but missing"),
    ("tls_server_config: {cert_file: server.pem}", "tls_server_config.key_file: required, but missing"),
    ("tls_server_config: {cert_file: server.pem, key_file: }", "tls_server_config.key_file: required, but missing"),
    (
        tls("min_version: 1.2"),
        "tls_server_config.min_version: expected a string, got a number; put the value in quotes",
    ),
    (
        tls("min_version: TLS13, max_version: TLS12"),
        "tls_server_config.max_version: expected not to be below min_version",
    ),
    *(
        (
            tls(f"client_auth_type: {value}"),
            f"tls_server_config.client_ca_file: required with {value}, but missing",
        )
        for value in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    ),
    (
        tls("client_ca_file: authority.pem"),
        "tls_server_config.client_auth_type: required with client_ca_file, but missing",
    ),
    # Files that are not what they should be.
    (
        tls(cert="missing.pem"),
        "tls_server_config.cert_file: the file `missing.pem` cannot be read: No such file or directory",
    ),
    (tls(key="."), "tls_server_config.key_file: the file `.` cannot be read: Is a directory"),
    (tls(cert="pipe"), "tls_server_config.cert_file: the file `pipe` cannot be read: it is not a file"),
    (
        tls("client_ca_file: pipe, client_auth_type: VerifyClientCertIfGiven"),
        "tls_server_config.client_ca_file: the file `pipe` cannot be read: it is not a file",
    ),
    (tls(key='"a\\0b"'), r"tls_server_config.key_file: the file cannot be read: this is not a path"),
    (tls(key='"a\\ud800"'), r"tls_server_config.key_file: the file cannot be read: this is not a path"),
    (tls(cert="server.key"), PEM),
    (tls(cert="empty"), PEM),
    (tls(key="other.key"), PEM),
    (tls(key="encrypted.key"), PEM),
    (
        tls("client_ca_file: server.key, client_auth_type: VerifyClientCertIfGiven"),
        "tls_server_config.client_ca_file: expected certificates in PEM",
    ),
    (
        tls("client_ca_file: missing.pem, client_auth_type: VerifyClientCertIfGiven"),
        "tls_server_config.client_ca_file: the file `missing.pem` cannot be read: No such file or directory",
    ),
    # Users and headers.
    ("basic_auth_users: [alice]", "basic_auth_users: expected a mapping, got a list"),
    ("basic_auth_users: {alice: }", "basic_auth_users[...]: expected a string, got nothing"),
    ("basic_auth_users: {alice: secret}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH[:-1]}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$2b', '$2x')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$04', '$03')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('$04', '$32')}}}", BCRYPT),
    (f"basic_auth_users: {{alice: {HASH.replace('XDTO', 'XDTA')}}}", BCRYPT),  # no 128 bits end like that
    (
        "http_server_config: {headers: {Server: x}}",
        f"http_server_config.headers: the header `Server` is not supported; {HEADERS}",
    ),
    (
        'http_server_config: {headers: {X-Frame-Options: "DENY\\r\\nX: y"}}',
        "http_server_config.headers.X-Frame-Options: expected printable ASCII characters, and no space at either end",
    ),
    (
        "http_server_config: {headers: {X-Frame-Options: 'DENY '}}",
        "http_server_config.headers.X-Frame-Options: expected printable ASCII characters, and no space at either end",
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, good ones and others, and a configuration that polls nothing."""
    folder = tmp_path_factory.mktemp("web")
    authority = Authority(folder)
    authority.issue("server")
    authority.issue("other")
    openssl("ec", "-in", f"{folder}/server.key", "-aes128", "-passout", "pass:x", "-out", f"{folder}/encrypted.key")
    (folder / "empty").write_bytes(b"")
    os.mkfifo(folder / "pipe")
    (folder / "config.yaml").write_text("accounts: [{id: a, api_token: t, users: false}]\n", encoding="utf-8")
    return folder


@pytest.fixture
def check(folder: Path, capsys: pytest.CaptureFixture[str], own_logging: None) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process on a web configuration of this content."""

    def check(content: str, *flags: str) -> tuple[int, str, str]:
        (folder / "web.yaml").write_text(content, encoding="utf-8")
        files = f"--config.file={folder}/config.yaml", f"--web.config.file={folder}/web.yaml"
        code = cli.main([*files, "--web.listen-address=127.0.0.1:0", "--log.level=error", *flags])
        return code, *capsys.readouterr()

    return check


class TestMistakes:
    @pytest.mark.parametrize(("content", "expected"), MISTAKES)
    def test_words(self, check: Callable[..., tuple[int, str, str]], folder: Path, content: str, expected: str) -> None:
        """A mistake is one line on standard error and exit code 1, when starting and when checking."""
        line = f"cloudflare-access-exporter: {folder}/web.yaml: {expected}\n"
        assert check(content, "--config.check") == (1, "", line)
        assert check(content) == (1, "", line)

    def test_as_a_process(self, folder: Path) -> None:
        """The real command asks nobody for the password of a key, though there is a terminal to ask at."""
        web = folder / "encrypted.yaml"
        web.write_text(tls(key="encrypted.key"), encoding="utf-8")
        command = (
            f"{sys.executable} exporter.py --config.check --config.file={folder}/config.yaml --web.config.file={web}"
        )
        ended = subprocess.run(
            ["script", "--quiet", "--return", "--command", command, "/dev/null"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stdout) == (1, f"cloudflare-access-exporter: {web}: {PEM}\n")

    def test_missing(self, folder: Path, capsys: pytest.CaptureFixture[str], own_logging: None) -> None:
        """A file that is not there is one line and exit code 1."""
        assert cli.main([f"--config.file={folder}/config.yaml", "--web.config.file=/nowhere/web.yaml"]) == 1
        expected = "cloudflare-access-exporter: /nowhere/web.yaml: cannot be read: No such file or directory"
        assert capsys.readouterr().err.splitlines() == [expected]


class TestCheck:
    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("", "no TLS, no basic auth, no headers"),
            ("tls_server_config:\nbasic_auth_users: {}\n", "no TLS, no basic auth, no headers"),
            (tls(), "TLS12 to TLS13 with NoClientCert, no basic auth, no headers"),
            (
                tls("min_version: TLS13, client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert")
                + f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}\n"
                "http_server_config: {headers: {X-Frame-Options: DENY, X-XSS-Protection: ''}}\n",
                "TLS13 to TLS13 with RequireAndVerifyClientCert, basic auth for 2 users, "
                "headers X-Frame-Options and X-XSS-Protection",
            ),
            (
                tls("min_version: , client_ca_file: ") + "http_server_config: {headers: }\n",
                "TLS12 to TLS13 with NoClientCert, no basic auth, no headers",
            ),
        ],
    )
    def test_plan(self, check: Callable[..., tuple[int, str, str]], content: str, expected: str) -> None:
        """A good file is checked with its certificates, and put in words without a hash."""
        code, out, err = check(content, "--config.check")
        assert (code, err) == (0, "")
        assert f"web: {expected}" in out.splitlines()

    @pytest.mark.parametrize("flags", [[], ["--web.config.file="]])
    def test_without(
        self, folder: Path, flags: list[str], capsys: pytest.CaptureFixture[str], own_logging: None
    ) -> None:
        """Without a file, or with an empty name for it, nothing is said of it."""
        assert cli.main(["--config.check", f"--config.file={folder}/config.yaml", *flags]) == 0
        assert "web:" not in capsys.readouterr().out


def fails(number: int) -> Callable[..., bytes]:
    """What reads a file, and fails with this error."""

    def read(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return read


def with_a_header_since(folder: Path) -> tuple[Path, WebSettings]:
    """A file that asks for a header since it was read, and the settings as they were read."""
    web = folder / "web.yaml"
    web.write_text("", encoding="utf-8")
    settings = WebSettings(str(web))
    web.write_text("http_server_config: {headers: {X-Frame-Options: DENY}}", encoding="utf-8")
    return web, settings


class TestChanges:
    def test_file_that_comes_later(self, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A certificate that was missing is used as soon as it is there, without a change of the configuration."""
        web = tmp_path / "web.yaml"
        web.write_text("", encoding="utf-8")
        settings = WebSettings(str(web))
        web.write_text(tls(), encoding="utf-8")
        settings.refresh()
        settings.refresh()
        assert (settings.context, len(caplog.records)) == (None, 1)
        for name in ("server.pem", "server.key"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        settings.refresh()
        assert settings.context is not None

    def test_change_while_it_is_read(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A certificate that is replaced in the very moment it is read is read again."""
        caplog.set_level(logging.INFO)
        for name in ("server.pem", "server.key"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        web = tmp_path / "web.yaml"
        web.write_text(tls(), encoding="utf-8")
        load = ssl.SSLContext.load_cert_chain

        def load_and_replace(context: ssl.SSLContext, *files: Any, **options: Any) -> None:
            load(context, *files, **options)
            for name in ("pem", "key"):
                (tmp_path / f"server.{name}").write_bytes((folder / f"other.{name}").read_bytes())

        monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load_and_replace)
        settings = WebSettings(str(web))
        monkeypatch.undo()
        before = settings.context
        settings.refresh()
        assert settings.context is not before
        settings.refresh()
        assert [record.message for record in caplog.records] == ["web configuration reloaded"]

    def test_renewed_beside_a_mistake(self, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A mistake in the configuration keeps no renewed certificate from being used, and is told once."""
        for name in ("server.pem", "server.key"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
        web = tmp_path / "web.yaml"
        web.write_text(tls(), encoding="utf-8")
        settings = WebSettings(str(web))
        web.write_text(tls("planted: 1"), encoding="utf-8")
        settings.refresh()
        before = settings.context
        for name in ("pem", "key"):
            (tmp_path / f"server.{name}").write_bytes((folder / f"other.{name}").read_bytes())
        settings.refresh()
        assert settings.context is not before
        assert len(caplog.records) == 1

    def test_a_named_pipe(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A named pipe in the place of the file is not opened: whoever asks for a page would wait for it."""
        web = tmp_path / "web.yaml"
        web.write_text("http_server_config: {headers: {X-Frame-Options: DENY}}", encoding="utf-8")
        settings = WebSettings(str(web))
        web.unlink()
        os.mkfifo(web)
        settings.refresh()
        assert settings.headers == {"X-Frame-Options": "DENY"}
        (record,) = caplog.records
        assert str(record.facts["error"]) == f"{web}: cannot be read: it is not a file"  # type: ignore[attr-defined]

    def test_other_permissions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that could not be read is read again when its permissions change."""
        web, settings = with_a_header_since(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "check", fails(errno.EACCES))
            settings.refresh()
        settings.refresh()
        assert settings.headers == {}
        web.chmod(0o600)
        settings.refresh()
        assert settings.headers == {"X-Frame-Options": "DENY"}

    def test_tried_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """What could not be read for want of files is tried again soon, and told once."""
        monkeypatch.setattr(web_config, "TRY_AGAIN_SECONDS", 0)
        _, settings = with_a_header_since(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "read", fails(errno.EMFILE))
            settings.refresh()
            settings.refresh()
        assert len(caplog.records) == 1
        settings.refresh()
        assert settings.headers == {"X-Frame-Options": "DENY"}

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("", "tls_server_config: taken away"),
            (f"basic_auth_users: {{alice: '{HASH}'}}", "tls_server_config: taken away"),
            (tls(), "tls_server_config.client_auth_type: taken away"),
            (
                tls("client_ca_file: server.pem, client_auth_type: VerifyClientCertIfGiven"),
                "client_auth_type: taken away",
            ),
            (
                tls("client_ca_file: server.pem, client_auth_type: RequireAndVerifyClientCert"),
                "tls_server_config.min_version: taken away",
            ),
        ],
    )
    def test_nothing_opens(self, folder: Path, content: str, expected: str, caplog: pytest.LogCaptureFixture) -> None:
        """What protects stays while the file is half written, or without it: to take it away needs a restart."""
        web = folder / "web.yaml"
        strict = "client_ca_file: server.pem, client_auth_type: RequireAndVerifyClientCert, min_version: TLS13"
        web.write_text(tls(strict), encoding="utf-8")
        settings = WebSettings(str(web))
        before = settings.context
        web.write_text(content, encoding="utf-8")
        settings.refresh()
        assert settings.context is before
        (record,) = caplog.records
        assert expected in str(record.facts["error"])  # type: ignore[attr-defined]


SECRETS = ("hunter2hunter2", HASH)
_WORDS = (
    *("tls_server_config", "http_server_config", "basic_auth_users", "headers", "X-Frame-Options", "cert_file"),
    *("key_file", "client_ca_file", "client_auth_type", "min_version", "TLS12", "TLS13", "RequireAndVerifyClientCert"),
)
_KEYS = st.sampled_from(_WORDS) | st.text(max_size=5)
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates().map(str)
    | st.sampled_from([*_WORDS, *SECRETS])
    | st.text()
)
_TREES = st.recursive(
    _SCALARS, lambda deeper: st.lists(deeper, max_size=3) | st.dictionaries(_KEYS, deeper, max_size=4), max_leaves=12
)
_YAML = st.lists(
    st.sampled_from(
        [
            *_WORDS,
            ": ",
            "- ",
            "\n",
            "\n  ",
            "{",
            "}",
            "[",
            "]",
            ",",
            "&a ",
            "*a",
            "<<",
            "!!binary ",
            "'",
            '"',
            "|\n",
            "? ",
        ]
    )
    | st.text(max_size=3),
    max_size=30,
).map("".join)


class TestFuzz:
    @pytest.mark.fuzz
    @given(st.binary(max_size=200) | _YAML.map(lambda text: text.encode(errors="replace")))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path: Path, content: bytes) -> None:
        """Whatever stands in the file, it is a configuration or a mistake told in one line without a secret."""
        assert_loaded_or_told(tmp_path / "web.yaml", content)

    @pytest.mark.fuzz
    @given(st.dictionaries(st.sampled_from(WebConfig.__struct_fields__) | _KEYS, _TREES, max_size=4))
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_tree(self, tmp_path: Path, tree: object) -> None:
        """Whatever stands in which place, it is a configuration or a mistake told in one line without a secret."""
        content = yaml.dump(tree, Dumper=yaml.CSafeDumper, allow_unicode=True, encoding="utf-8")
        assert_loaded_or_told(tmp_path / "web.yaml", content)


def assert_loaded_or_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        loaded = web_config.load(str(path))
    except ConfigError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert not any(secret in message for secret in SECRETS)
    else:
        assert isinstance(loaded, WebConfig)
