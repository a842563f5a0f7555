"""`tls_server_config` in use: admitted clients, and the cipher suite and curve of a connection."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

import pytest
from trustme import KeyType

from access_exporter.errors import ConfigError
from access_exporter.serving import WebSettings, web_tls
from access_exporter.serving.web_tls import CIPHERS, CURVES, TLS13_CIPHERS
from tests.certificates import Authority, Certificate
from tests.running_server import connect, everything, pages, serving, status
from tests.serving.web_files import tls

OK = b"HTTP/1.1 200 OK"
NO_HTTP2 = "http_server_config: {http2: false}\n"
REQUEST = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(scope="module")
def made(folder: Path) -> Path:
    """Add an RSA certificate and client certificates to the folder, and return it."""
    authority = Authority(folder)
    for name in ("server", "client"):
        authority.issue(name)
    authority.issue("rsa", kind=KeyType.RSA)
    Authority(folder, "stranger").issue("strange")
    return folder


def client(folder: Path, name: str = "") -> ssl.SSLContext:
    """Return the TLS context of a client that trusts the authority and may have a certificate."""
    context = ssl.create_default_context(cafile=folder / "authority.pem")
    if name:
        context.load_cert_chain(*Certificate(folder / f"{name}.pem", folder / f"{name}.key").files)
    return context


@contextmanager
def served(folder: Path, content: str) -> Iterator[int]:
    """Serve with this web configuration for the length of a `with` block; give the port."""
    web = folder / "web.yaml"
    web.write_text(content, encoding="utf-8")
    settings = WebSettings(str(web))
    with serving(pages(web), lambda: settings.context) as port:
        yield port


def ask(port: int, context: ssl.SSLContext) -> tuple[bytes, str]:
    """Send a request; return the status line and the cipher, both empty if the server ends the connection."""
    try:
        with context.wrap_socket(connect(port), server_hostname="127.0.0.1") as connection:
            connection.sendall(REQUEST)
            return status(everything(connection)), (connection.cipher() or ("",))[0]
    except (ssl.SSLError, ConnectionError):
        return b"", ""


def inline(folder: Path, *keys: str) -> str:
    """Return settings with the text of files instead of their names."""
    names = {"cert": "server.pem", "key": "server.key", "client_ca": "authority.pem"}
    return "".join(f"  {key}: |\n{indent((folder / names[key]).read_text(encoding='utf-8'), '    ')}" for key in keys)


class TestCertificates:
    @pytest.mark.parametrize(
        ("keys", "files"),
        [
            (("cert", "key"), ""),
            (("cert",), "  key_file: server.key\n"),
            (("key",), "  cert_file: server.pem\n"),
            (("cert", "key", "client_ca"), "  client_auth_type: RequireAndVerifyClientCert\n"),
            (
                ("client_ca",),
                "  client_auth_type: RequireAndVerifyClientCert\n  cert_file: server.pem\n  key_file: server.key\n",
            ),
        ],
    )
    def test_inline(self, made: Path, keys: tuple[str, ...], files: str) -> None:
        """The certificate, the key and the authority can each be inline in the web configuration."""
        with served(made, f"tls_server_config:\n{inline(made, *keys)}{files}") as port:
            assert ask(port, client(made, "client"))[0] == OK
            assert ask(port, client(made))[0] == (b"" if "client_ca" in keys else OK)

    def test_renewed_inline(self, made: Path, tmp_path: Path) -> None:
        """A new inline certificate is used for the next connection; without its key it is not used."""
        web = tmp_path / "web.yaml"
        web.write_text(f"tls_server_config:\n{inline(made, 'cert', 'key')}", encoding="utf-8")
        settings = WebSettings(str(web))
        before = settings.context
        for name in ("server.pem", "server.key"):
            (tmp_path / name).write_bytes((made / name.replace("server", "other")).read_bytes())
        web.write_text(f"tls_server_config:\n{inline(tmp_path, 'cert')}{inline(made, 'key')}", encoding="utf-8")
        settings.refresh()
        assert settings.context is before
        web.write_text(f"tls_server_config:\n{inline(tmp_path, 'cert', 'key')}", encoding="utf-8")
        settings.refresh()
        assert settings.context is not before

    def test_text_between_inline_certificates(self, made: Path) -> None:
        """Text between inline certificates, such as a name with an umlaut, is ignored."""
        authority = inline(made, "client_ca").replace("|\n", "|\n    # Größe\n")
        content = tls().replace("{", "\n  ").replace("}", "").replace(", ", "\n  ")
        with served(made, f"{content}  client_auth_type: RequireAndVerifyClientCert\n{authority}") as port:
            assert ask(port, client(made, "client"))[0] == OK


class TestClientCertificates:
    @pytest.mark.parametrize(
        ("more", "admitted"),
        [
            ("", {"", "client", "strange"}),
            ("client_auth_type: NoClientCert", {"", "client", "strange"}),
            ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: authority.pem", {"", "client"}),
            ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: authority.pem", {"client"}),
            ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: stranger.pem", {"strange"}),
            ("client_auth_type: VerifyClientCertIfGiven", {""}),
            ("client_auth_type: RequireAndVerifyClientCert", set()),
        ],
    )
    @pytest.mark.parametrize("version", [TLS12, TLS13])
    def test_admitted_clients(self, made: Path, more: str, admitted: set[str], version: ssl.TLSVersion) -> None:
        """Only clients that client_auth_type allows get a response; without an authority, no certificate is valid."""
        with served(made, tls(more)) as port:
            for name in ("", "client", "strange"):
                context = client(made, name)
                context.minimum_version = context.maximum_version = version
                assert (name, ask(port, context)[0]) == (name, OK if name in admitted else b"")


class TestCipherSuites:
    @pytest.mark.parametrize("name", CIPHERS)
    def test_one(self, made: Path, name: str) -> None:
        """With TLS 1.2 a client connects with the one allowed cipher suite and with no other."""
        key = "rsa" if "_RSA_" in name else "server"
        given = tls(f"cipher_suites: [{name}], max_version: TLS12", cert=f"{key}.pem", key=f"{key}.key")
        with served(made, given + NO_HTTP2) as port:
            context = client(made)
            context.set_ciphers("ALL")
            assert ask(port, context) == (OK, CIPHERS[name])
            context.set_ciphers(f"ALL:!{CIPHERS[name]}")
            assert ask(port, context)[0] == b""

    def test_only_suites_of_tls_1_3(self, made: Path) -> None:
        """If the list has only cipher suites of TLS 1.3, the server refuses TLS 1.2, which has none left."""
        with served(made, tls(f"cipher_suites: [{', '.join(TLS13_CIPHERS)}]") + NO_HTTP2) as port:
            context = client(made)
            assert ask(port, context)[0] == OK
            context.maximum_version = TLS12
            assert ask(port, context)[0] == b""

    def test_no_suite_of_tls_1_3(self, made: Path) -> None:
        """TLS 1.3 keeps its own cipher suites even if the list has none of them, as in Go."""
        with served(made, tls("cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]")) as port:
            answer, cipher = ask(port, client(made))
        assert (answer, cipher.startswith("TLS_")) == (OK, True)

    @pytest.mark.parametrize(("prefers", "expected"), [("true", "AES256"), ("false", "AES128")])
    def test_preference(self, made: Path, prefers: str, expected: str) -> None:
        """The server chooses the cipher suite by its own order, or by the client's order if so configured."""
        suites = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
        with served(made, tls(f"cipher_suites: [{suites}], prefer_server_cipher_suites: {prefers}")) as port:
            context = client(made)
            context.maximum_version = TLS12
            context.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
            answer, cipher = ask(port, context)
        assert (answer, expected in cipher) == (OK, True)

    @pytest.mark.parametrize(
        "listed", ["cipher_suites: []", "curve_preferences: []", "prefer_server_cipher_suites: yes"]
    )
    def test_defaults(self, made: Path, listed: str) -> None:
        """An empty list leaves the defaults."""
        with served(made, tls(listed)) as port:
            assert ask(port, client(made))[0] == OK


class TestCurves:
    @pytest.mark.parametrize("version", [TLS12, TLS13])
    @pytest.mark.parametrize("name", CURVES)
    def test_one(self, made: Path, name: str, version: ssl.TLSVersion) -> None:
        """A client that supports the allowed curve connects, and a client that supports only another does not."""
        with served(made, tls(f"curve_preferences: [{name}, {name}]", cert="rsa.pem", key="rsa.key")) as port:
            for other, curve in CURVES.items():
                context = client(made)
                context.minimum_version = context.maximum_version = version
                context.set_ecdh_curve(curve)
                assert ask(port, context)[0] == (OK if other == name else b"")

    def test_several(self, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """If Python can set several curves, the exporter sets all of them in the configured order."""
        asked: list[str] = []
        monkeypatch.setattr(web_tls, "SETS_SEVERAL_CURVES", True)
        monkeypatch.setattr(ssl.SSLContext, "set_groups", lambda _, groups: asked.append(groups), raising=False)
        with served(made, tls("curve_preferences: [X25519, CurveP256, CurveP384, X25519]")) as port:
            assert ask(port, client(made))[0] == OK
        assert set(asked) == {"X25519:prime256v1:secp384r1"}

    def test_clients_with_one_of_several_curves(self, made: Path) -> None:
        """With several curves, a client needs one of them; an older Python refuses the list."""
        try:
            with served(made, tls("curve_preferences: [X25519, CurveP256]")) as port:
                for name, curve in CURVES.items():
                    context = client(made)
                    context.set_ecdh_curve(curve)
                    assert ask(port, context)[0] == (OK if name in ("X25519", "CurveP256") else b"")
        except ConfigError:
            assert not web_tls.SETS_SEVERAL_CURVES
