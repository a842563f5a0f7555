"""Describes a failed connection for a log line, and finds out whether it can have sent a request."""

import ssl
from collections.abc import Iterator

import requests
import urllib3

from access_exporter.cloudflare import authorities

_CONNECTING = "failed_while_connecting"

_NETWORK_WORDS: dict[type[BaseException], str] = {
    urllib3.exceptions.NameResolutionError: "the host name does not resolve",
    ssl.SSLError: "the TLS handshake failed",
    ConnectionRefusedError: "connection refused",
    requests.exceptions.InvalidSchema: "this kind of proxy is not supported",
    requests.exceptions.InvalidURL: "the address of the proxy cannot be used",
    UnicodeError: "the address of the proxy cannot be used",  # its password has characters outside Latin-1
    urllib3.exceptions.IncompleteRead: "the response ended early",
    ConnectionError: "connection reset",
    requests.exceptions.InvalidHeader: "the response was not HTTP or ended early",
    urllib3.exceptions.ProtocolError: "the response was not HTTP or ended early",
}


def in_words(error: BaseException) -> str:
    """Describe why a connection failed. The library's own message is not used: it may hold the proxy's password."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate of the server is not valid: {cause.verify_message}"
        if _is_about_authorities(cause):
            trusted = authorities.from_environment()
            where = f" that {trusted.variable} names" if trusted else ""
            return f"the certificate authorities{where} cannot be used"
    at_the_proxy = any(isinstance(cause, urllib3.exceptions.ProxyError) for cause in causes)
    for kind, words in _NETWORK_WORDS.items():
        if any(isinstance(cause, kind) for cause in causes):
            return f"at the proxy, {words}" if at_the_proxy else words
    return "the proxy did not let the connection through" if at_the_proxy else "the connection failed"


def mark_as_connecting(error: Exception) -> None:
    """Mark an error as raised before the connection was made. The mark stays if a library wraps the error."""
    setattr(error, _CONNECTING, True)


def was_not_sent(error: BaseException) -> bool:
    """Return whether the request certainly was not sent, because there was no connection."""
    if isinstance(error, requests.exceptions.InvalidSchema) or _is_about_authorities(error):
        return True
    return any(hasattr(cause, _CONNECTING) for cause in _causes(error))


def _is_about_authorities(error: BaseException) -> bool:
    """Return whether the file or folder of certificate authorities is missing, unreadable or invalid."""
    if isinstance(error, ssl.SSLError):
        return error.library in ("X509", "PEM")  # "SSL" is about the connection to the server
    if isinstance(error, urllib3.exceptions.SSLError) and error.args:
        return isinstance(error.args[0], OSError) and not isinstance(error.args[0], ssl.SSLError)
    return type(error) is OSError and "CA certificate" in str(error)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        inner = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
        error = next((cause for cause in inner if isinstance(cause, BaseException)), None)
