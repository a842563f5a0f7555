"""The web configuration, the file of `--web.config.file`: TLS, basic auth, headers and rate limit of the web server.

The format is that of the exporter-toolkit (https://github.com/prometheus/exporter-toolkit/blob/master/docs/
web-configuration.md), plus `auth_excluded_paths`, which was proposed for it. An unsupported key or value is an error
that names it. An empty or truncated file is an error, because without its keys the pages would be unprotected.
"""

import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from access_exporter.config import files, strict_yaml
from access_exporter.errors import ConfigError, DocumentError
from access_exporter.serving import request_rate, web_tls
from access_exporter.serving.basic_auth import cost
from access_exporter.serving.web_tls import TlsServer, expect_one_of

USUAL_COST, MAX_COST = 12, 16  # bcrypt costs: a check takes 0.25 s and 4 s
MAX_BURST = 1_000_000_000

# The salt has 128 bits in 22 characters of six bits. So only four characters are possible at its end.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_PATH = re.compile(r"/[\w.~/-]+", re.ASCII)
_LEAVE_OUT = "to serve without protection, remove the flag --web.config.file"
_HEADER_VALUE = re.compile(r"([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?")
# The headers that the exporter-toolkit allows, and their allowed values. Empty: any value.
_HEADERS = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}


class HttpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`http_server_config`. `http2` has no effect, because the exporter only supports HTTP/1.1."""

    http2: bool = True
    headers: dict[str, str | int] = {}


class RateLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`rate_limit`: a limit on the requests of all clients together."""

    interval: str | int = 0
    burst: int = 0

    @property
    def seconds(self) -> float:
        """The seconds between two tokens; 0 means no limit. Raises ValueError if `interval` is not a duration."""
        return request_rate.seconds(self.interval)


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of the web configuration."""

    tls_server_config: TlsServer | None = None
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[str, str] = {}
    auth_excluded_paths: list[str] = []
    rate_limit: RateLimit = RateLimit()

    @property
    def asks_for_certificates(self) -> bool:
        """Whether the server refuses clients without a certificate."""
        tls = self.tls_server_config
        return tls is not None and tls.verify_mode == ssl.CERT_REQUIRED

    @property
    def headers(self) -> dict[str, str]:
        """The headers of every response, without those that have an empty value."""
        return {name: str(value) for name, value in self.http_server_config.headers.items() if value != ""}

    def warnings(self) -> Iterator[str]:
        """Yield a warning for each setting that is allowed but probably wrong."""
        tls = self.tls_server_config
        if tls and tls.verify_mode != ssl.CERT_NONE and not tls.has_client_ca:
            yield f"tls_server_config: {tls.client_auth_type} without client_ca_file: no certificate can be verified"
        if self.rate_limit.seconds and not self.rate_limit.burst:
            yield "rate_limit.burst is 0, so every request is refused; set burst"
        for number, hashed in enumerate(self.basic_auth_users.values(), start=1):
            if cost(hashed) > USUAL_COST:
                yield (
                    f"basic_auth_users: user {number} has a bcrypt cost of {cost(hashed)}: above {USUAL_COST}, "
                    "a check takes seconds"
                )


_SECTIONS = {
    "": WebConfig,
    "tls_server_config": TlsServer,
    "http_server_config": HttpServer,
    "rate_limit": RateLimit,
}


@contextmanager
def in_file(path: str) -> Iterator[None]:
    """Turn a DocumentError into a ConfigError that names the file."""
    try:
        yield
    except DocumentError as error:
        raise ConfigError(f"{path}: {error}") from None


def load(path: str) -> WebConfig:
    """Read and check the web configuration, but not the certificate files that it names.

    Raises ConfigError, which names the file, the key and the expected value.
    """
    if not path:
        raise ConfigError(f"--web.config.file: expected the name of a file; {_LEAVE_OUT}")
    with in_file(path):
        try:
            files.check(path)  # a named pipe would block the requests that reload the file
        except OSError as error:
            raise DocumentError("", f"cannot be read: {error.strerror}") from None
        tree = strict_yaml.read_words(path)
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
        if not config.tls_server_config and not config.basic_auth_users:
            raise DocumentError(
                "", f"expected tls_server_config or basic_auth_users: nothing is protected; {_LEAVE_OUT}"
            )
        return config


def _check_complete(mapping: Mapping[str, object], where: str) -> None:
    """Raise DocumentError for a key without a value, because the file may be truncated there."""
    for key, value in mapping.items():
        if value in (None, "") or (value == {} and key != "headers"):
            raise DocumentError(f"{where}{key}", "expected a value; the file may be truncated")
        if value == [] and key == "client_allowed_sans":
            raise DocumentError(f"{where}{key}", "expected at least one name: an empty list admits no client")


def _check(config: WebConfig) -> None:
    """Raise DocumentError for a value that has the right type but is not allowed."""
    for number, hashed in enumerate(config.basic_auth_users.values(), start=1):
        if _BCRYPT.fullmatch(hashed) and cost(hashed) > MAX_COST:
            problem = f"expected a bcrypt cost of at most {MAX_COST} for user {number}, got {cost(hashed)}"
            raise DocumentError("basic_auth_users", problem)
        if not _BCRYPT.fullmatch(hashed):
            problem = f"expected a bcrypt hash for user {number}, such as `htpasswd -nBC 10 ''` prints"
            raise DocumentError("basic_auth_users", problem)
    _check_headers(config.http_server_config.headers)
    _check_excluded(config)
    _check_rate(config.rate_limit)
    if config.tls_server_config:
        web_tls.check(config.tls_server_config)
        if config.http_server_config.http2:
            web_tls.check_http2(config.tls_server_config)


def _check_headers(headers: Mapping[str, str | int]) -> None:
    """Raise DocumentError for a header or value that the exporter-toolkit refuses or that is invalid in HTTP."""
    for name, value in headers.items():
        expect_one_of(_HEADERS, name, "http_server_config.headers", what="the header")
        where, known = f"http_server_config.headers.{name}", _HEADERS[name]
        if not _HEADER_VALUE.fullmatch(str(value)):
            raise DocumentError(where, "expected printable ASCII characters, and no space at either end")
        if known and str(value).lower() not in known:
            raise DocumentError(where, f"expected {' or '.join(known)}")


def _check_rate(limit: RateLimit) -> None:
    """Raise DocumentError if `interval` is not a duration or `burst` is out of range."""
    try:
        limit.seconds  # noqa: B018 – reading the property raises the error
    except ValueError as problem:
        raise DocumentError("rate_limit.interval", str(problem)) from None
    if not 0 <= limit.burst <= MAX_BURST:
        raise DocumentError("rate_limit.burst", f"expected a whole number from 0 to {MAX_BURST}")


def _check_excluded(config: WebConfig) -> None:
    """Raise DocumentError for an invalid path, and for paths without users, because the file may be truncated."""
    where = "auth_excluded_paths"
    for number, path in enumerate(config.auth_excluded_paths):
        if not _PATH.fullmatch(path):
            raise DocumentError(f"{where}[{number}]", "expected a path such as /-/healthy; / is not allowed")
    if config.auth_excluded_paths and not config.basic_auth_users:
        raise DocumentError(where, "expected basic_auth_users, too")
