"""`--web.config.file`: reloads after the file or its certificates change, and response headers."""

import errno
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from access_exporter.config import files
from access_exporter.serving import web_settings
from access_exporter.serving.web_settings import WebSettings
from tests.running_server import PATIENCE_SECONDS, pages, serving
from tests.serving.web_files import HASH, tls

USERS = f"basic_auth_users: {{alice: '{HASH}'}}\n"
CIPHER = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
STRICT = (
    "client_ca_file: server.pem, client_auth_type: RequireAndVerifyClientCert, min_version: TLS13"
    f", client_allowed_sans: [a], curve_preferences: [CurveP256], cipher_suites: [{CIPHER}]"
)
HEADER = "http_server_config: {headers: {X-Frame-Options: DENY}}\n"


def fails(number: int) -> Callable[..., bytes]:
    """Return a replacement of a read function that raises this error."""

    def read(*_: object) -> bytes:
        raise OSError(number, os.strerror(number))

    return read


def with_a_new_header(folder: Path) -> tuple[Path, WebSettings]:
    """Write a file, read its settings, and then add a header to the file; return the file and the settings."""
    web = folder / "web.yaml"
    web.write_text(USERS, encoding="utf-8")
    settings = WebSettings(str(web))
    web.write_text(USERS + HEADER, encoding="utf-8")
    return web, settings


class TestChanges:
    def test_file_that_comes_later(self, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """A missing certificate is used as soon as its file exists, without a change of the web configuration."""
        web = tmp_path / "web.yaml"
        web.write_text(USERS, encoding="utf-8")
        settings = WebSettings(str(web))
        web.write_text(USERS + tls(), encoding="utf-8")
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
        """If a certificate is replaced while it is being read (a race condition), it is read again."""
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

    def test_renewed_certificate_despite_an_error(
        self, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Despite an error in the web configuration, a renewed certificate is used; the error is logged once."""
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
        """A named pipe in place of the file is not opened, because requests would hang."""
        web = tmp_path / "web.yaml"
        web.write_text(USERS + HEADER, encoding="utf-8")
        settings = WebSettings(str(web))
        web.unlink()
        os.mkfifo(web)
        settings.refresh()
        assert settings.headers == {"X-Frame-Options": "DENY"}
        (record,) = caplog.records
        assert str(record.facts["error"]) == f"{web}: cannot be read: it is not a file"  # type: ignore[attr-defined]  # the logger sets it

    def test_changed_permissions(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A file that could not be read is read again after its permissions change."""
        web, settings = with_a_new_header(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(files, "check", fails(errno.EACCES))
            settings.refresh()
        settings.refresh()
        assert settings.headers == {}
        web.chmod(0o600)
        settings.refresh()
        assert settings.headers == {"X-Frame-Options": "DENY"}

    def test_too_many_open_files(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """If too many files are open to read the web configuration, the exporter retries soon and logs that once."""
        monkeypatch.setattr(web_settings, "TRY_AGAIN_SECONDS", 0)
        _, settings = with_a_new_header(tmp_path)
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
            ("", "the file is empty"),
            (HEADER, "nothing is protected"),
            (tls(STRICT.replace(", client_allowed_sans: [a]", "")), "client_allowed_sans: less protection"),
            (tls(STRICT.replace(", curve_preferences: [CurveP256]", "")), "curve_preferences: less protection"),
            (tls(STRICT.replace(f", cipher_suites: [{CIPHER}]", "")), "cipher_suites: less protection"),
            (f"basic_auth_users: {{alice: '{HASH}'}}", "tls_server_config: less protection"),
            (tls(), "tls_server_config.client_auth_type: less protection"),
            (
                tls("client_ca_file: server.pem, client_auth_type: VerifyClientCertIfGiven"),
                "client_auth_type: less protection",
            ),
            (
                tls("client_ca_file: server.pem, client_auth_type: RequireAndVerifyClientCert"),
                "tls_server_config.min_version: less protection",
            ),
        ],
    )
    def test_a_reload_removes_no_protection(
        self, folder: Path, content: str, expected: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A reload removes no protection, even if the file is half-written: that needs a restart."""
        web = folder / "web.yaml"
        web.write_text(tls(STRICT), encoding="utf-8")
        settings = WebSettings(str(web))
        before = settings.context
        web.write_text(content, encoding="utf-8")
        settings.refresh()
        assert settings.context is before
        (record,) = caplog.records
        assert expected in str(record.facts["error"])  # type: ignore[attr-defined]  # the logger sets it


class TestHeaders:
    @pytest.mark.parametrize(
        ("name", "written", "sent"),
        [
            *(
                ("X-XSS-Protection", value, value)
                for value in ("0", "1", "1; mode=block", "1.0", "1.50", "0x1", "1_0", "010")
            ),
            ("X-XSS-Protection", "'1'", "1"),
            ("X-XSS-Protection", "''", None),
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains", "max-age=31536000; includeSubDomains"),
            ("Content-Security-Policy", "\"default-src 'self'\"", "default-src 'self'"),
            ("Content-Security-Policy", "2026-01-31", "2026-01-31"),
            ("X-Frame-Options", "sameorigin", "sameorigin"),
            ("X-Frame-Options", "DENY", "DENY"),
            ("X-Content-Type-Options", "nosniff", "nosniff"),
        ],
    )
    def test_value_as_written(self, tmp_path: Path, name: str, written: str, sent: str | None) -> None:
        """A header is sent as written in the file, even a number without quotes; an empty header is not sent."""
        web = tmp_path / "web.yaml"
        web.write_text(
            f"basic_auth_users: {{alice: '{HASH}'}}\nhttp_server_config:\n  headers:\n    {name}: {written}\n",
            encoding="utf-8",
        )
        with serving(pages(web)) as port:
            answer = requests.get(f"http://127.0.0.1:{port}/-/healthy", timeout=PATIENCE_SECONDS)
        assert answer.headers.get(name) == sent
