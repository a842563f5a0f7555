"""`tls_server_config`: errors and their messages."""

from collections.abc import Callable
from pathlib import Path

import pytest

from access_exporter.serving import web_tls
from access_exporter.serving.web_tls import CIPHERS, CLIENT_AUTH, CURVES, TLS13_CIPHERS
from tests.serving.web_files import PEM, refuses, tls

KEYS = (
    "cert, key, client_ca, cert_file, key_file, client_ca_file, client_auth_type, client_allowed_sans, min_version, "
    "max_version, cipher_suites, prefer_server_cipher_suites, curve_preferences"
)
HTTP2 = (
    "tls_server_config.cipher_suites: expected TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or "
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which HTTP/2 needs, or http2: false in http_server_config"
)
CUT = "expected a value; the file may be truncated"

ERRORS = [
    (tls("cert_filse: x"), f"tls_server_config: unknown key `cert_filse`; expected one of {KEYS}"),
    # Certificate and key.
    *(
        (
            f"tls_server_config: {{{given}}}",
            f"tls_server_config.{missing}_file: required, but missing; set it, or set {missing} to the PEM text",
        )
        for given, missing in (
            ("cert_file: server.pem", "key"),
            ("cert: x", "key"),
            ("key_file: server.key", "cert"),
            ("min_version: TLS13", "cert"),
        )
    ),
    *(
        (
            tls(f"client_ca_file: authority.pem, client_auth_type: VerifyClientCertIfGiven, {key}: x"),
            f"tls_server_config.{key}: expected {key} or {key}_file, not both",
        )
        for key in ("cert", "key", "client_ca")
    ),
    *(
        (tls(cert=cert, key=key), f"tls_server_config.{where}: {CUT}")
        for cert, key, where in (("''", "server.key", "cert_file"), ("server.pem", "''", "key_file"))
    ),
    ("tls_server_config: {cert: '', key_file: server.key}", f"tls_server_config.cert: {CUT}"),
    (
        "tls_server_config: {cert: x, key: y}",
        "tls_server_config.cert: expected the certificate in PEM, and in key its key in PEM without a password",
    ),
    (
        "tls_server_config: {cert_file: server.pem, key: y}",
        "tls_server_config.cert_file: expected the certificate in PEM, and in key its key in PEM without a password",
    ),
    *(
        (
            tls(f"client_auth_type: VerifyClientCertIfGiven, client_ca: {value}"),
            "tls_server_config.client_ca: expected certificates in PEM",
        )
        for value in ("x", "größer")
    ),
    # Versions.
    *(
        (
            tls(f"{key}: {value}"),
            f"tls_server_config.{key}: the value `{value}` is not supported; expected one of TLS12, TLS13",
        )
        for key in ("min_version", "max_version")
        for value in ("TLS10", "TLS11", "SSLv3", "1.2")
    ),
    (
        tls("min_version: TLS13, max_version: TLS12"),
        "tls_server_config.max_version: expected min_version or higher",
    ),
    # Client certificates.
    *(
        (
            tls(f"client_auth_type: {value}{more}"),
            f"tls_server_config.client_auth_type: the value `{value}` is not supported: Python's ssl module cannot ask "
            f"for a certificate without verifying it; expected one of {', '.join(CLIENT_AUTH)}",
        )
        for value in ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
        for more in ("", ", client_ca_file: authority.pem", ", client_allowed_sans: [a]")
    ),
    (
        tls("client_auth_type: RequireAndVerify, client_ca_file: authority.pem"),
        "tls_server_config.client_auth_type: the value `RequireAndVerify` is not supported; "
        f"expected one of {', '.join(CLIENT_AUTH)}",
    ),
    *(
        (
            tls(f"{key}: x{more}"),
            f"tls_server_config.client_auth_type: required with {key}, but missing",
        )
        for key in ("client_ca", "client_ca_file")
        for more in ("", ", client_auth_type: NoClientCert")
    ),
    (
        tls("client_allowed_sans: [a]"),
        "tls_server_config.client_auth_type: required with client_allowed_sans, but missing: "
        "expected RequireAndVerifyClientCert",
    ),
    (
        tls("client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: []"),
        "tls_server_config.client_allowed_sans: expected at least one name: an empty list admits no client",
    ),
    (
        tls("client_ca_file: authority.pem, client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: a"),
        "tls_server_config.client_allowed_sans: expected a list, got a string",
    ),
    # Cipher suites and curves.
    *(
        (
            tls(f"cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, {value}]"),
            f"tls_server_config.cipher_suites[1]: the cipher suite `{value}` is not supported; "
            f"expected one of {', '.join((*CIPHERS, *TLS13_CIPHERS))}",
        )
        for value in (
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA2048",
            "TLS_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
            "ECDHE-RSA-AES128-SHA",
            "ALL",
        )
    ),
    (tls("cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]"), HTTP2),
    (tls("cipher_suites: [TLS_AES_128_GCM_SHA256]") + "http_server_config: {http2: true}\n", HTTP2),
    (
        tls("cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12") + "http_server_config: {http2: false}\n",
        "tls_server_config.cipher_suites: expected a cipher suite of TLS 1.2, because max_version is TLS12",
    ),
    *(
        (
            tls(f"curve_preferences: [{value}]"),
            f"tls_server_config.curve_preferences[0]: the curve `{value}` is not supported; "
            f"expected one of {', '.join(CURVES)}",
        )
        for value in ("CurveP257", "P-256", "X25519MLKEM768")
    ),
    *(
        (tls(f"{key}: "), f"tls_server_config.{key}: {CUT}")
        for key in KEYS.split(", ")
        if key not in ("cert_file", "key_file")
    ),
    # Files that are missing or have the wrong content.
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
]


class TestErrors:
    @pytest.mark.parametrize(("content", "expected"), ERRORS)
    def test_message(
        self, check: Callable[..., tuple[int, str, str]], folder: Path, content: str, expected: str
    ) -> None:
        """An error in the file is one line on standard error and exit code 1, at a start and with --config.check."""
        refuses(check, folder, content, expected)

    def test_several_curves(self, check: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
        """If Python can set only one curve, several curves are an error that names the Python version needed."""
        monkeypatch.setattr(web_tls, "SETS_SEVERAL_CURVES", False)
        code, out, err = check(tls("curve_preferences: [X25519, CurveP256]"), "--config.check")
        assert (code, out) == (1, "")
        assert "tls_server_config.curve_preferences: several curves need Python 3.15 or newer; expected one" in err

    @pytest.mark.parametrize("indented", ["", "  ", "    "])
    def test_no_key_is_shown(self, check: Callable[..., tuple[int, str, str]], folder: Path, indented: str) -> None:
        """No error message shows a line of a private key, even if the key is indented wrongly."""
        key = (folder / "server.key").read_text(encoding="utf-8").splitlines()
        for begin in (
            "key: |",
            "key:",
            "key: >",
            "key: '",
            "key: [",
            "key: {",
            "- key: |",
            "? ",
            "*",
            "key: !",
            "key: &",
        ):
            written = "".join(f"\n{indented}{line}" for line in key)
            code, out, err = check(
                f"tls_server_config:\n  cert_file: other.pem\n  {begin}{written}\n", "--config.check"
            )
            assert (code, out, err.count("\n")) == (1, "", 1)
            assert not any(line in err for line in key)
            assert "PRIVATE" not in err
