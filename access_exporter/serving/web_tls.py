"""`tls_server_config` of the web configuration: its keys, their allowed values and combinations."""

import ssl
from collections.abc import Iterable

import msgspec

from access_exporter.errors import DocumentError, named

WHERE = "tls_server_config"
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
# The cipher suites by their names in Go (https://pkg.go.dev/crypto/tls#pkg-constants), which the exporter-toolkit uses,
# with their names in OpenSSL.
CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
}
TLS13_CIPHERS = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
HTTP2_CIPHERS = ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256")
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
# Python before 3.15 can only set one curve; `set_groups` is new in 3.15.
SETS_SEVERAL_CURVES = hasattr(ssl.SSLContext, "set_groups")


class TlsServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tls_server_config`. File names are relative to the folder of the web configuration."""

    cert: str | None = None
    key: str | None = None
    client_ca: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None
    client_auth_type: str = "NoClientCert"
    client_allowed_sans: list[str] = []
    min_version: str = "TLS12"
    max_version: str = "TLS13"
    cipher_suites: list[str] = []
    prefer_server_cipher_suites: bool = True
    curve_preferences: list[str] = []

    @property
    def files(self) -> dict[str, str]:
        """The names of its files, by key."""
        named = {"cert_file": self.cert_file, "key_file": self.key_file, "client_ca_file": self.client_ca_file}
        return {key: file for key, file in named.items() if file is not None}

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether clients need a certificate. With `client_allowed_sans`, they always do."""
        return ssl.CERT_REQUIRED if self.client_allowed_sans else CLIENT_AUTH[self.client_auth_type]

    @property
    def has_client_ca(self) -> bool:
        """Whether it has a certificate authority for client certificates."""
        return self.client_ca is not None or self.client_ca_file is not None


def check(tls: TlsServer) -> None:
    """Raise DocumentError for a value that has the right type but is not allowed."""
    _check_sources(tls)
    _check_client_auth(tls)
    expect_one_of(VERSIONS, tls.min_version, f"{WHERE}.min_version")
    expect_one_of(VERSIONS, tls.max_version, f"{WHERE}.max_version")
    if tls.max_version < tls.min_version:
        raise DocumentError(f"{WHERE}.max_version", "expected min_version or higher")
    _check_ciphers(tls)
    for number, curve in enumerate(tls.curve_preferences):
        expect_one_of(CURVES, curve, f"{WHERE}.curve_preferences[{number}]", what="the curve")
    if len(set(tls.curve_preferences)) > 1 and not SETS_SEVERAL_CURVES:
        problem = "several curves need Python 3.15 or newer; expected one, or leave the key out"
        raise DocumentError(f"{WHERE}.curve_preferences", problem)


def check_http2(tls: TlsServer) -> None:
    """Raise DocumentError if HTTP/2 cannot use the cipher suites, because then other exporters refuse to start."""
    if tls.cipher_suites and tls.min_version == "TLS12" and not set(HTTP2_CIPHERS) & set(tls.cipher_suites):
        problem = f"expected {' or '.join(HTTP2_CIPHERS)}, which HTTP/2 needs, or http2: false in http_server_config"
        raise DocumentError(f"{WHERE}.cipher_suites", problem)


def expect_one_of(known: Iterable[str], value: str, where: str, what: str = "the value") -> None:
    """Raise DocumentError for an unknown value."""
    if value not in known:
        raise DocumentError(where, f"{named(what, value)} is not supported; expected one of {', '.join(known)}")


def _check_sources(tls: TlsServer) -> None:
    pairs = {"cert": tls.cert_file, "key": tls.key_file, "client_ca": tls.client_ca_file}
    for inline, file in pairs.items():
        text: str | None = getattr(tls, inline)
        if text is not None and file is not None:
            raise DocumentError(f"{WHERE}.{inline}", f"expected {inline} or {inline}_file, not both")
        if text is None and file is None and inline != "client_ca":
            problem = f"required, but missing; set it, or set {inline} to the PEM text"
            raise DocumentError(f"{WHERE}.{inline}_file", problem)


def _check_client_auth(tls: TlsServer) -> None:
    where = f"{WHERE}.client_auth_type"
    if tls.client_auth_type in _UNVERIFIED:
        supported = ", ".join(CLIENT_AUTH)
        problem = "Python's ssl module cannot ask for a certificate without verifying it; expected one of"
        raise DocumentError(where, f"the value `{tls.client_auth_type}` is not supported: {problem} {supported}")
    expect_one_of(CLIENT_AUTH, tls.client_auth_type, where)
    if tls.client_auth_type == "NoClientCert" and tls.has_client_ca:
        raise DocumentError(where, f"required with {'client_ca' if tls.client_ca else 'client_ca_file'}, but missing")
    if tls.client_auth_type == "NoClientCert" and tls.client_allowed_sans:
        problem = "required with client_allowed_sans, but missing: expected RequireAndVerifyClientCert"
        raise DocumentError(where, problem)


def _check_ciphers(tls: TlsServer) -> None:
    where = f"{WHERE}.cipher_suites"
    for number, cipher in enumerate(tls.cipher_suites):
        expect_one_of((*CIPHERS, *TLS13_CIPHERS), cipher, f"{where}[{number}]", what="the cipher suite")
    if tls.max_version == "TLS12" and tls.cipher_suites and not set(CIPHERS) & set(tls.cipher_suites):
        raise DocumentError(where, "expected a cipher suite of TLS 1.2, because max_version is TLS12")
