"""Makes the TLS context of Python's ssl module from `tls_server_config`."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from access_exporter.config import files
from access_exporter.errors import DocumentError, named
from access_exporter.serving.client_names import NamedClients
from access_exporter.serving.web_tls import CIPHERS, CURVES, VERSIONS, WHERE, TlsServer


def tls_context(tls: TlsServer, folder: Path) -> ssl.SSLContext:
    """Return the TLS context for a checked configuration. Raises DocumentError if a certificate cannot be used."""
    for key, file in tls.files.items():
        _expect_readable(key, file, folder)
    context = _context(tls)
    context.minimum_version = VERSIONS[tls.min_version]
    context.maximum_version = VERSIONS[tls.max_version]
    context.verify_mode = tls.verify_mode
    _set_ciphers(context, tls)
    _set_curves(context, tls)
    _load_certificate(context, tls, folder)
    _load_client_ca(context, tls, folder)
    return context


def _context(tls: TlsServer) -> ssl.SSLContext:
    if not tls.client_allowed_sans:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context = NamedClients(ssl.PROTOCOL_TLS_SERVER)
    context.allow(tls.client_allowed_sans)
    return context


def _set_ciphers(context: ssl.SSLContext, tls: TlsServer) -> None:
    """Allow the configured cipher suites of TLS 1.2. As in Go, the suites of TLS 1.3 cannot be chosen."""
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    if ciphers := [CIPHERS[name] for name in tls.cipher_suites if name in CIPHERS]:
        context.set_ciphers(":".join(ciphers))
    elif tls.cipher_suites:
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _set_curves(context: ssl.SSLContext, tls: TlsServer) -> None:
    curves = [CURVES[name] for name in dict.fromkeys(tls.curve_preferences)]
    if not curves:
        return
    # Without this, a TLS 1.2 client that supports none of the curves could use DHE, which needs no curve.
    names = [cipher["name"] for cipher in context.get_ciphers()]
    context.set_ciphers(":".join(name for name in names if name.startswith("ECDHE-")))
    if len(curves) == 1:
        context.set_ecdh_curve(curves[0])
    else:
        context.set_groups(":".join(curves))  # type: ignore[attr-defined]  # of Python 3.15


def _load_certificate(context: ssl.SSLContext, tls: TlsServer, folder: Path) -> None:
    try:
        with _path(tls.cert, tls.cert_file, folder) as cert, _path(tls.key, tls.key_file, folder) as key:
            # With an empty password, an encrypted key is an error. Without it, OpenSSL would ask at the terminal.
            context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError):
        where, beside = ("cert" if tls.cert else "cert_file"), ("key" if tls.key else "key_file")
        problem = f"expected the certificate in PEM, and in {beside} its key in PEM without a password"
        raise DocumentError(f"{WHERE}.{where}", problem) from None


def _load_client_ca(context: ssl.SSLContext, tls: TlsServer, folder: Path) -> None:
    try:
        if tls.client_ca is not None:
            plain = tls.client_ca.encode("ascii", "replace").decode()  # text between certificates may be non-ASCII
            context.load_verify_locations(cadata=plain)
        elif tls.client_ca_file is not None:
            context.load_verify_locations(folder / tls.client_ca_file)
    except (OSError, ValueError):
        where = "client_ca" if tls.client_ca else "client_ca_file"
        raise DocumentError(f"{WHERE}.{where}", "expected certificates in PEM") from None


@contextmanager
def _path(text: str | None, file: str | None, folder: Path) -> Iterator[Path]:
    """Yield the path of a file, or of a file in memory with this text, because the ssl module reads keys from files."""
    if text is None:
        yield folder / str(file)
        return
    with os.fdopen(os.memfd_create("pem"), "wb", buffering=0) as memory:
        memory.write(text.encode())
        yield Path(f"/proc/self/fd/{memory.fileno()}")


def _expect_readable(key: str, file: str, folder: Path) -> None:
    try:
        files.check(folder / file)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else "this is not a path"
        raise DocumentError(f"{WHERE}.{key}", f"{named('the file', file)} cannot be read: {problem}") from None
