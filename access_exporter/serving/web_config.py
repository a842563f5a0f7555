"""TLS, basic auth and headers of our own pages: the file of `--web.config.file`.

The format is that of the exporter-toolkit (https://github.com/prometheus/exporter-toolkit/blob/master/docs/
web-configuration.md); what is not supported is refused by name. The file, and the certificates it names, are read
again when they change: a mistake then keeps the settings before it.
"""

import logging
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import msgspec

from access_exporter.config import files, strict_yaml
from access_exporter.errors import ConfigError, DocumentError, named
from access_exporter.logs import facts
from access_exporter.serving.basic_auth import BasicAuth

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 10

# The salt has 128 bits in 22 characters of six bits: the last one can only be one of four.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_HEADER_VALUE = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
# The ones the exporter-toolkit takes.
_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
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

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients without a certificate are refused."""
        tls = self.tls_server_config
        return tls is not None and tls.client_auth_type == "RequireAndVerifyClientCert"


_SECTIONS = {"": WebConfig, "tls_server_config": TlsServer, "http_server_config": HttpServer}


class WebSettings:
    """What the file asks for, as it stands now."""

    def __init__(self, path: str | None = None) -> None:
        """Read the file; without one there is no TLS, no auth and no header. Raises ConfigError for a mistake in it."""
        self._path = path
        self._seen: dict[Path, object] = {}
        self._certificates: dict[Path, object] = {}
        self._mistake = ""
        self._try_again_at = float("inf")  # monotonic
        self.config = WebConfig()
        self.auth: BasicAuth | None = None
        self.context: ssl.SSLContext | None = None
        if path:
            self._read(path)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that every answer carries."""
        return self.config.http_server_config.headers

    def refresh(self) -> None:
        """Read the files again if they changed; what cannot be used is logged and tried again, and settings stay."""
        if not self._path or (self._seen == _stamps(self._seen) and monotonic() < self._try_again_at):
            return
        self._try_again_at = float("inf")
        try:
            self._read(self._path)
        except ConfigError as error:
            self._try_again_at = monotonic() + TRY_AGAIN_SECONDS
            if str(error) != self._mistake:
                log.error("web configuration not reloaded", extra=facts(error=error))
            self._mistake = str(error)
        else:
            self._mistake = ""
            log.info("web configuration reloaded")

    def _read(self, path: str) -> None:
        """Use what the files hold. Where the configuration has a mistake, certificates of the one before may be new."""
        # A file is looked at before it is read, so that a change in between is seen the next time.
        self._seen = _stamps([Path(path)])
        config, mistake = self.config, None
        try:
            config = load(path)
            with _named(path):
                _check_not_weaker(self.config, config)
        except ConfigError as error:
            config, mistake = self.config, error
        tls, folder = config.tls_server_config, Path(path).parent
        certificates = _stamps(folder / file for file in tls.files.values()) if tls else {}
        self._seen |= certificates
        if mistake is None or certificates != self._certificates:
            with _named(path):
                self.context = _context(tls, folder) if tls else None
            self._certificates = certificates
        if config.basic_auth_users != self.config.basic_auth_users:
            self.auth = BasicAuth(config.basic_auth_users, self.auth) if config.basic_auth_users else None
        self.config = config
        if mistake:
            raise mistake


def _stamps(paths: Iterable[Path]) -> dict[Path, object]:
    """Return, by file, what differs after it was written, replaced or given other permissions."""
    return {path: _stamp(path) for path in paths}


def _stamp(file: Path) -> object:
    try:
        stat = file.stat()
    except (OSError, ValueError):
        return None
    return stat.st_ino, stat.st_ctime_ns, stat.st_size


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Turn a mistake into a ConfigError that names the file."""
    try:
        yield
    except DocumentError as mistake:
        raise ConfigError(f"{path}: {mistake}") from None


def load(path: str) -> WebConfig:
    """Read and check the file, but not those it names.

    Raises ConfigError, with the file, the place and the expectation.
    """
    with _named(path):
        try:
            files.check(path)  # whoever asks for a page waits for it
        except OSError as error:
            raise DocumentError("", f"cannot be read: {error.strerror}") from None
        tree = strict_yaml.read(path)
        if tree is None:
            return WebConfig()
        if not isinstance(tree, dict):
            raise DocumentError("", f"expected a mapping with the keys {', '.join(WebConfig.__struct_fields__)}")
        strict_yaml.check_known(tree, "", _SECTIONS)
        given = {key: value for key, value in tree.items() if value is not None}
        for where, section in given.items():
            if isinstance(section, dict) and where in _SECTIONS:
                strict_yaml.check_known(section, where, _SECTIONS)
                given[where] = {key: value for key, value in section.items() if value is not None}
        config = strict_yaml.convert(given, WebConfig)
        _check(config)
        return config


def _check(config: WebConfig) -> None:
    """Raise DocumentError for what the types cannot say."""
    for number, hashed in enumerate(config.basic_auth_users.values(), start=1):
        if not _BCRYPT.fullmatch(hashed):
            problem = f"expected a bcrypt hash for user {number}, such as `htpasswd -nBC 10 ''` prints"
            raise DocumentError("basic_auth_users", problem)
    for name, value in config.http_server_config.headers.items():
        _expect_one_of(_HEADERS, name, "http_server_config.headers", what="the header")
        if not _HEADER_VALUE.fullmatch(value):
            raise DocumentError(
                f"http_server_config.headers.{name}", "expected printable ASCII characters, and no space at either end"
            )
    if config.tls_server_config:
        _check_tls(config.tls_server_config)


def _check_not_weaker(before: WebConfig, config: WebConfig) -> None:
    """Raise DocumentError where what protects is gone: a file that is just being written looks like that, too."""
    gone = "taken away; that needs a restart, so that half a file opens nothing"
    if before.basic_auth_users and not config.basic_auth_users:
        raise DocumentError("basic_auth_users", gone)
    if before.tls_server_config and not config.tls_server_config:
        raise DocumentError("tls_server_config", gone)
    if before.asks_for_certificates and not config.asks_for_certificates:
        raise DocumentError("tls_server_config.client_auth_type", gone)
    tls, new = before.tls_server_config, config.tls_server_config
    if tls and new and new.min_version < tls.min_version:
        raise DocumentError("tls_server_config.min_version", gone)


def _check_tls(tls: TlsServer) -> None:
    where = "tls_server_config"
    _expect_one_of(_CLIENT_AUTH, tls.client_auth_type, f"{where}.client_auth_type")
    _expect_one_of(_VERSIONS, tls.min_version, f"{where}.min_version")
    _expect_one_of(_VERSIONS, tls.max_version, f"{where}.max_version")
    if tls.client_auth_type != "NoClientCert" and not tls.client_ca_file:
        raise DocumentError(f"{where}.client_ca_file", f"required with {tls.client_auth_type}, but missing")
    if tls.client_auth_type == "NoClientCert" and tls.client_ca_file:
        raise DocumentError(f"{where}.client_auth_type", "required with client_ca_file, but missing")
    if tls.max_version < tls.min_version:
        raise DocumentError(f"{where}.max_version", "expected not to be below min_version")


def _expect_one_of(known: Iterable[str], value: str, where: str, what: str = "the value") -> None:
    if value not in known:
        raise DocumentError(where, f"{named(what, value)} is not supported; expected one of {', '.join(known)}")


def _context(tls: TlsServer, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.verify_mode = _CLIENT_AUTH[tls.client_auth_type]
    for key, file in tls.files.items():
        _expect_readable(key, file, folder)
    try:
        # An empty password, so that a key that has one is an error and not a question at a terminal.
        context.load_cert_chain(folder / tls.cert_file, folder / tls.key_file, password="")
    except (OSError, ValueError):
        problem = "expected the certificate in PEM, and in key_file its key in PEM without a password"
        raise DocumentError("tls_server_config.cert_file", problem) from None
    if tls.client_ca_file:
        try:
            context.load_verify_locations(folder / tls.client_ca_file)
        except (OSError, ValueError):
            raise DocumentError("tls_server_config.client_ca_file", "expected certificates in PEM") from None
    return context


def _expect_readable(key: str, file: str, folder: Path) -> None:
    try:
        files.check(folder / file)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "this is not a path"
        raise DocumentError(
            f"tls_server_config.{key}", f"{named('the file', file)} cannot be read: {problem}"
        ) from None
