"""TLS and client certificates of a running exporter: refused clients, and renewed certificates."""

import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from textwrap import indent

import pytest
import requests

from access_exporter.commands import healthcheck
from tests.certificates import Authority
from tests.processes import Exporter, exporter
from tests.running_server import connect, everything, pages, serving
from tests.secured import PASSWORD, get, install, write


@pytest.mark.parametrize("path", ["/", "/metrics", "/-/healthy", "/-/ready", "/nothing"])
def test_every_path_needs_the_password(secured: Exporter, authority: Authority, path: str) -> None:
    """Every path gets 401 without the password and its page with it; each response has the configured headers."""
    refused = get(secured, authority, path)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Basic")
    wrong = get(secured, authority, path, auth=("prometheus", "wrong"))
    unknown = get(secured, authority, path, auth=("mallory", PASSWORD))
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text == unknown.text == refused.text
    admitted = get(secured, authority, path, auth=("prometheus", PASSWORD))
    assert admitted.status_code == (404 if path == "/nothing" else 200)
    assert admitted.headers["x-frame-options"] == refused.headers["x-frame-options"] == "deny"


def test_older_tls_is_refused(secured: Exporter) -> None:
    """With min_version TLS13, the exporter refuses a client that supports at most TLS 1.2."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", secured.port)) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection)


@pytest.mark.skipif(not ssl.HAS_TLSv1_1, reason="this Python's OpenSSL cannot offer TLS 1.1")
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_tls_1_1_is_always_refused(authority: Authority, tmp_path: Path) -> None:
    """By default the exporter refuses a client that offers only TLS 1.1, with any cipher."""
    install(authority, tmp_path)
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
    with exporter("--demo", f"--web.config.file={config}") as running:

        def agreed(version: ssl.TLSVersion) -> str | None:
            context = authority.client_context()
            context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = version
            with context.wrap_socket(connect(running.port), server_hostname="127.0.0.1") as connection:
                return connection.version()

        with pytest.raises(ssl.SSLError, match="alert protocol version"):
            agreed(ssl.TLSVersion.TLSv1_1)
        assert agreed(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
        assert agreed(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


def test_client_certificates(authority: Authority, tmp_path: Path) -> None:
    """With RequireAndVerifyClientCert, only a client with a certificate of the authority gets a response."""
    install(authority, tmp_path)
    client = authority.issue("client")
    stranger = Authority(other_folder(tmp_path), "stranger").issue("strange")
    config = write(
        tmp_path / "web.yaml",
        "tls_server_config: {cert_file: tls.crt, key_file: tls.key, client_ca_file: ca.crt, "
        "client_auth_type: RequireAndVerifyClientCert}\n",
    )
    with exporter("--demo", f"--web.config.file={config}") as running:
        running.url = running.url.replace("http:", "https:")
        assert get(running, authority, cert=client.files).status_code == 200
        for cert in (None, stranger.files):
            with pytest.raises(requests.ConnectionError):
                get(running, authority, cert=cert)
        assert healthcheck.main([str(running.port)]) == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumed_session_with_an_expired_certificate(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    """The server refuses a client with an expired certificate, even if the client resumes an older TLS session."""
    issued = authority.issue("client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server").files)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    client = authority.client_context()
    client.load_cert_chain(*issued.files)
    client.minimum_version = client.maximum_version = version

    def ask(port: int, session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with client.wrap_socket(connect(port), server_hostname="127.0.0.1", session=session) as connection:
            connection.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert connection.session_reused is (session is not None)
            return everything(connection)[:15], connection.session

    with serving(pages(), lambda: context) as port:
        answer, session = ask(port, None)
        assert answer == ask(port, session)[0] == b"HTTP/1.1 200 OK"
        later = time.time() + 3 * 86400
        monkeypatch.setattr(time, "time", lambda: later)
        with suppress(ssl.SSLError, ConnectionError):
            assert ask(port, session)[0] == b""


def other_folder(folder: Path) -> Path:
    made = folder / "other"
    made.mkdir()
    return made


def test_certificates_are_picked_up(authority: Authority, tmp_path: Path) -> None:
    """A new certificate is used for the next connection; if it is invalid, the old one stays in use."""
    install(authority, tmp_path, "first")
    config = write(tmp_path / "web.yaml", "tls_server_config: {cert_file: tls.crt, key_file: tls.key}\n")
    context = authority.client_context()

    def name(port: int) -> str:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
            context.wrap_socket(connection, server_hostname="127.0.0.1") as tls,
        ):
            certificate = tls.getpeercert()
            assert certificate is not None
            return str(dict(part[0] for part in certificate["subject"])["commonName"])  # type: ignore[misc]  # its type is a union of many

    with exporter("--demo", f"--web.config.file={config}") as running:
        assert name(running.port) == "first"
        install(authority, tmp_path, "second")
        assert name(running.port) == "second"
        write(tmp_path / "tls.crt", "no certificate")
        assert name(running.port) == "second"
        assert "tls_server_config.cert_file" in running.wait_for("web configuration not reloaded")["error"]
        install(authority, tmp_path, "third")
        assert name(running.port) == "third"


def test_all_in_one_file(authority: Authority, tmp_path: Path) -> None:
    """With certificate, key and authority inline, a client with an allowed name is admitted, and no key is logged."""
    server, client = authority.issue("server"), authority.issue("client")
    texts = {"cert": server.cert, "key": server.key, "client_ca": authority.cert}
    inline = "".join(f"  {key}: |\n{indent(path.read_text(encoding='utf-8'), '    ')}" for key, path in texts.items())
    config = write(
        tmp_path / "web.yaml",
        f"tls_server_config:\n{inline}  client_auth_type: RequireAndVerifyClientCert\n"
        "  client_allowed_sans: [127.0.0.1]\n"
        "  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]\n"
        "  curve_preferences: [CurveP256]\n"
        "http_server_config: {http2: false, headers: {X-XSS-Protection: 1}}\n"
        "rate_limit: {interval: 0, burst: 0}\n",
    )
    with exporter("--demo", "--log.level=debug", f"--web.config.file={config}") as running:
        running.url = running.url.replace("http:", "https:")
        answer = get(running, authority, cert=client.files)
        assert (answer.status_code, answer.headers["x-xss-protection"]) == (200, "1")
        with pytest.raises(requests.ConnectionError):
            get(running, authority)
        write(config, config.read_text(encoding="utf-8").replace("CurveP256", "CurveP257"))
        assert healthcheck.main([str(running.port)]) == 0
        get(running, authority, cert=client.files)
        running.wait_for("web configuration not reloaded")
        log = "".join(running.lines)
        assert not any(line in log for line in server.key.read_text(encoding="utf-8").splitlines())
