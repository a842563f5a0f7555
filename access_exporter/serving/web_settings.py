"""The current settings of the web server, from the web configuration (the file of `--web.config.file`).

The server reads the web configuration and its certificate files again when they change. If the new files have an error,
the previous settings stay in use.
"""

import logging
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from time import monotonic

from access_exporter.errors import ConfigError, DocumentError
from access_exporter.logs import facts
from access_exporter.serving.basic_auth import BasicAuth
from access_exporter.serving.hosts import AllowedHosts
from access_exporter.serving.request_rate import RequestRate
from access_exporter.serving.tls_context import tls_context
from access_exporter.serving.web_config import RateLimit, WebConfig, in_file, load
from access_exporter.serving.web_tls import TlsServer

log = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 10


class WebSettings:
    """The current settings of the web server."""

    def __init__(self, path: str | None = None, allowed_hosts: Iterable[str] | None = None) -> None:
        """Read the web configuration; without a file, use no TLS, auth or headers. Raises ConfigError if it is wrong.

        `allowed_hosts` are the host names that a request may have in its `Host` header; None allows every name.
        """
        self.hosts = None if allowed_hosts is None else AllowedHosts(allowed_hosts)
        self._path = path
        self._seen: dict[Path, object] = {}
        self._certificates: dict[Path, object] = {}
        self._last_error = ""
        self._try_again_at = float("inf")  # monotonic clock
        self.config = WebConfig()
        self.auth: BasicAuth | None = None
        self.context: ssl.SSLContext | None = None
        self.rate = _rate(self.config.rate_limit)
        if path is not None:
            self._read(path)

    @property
    def headers(self) -> Mapping[str, str]:
        """The configured headers of every response."""
        return self.config.headers

    def refresh(self) -> None:
        """Read the files again if they changed. On an error, log it, keep the settings, and try again after 10 s."""
        if not self._path or (self._seen == _stamps(self._seen) and monotonic() < self._try_again_at):
            return
        self._try_again_at = float("inf")
        try:
            self._read(self._path)
        except ConfigError as error:
            self._try_again_at = monotonic() + TRY_AGAIN_SECONDS
            if str(error) != self._last_error:
                log.error("web configuration not reloaded", extra=facts(error=error))
            self._last_error = str(error)
        else:
            self._last_error = ""
            log.info("web configuration reloaded")

    def _read(self, path: str) -> None:
        """Use the settings in the files. If the configuration has an error, still renew the certificates in use."""
        # Stamp each file before reading it: if it changes in between, the next call sees a new stamp.
        self._seen = _stamps([Path(path)])
        config, failure = self.config, None
        try:
            config = load(path)
            with in_file(path):
                _check_not_weaker(self.config, config)
        except ConfigError as error:
            config, failure = self.config, error
        tls, folder = config.tls_server_config, Path(path).parent
        certificates = _stamps(folder / file for file in tls.files.values()) if tls else {}
        self._seen |= certificates
        if failure is None or certificates != self._certificates:
            with in_file(path):
                self.context = tls_context(tls, folder) if tls else None
            self._certificates = certificates
        if config.basic_auth_users != self.config.basic_auth_users:
            self.auth = BasicAuth(config.basic_auth_users, self.auth) if config.basic_auth_users else None
        if config.rate_limit != self.config.rate_limit:
            self.rate = _rate(config.rate_limit)
        if failure is None:
            for warning in config.warnings():
                log.warning("web configuration warning", extra=facts(warning=warning))
        self.config = config
        if failure:
            raise failure


def _stamps(paths: Iterable[Path]) -> dict[Path, object]:
    """Return a stamp for each file, which changes when the file is written, replaced or gets other permissions."""
    return {path: _stamp(path) for path in paths}


def _stamp(file: Path) -> object:
    try:
        stat = file.stat()
    except (OSError, ValueError):
        return None
    return stat.st_ino, stat.st_ctime_ns, stat.st_size


def _rate(limit: RateLimit) -> RequestRate:
    return RequestRate(limit.seconds, limit.burst)


def _check_not_weaker(before: WebConfig, config: WebConfig) -> None:
    """Raise DocumentError if the new configuration protects less, because the file may be only half written."""
    gone = "less protection than before; only a restart applies this, because the file may be truncated"
    if before.basic_auth_users and not config.basic_auth_users:
        raise DocumentError("basic_auth_users", gone)
    if before.tls_server_config and not config.tls_server_config:
        raise DocumentError("tls_server_config", gone)
    if before.asks_for_certificates and not config.asks_for_certificates:
        raise DocumentError("tls_server_config.client_auth_type", gone)
    if before.tls_server_config and config.tls_server_config:
        _check_tls_not_weaker(before.tls_server_config, config.tls_server_config, gone)


def _check_tls_not_weaker(before: TlsServer, tls: TlsServer, gone: str) -> None:
    if tls.min_version < before.min_version:
        raise DocumentError("tls_server_config.min_version", gone)
    for key in ("client_allowed_sans", "cipher_suites", "curve_preferences"):
        if getattr(before, key) and not getattr(tls, key):
            raise DocumentError(f"tls_server_config.{key}", gone)
