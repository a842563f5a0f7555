"""What the web configuration asks for, as it stands now.

The file of `--web.config.file`, and the certificates it names, are read again when they change: a mistake then keeps
the settings before it.
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
    """What the file asks for, as it stands now."""

    def __init__(self, path: str | None = None, allowed_hosts: Iterable[str] | None = None) -> None:
        """Read the file; without one there is no TLS, no auth and no header. Raises ConfigError for a mistake in it.

        The pages answer only to the allowed hosts; None means to every host.
        """
        self.hosts = None if allowed_hosts is None else AllowedHosts(allowed_hosts)
        self._path = path
        self._seen: dict[Path, object] = {}
        self._certificates: dict[Path, object] = {}
        self._mistake = ""
        self._try_again_at = float("inf")  # monotonic
        self.config = WebConfig()
        self.auth: BasicAuth | None = None
        self.context: ssl.SSLContext | None = None
        self.rate = _rate(self.config.rate_limit)
        if path is not None:
            self._read(path)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that every answer carries."""
        return self.config.headers

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
            with in_file(path):
                _check_not_weaker(self.config, config)
        except ConfigError as error:
            config, mistake = self.config, error
        tls, folder = config.tls_server_config, Path(path).parent
        certificates = _stamps(folder / file for file in tls.files.values()) if tls else {}
        self._seen |= certificates
        if mistake is None or certificates != self._certificates:
            with in_file(path):
                self.context = tls_context(tls, folder) if tls else None
            self._certificates = certificates
        if config.basic_auth_users != self.config.basic_auth_users:
            self.auth = BasicAuth(config.basic_auth_users, self.auth) if config.basic_auth_users else None
        if config.rate_limit != self.config.rate_limit:
            self.rate = _rate(config.rate_limit)
        if mistake is None:
            for warning in config.warnings():
                log.warning("web configuration warning", extra=facts(warning=warning))
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


def _rate(limit: RateLimit) -> RequestRate:
    return RequestRate(limit.seconds, limit.burst)


def _check_not_weaker(before: WebConfig, config: WebConfig) -> None:
    """Raise DocumentError where what protects is gone: a file that is just being written looks like that, too."""
    gone = "taken away; that needs a restart, so that half a file opens nothing"
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
