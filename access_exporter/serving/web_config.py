"""TLS, basic auth and headers of our own pages: the file of `--web.config.file`.

The format is that of the exporter-toolkit (https://github.com/prometheus/exporter-toolkit/blob/master/docs/
web-configuration.md), and `auth_excluded_paths` as proposed for it; what is not supported is refused by name. A file
that is empty or was cut is refused, because it would open what it is there to protect.
"""

import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import msgspec

from access_exporter.config import files, strict_yaml
from access_exporter.errors import ConfigError, DocumentError, named
from access_exporter.serving.basic_auth import cost

USUAL_COST, MAX_COST = 12, 16  # of bcrypt: a quarter of a second, and four seconds

# The salt has 128 bits in 22 characters of six bits: the last one can only be one of four.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_PATH = re.compile(r"/[\w.~/-]+", re.ASCII)
_LEAVE_OUT = "to serve without protection, leave the flag --web.config.file out"
_HEADER_VALUE = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
# The ones the exporter-toolkit takes.
_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class TlsServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`tls_server_config`; files are relative to the folder of the configuration."""

    cert_file: str
    key_file: str
    client_ca_file: str | None = None
    client_auth_type: str = "NoClientCert"
    min_version: str = "TLS12"
    max_version: str = "TLS13"

    @property
    def files(self) -> dict[str, str]:
        """The files it names, by key."""
        named = {"cert_file": self.cert_file, "key_file": self.key_file, "client_ca_file": self.client_ca_file}
        return {key: file for key, file in named.items() if file is not None}


class HttpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`http_server_config`."""

    headers: dict[str, str] = {}


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, str] = {}
    auth_excluded_paths: list[str] = []

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients without a certificate are refused."""
        tls = self.tls_server_config
        return tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"

    def warnings(self) -> Iterator[str]:
        """Yield what is allowed but is likely a mistake."""
        for number, hashed in enumerate(self.basic_auth_users.values(), start=1):
            if cost(hashed) > USUAL_COST:
                yield (
                    f"basic_auth_users: user {number} has a bcrypt cost of {cost(hashed)}: above {USUAL_COST}, "
                    "a check takes seconds"
                )


_SECTIONS = {"": WebConfig, "tls_server_config": TlsServer, "http_server_config": HttpServer}


@contextmanager
def in_file(path: str) -> Iterator[None]:
    """Turn a mistake into a ConfigError that names the file."""
    try:
        yield
    except DocumentError as mistake:
        raise ConfigError(f"{path}: {mistake}") from None


def load(path: str) -> WebConfig:
    """Read and check the file, but not those it names.

    Raises ConfigError, with the file, the place and the expectation.
    """
    if not path:
        raise ConfigError(f"--web.config.file: expected the name of a file; {_LEAVE_OUT}")
    with in_file(path):
        try:
            files.check(path)  # whoever asks for a page waits for it
        except OSError as error:
            raise DocumentError("", f"cannot be read: {error.strerror}") from None
        tree = strict_yaml.read(path)
        if tree is None:
            raise DocumentError("", f"the file is empty; {_LEAVE_OUT}")
        if not isinstance(tree, dict):
            raise DocumentError("", f"expected a mapping with the keys {', '.join(WebConfig.__struct_fields__)}")
        strict_yaml.check_known(tree, "", _SECTIONS)
        _check_complete(tree, "")
        for where, section in tree.items():
            if isinstance(section, dict) and where in _SECTIONS:
                strict_yaml.check_known(section, where, _SECTIONS)
                _check_complete(section, f"{where}.")
        config = strict_yaml.convert(tree, WebConfig)
        _check(config)
        return config


def _check_complete(mapping: Mapping[str, object], where: str) -> None:
    """Raise DocumentError for a key without a value: the file may have been cut there."""
    for key, value in mapping.items():
        if value is None or (value == {} and key != "headers"):
            raise DocumentError(f"{where}{key}", "expected a value; a file that was cut looks like this")


def _check(config: WebConfig) -> None:
    """Raise DocumentError for what the types cannot say."""
    for number, hashed in enumerate(config.basic_auth_users.values(), start=1):
        if _BCRYPT.fullmatch(hashed) and cost(hashed) > MAX_COST:
            problem = f"expected a bcrypt cost of at most {MAX_COST} for user {number}, got {cost(hashed)}"
            raise DocumentError("basic_auth_users", problem)
        if not _BCRYPT.fullmatch(hashed):
            problem = f"expected a bcrypt hash for user {number}, such as `htpasswd -nBC 10 ''` prints"
            raise DocumentError("basic_auth_users", problem)
    for name, value in config.http_server_config.headers.items():
        _expect_one_of(_HEADERS, name, "http_server_config.headers", what="the header")
        if not _HEADER_VALUE.fullmatch(value):
            raise DocumentError(
                f"http_server_config.headers.{name}", "expected printable ASCII characters, and no space at either end"
            )
    _check_excluded(config)
    if config.tls_server_config:
        _check_tls(config.tls_server_config)
    elif not config.basic_auth_users:
        raise DocumentError("", f"expected tls_server_config or basic_auth_users: nothing is protected; {_LEAVE_OUT}")


def _check_excluded(config: WebConfig) -> None:
    """Raise DocumentError for paths that are none, or that a cut file would open."""
    where = "auth_excluded_paths"
    for number, path in enumerate(config.auth_excluded_paths):
        if not _PATH.fullmatch(path):
            raise DocumentError(f"{where}[{number}]", "expected a path such as /-/healthy, and not /")
    if config.auth_excluded_paths and not config.basic_auth_users:
        raise DocumentError(where, "expected basic_auth_users beside it")


def _check_tls(tls: TlsServer) -> None:
    where = "tls_server_config"
    _expect_one_of(CLIENT_AUTH, tls.client_auth_type, f"{where}.client_auth_type")
    _expect_one_of(VERSIONS, tls.min_version, f"{where}.min_version")
    _expect_one_of(VERSIONS, tls.max_version, f"{where}.max_version")
    if tls.client_auth_type != "NoClientCert" and not tls.client_ca_file:
        raise DocumentError(f"{where}.client_ca_file", f"required with {tls.client_auth_type}, but missing")
    if tls.client_auth_type == "NoClientCert" and tls.client_ca_file:
        raise DocumentError(f"{where}.client_auth_type", "required with client_ca_file, but missing")
    if tls.max_version < tls.min_version:
        raise DocumentError(f"{where}.max_version", "expected not to be below min_version")


def _expect_one_of(known: Iterable[str], value: str, where: str, what: str = "the value") -> None:
    if value not in known:
        raise DocumentError(where, f"{named(what, value)} is not supported; expected one of {', '.join(known)}")
