"""TLS, basic auth and headers of our own pages: the file of `--web.config.file`.

The format is that of the exporter-toolkit (https://github.com/prometheus/exporter-toolkit/blob/master/docs/
web-configuration.md); what is not supported is refused by name. The file, and the certificates it names, are read
again when they change: a mistake then keeps the settings before it.
"""

import logging
import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from access_exporter import strict_yaml
from access_exporter.auth import BasicAuth
from access_exporter.errors import ConfigError
from access_exporter.logs import facts
from access_exporter.strict_yaml import Mistake

log = logging.getLogger(__name__)

_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")
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
    client_auth_type: Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"] = "NoClientCert"
    min_version: Literal["TLS12", "TLS13"] = "TLS12"
    max_version: Literal["TLS12", "TLS13"] = "TLS13"


class HttpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`http_server_config`."""

    headers: dict[str, str] = {}


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, str] = {}


_SECTIONS = {"": WebConfig, "tls_server_config": TlsServer, "http_server_config": HttpServer}


class WebSettings:
    """What the file asks for, as it stands now."""

    def __init__(self, path: str | None = None) -> None:
        """Read the file; without one there is no TLS, no auth and no header. Raises ConfigError for a mistake in it."""
        self._path = path
        self._seen: object = None
        self._config = WebConfig()
        self.auth: BasicAuth | None = None
        self.context: ssl.SSLContext | None = None
        if path is not None:
            self._read(path)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that every answer carries."""
        return self._config.http_server_config.headers

    def refresh(self) -> None:
        """Read the files again if they changed; what cannot be used is logged, and the settings stay."""
        if self._path is None or self._state() == self._seen:
            return
        try:
            self._read(self._path)
        except ConfigError as error:
            log.error("web configuration not reloaded", extra=facts(error=error))
        else:
            log.info("web configuration reloaded")

    def _read(self, path: str) -> None:
        self._seen = self._state()
        config, context = load(path)
        if config.basic_auth_users != self._config.basic_auth_users:
            if self.auth:
                self.auth.close()
            self.auth = BasicAuth(config.basic_auth_users) if config.basic_auth_users else None
        self._config, self.context = config, context
        self._seen = self._state()

    def _state(self) -> object:
        """Return what differs after any of the files was written or replaced."""
        path = Path(self._path or "")
        tls = self._config.tls_server_config
        names = [tls.cert_file, tls.key_file, tls.client_ca_file] if tls else []
        return [_stamp(file) for file in (path, *(path.parent / name for name in names if name))]


def _stamp(path: Path) -> object:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def load(path: str) -> tuple[WebConfig, ssl.SSLContext | None]:
    """Read and check the file; raises ConfigError, with the file, the place and the expectation."""
    try:
        tree = strict_yaml.read(path)
        if tree is None:
            return WebConfig(), None
        if not isinstance(tree, dict):
            raise Mistake("", f"expected a mapping with the keys {', '.join(WebConfig.__struct_fields__)}")
        strict_yaml.check_known(tree, "", _SECTIONS)
        for where, section in tree.items():
            if isinstance(section, dict):
                strict_yaml.check_known(section, where, _SECTIONS)
        config = strict_yaml.convert({key: value for key, value in tree.items() if value is not None}, WebConfig)
        _check(config)
        tls = config.tls_server_config
        return config, _context(tls, Path(path).parent) if tls else None
    except Mistake as mistake:
        raise ConfigError(f"{path}: {mistake}") from None
    except RecursionError:
        raise ConfigError(f"{path}: expected less nesting") from None


def _check(config: WebConfig) -> None:
    """Raise Mistake for what the types cannot say."""
    for number, (name, hashed) in enumerate(config.basic_auth_users.items(), start=1):
        if not name or ":" in name:
            raise Mistake("basic_auth_users", f"expected names without a colon, which entry {number} is not")
        if not _BCRYPT.fullmatch(hashed):
            raise Mistake(f"basic_auth_users.{name}", "expected a bcrypt hash, such as `htpasswd -nBC 10 ''` prints")
    for name, value in config.http_server_config.headers.items():
        where = f"http_server_config.headers.{name}"
        if name not in _HEADERS:
            raise Mistake(where, f"not supported; expected one of {', '.join(_HEADERS)}")
        if not _HEADER_VALUE.fullmatch(value):
            raise Mistake(where, "expected printable ASCII characters")
    if config.tls_server_config:
        _check_tls(config.tls_server_config)


def _check_tls(tls: TlsServer) -> None:
    if tls.client_auth_type == "RequireAndVerifyClientCert" and not tls.client_ca_file:
        raise Mistake("tls_server_config.client_ca_file", "required with RequireAndVerifyClientCert, but missing")
    if tls.client_auth_type == "NoClientCert" and tls.client_ca_file:
        raise Mistake("tls_server_config.client_auth_type", "required with client_ca_file, but missing")
    if tls.max_version < tls.min_version:
        raise Mistake("tls_server_config.max_version", "expected not to be below min_version")


def _context(tls: TlsServer, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.verify_mode = _CLIENT_AUTH[tls.client_auth_type]
    for name in ("cert_file", "key_file", "client_ca_file"):
        _readable(name, getattr(tls, name), folder)
    try:
        # An empty password, so that a key that has one is an error and not a question at a terminal.
        context.load_cert_chain(folder / tls.cert_file, folder / tls.key_file, password="")
    except (OSError, ValueError):
        problem = "expected the certificate in PEM, and in key_file its key in PEM without a password"
        raise Mistake("tls_server_config.cert_file", problem) from None
    if tls.client_ca_file:
        try:
            context.load_verify_locations(folder / tls.client_ca_file)
        except (OSError, ValueError):
            raise Mistake("tls_server_config.client_ca_file", "expected certificates in PEM") from None
    return context


def _readable(name: str, file: str | None, folder: Path) -> None:
    try:
        if file is not None:
            (folder / file).open("rb").close()
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "this is not a path"
        raise Mistake(f"tls_server_config.{name}", f"the file {file!r} cannot be read: {problem}") from None
