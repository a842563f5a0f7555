"""TLS alerts, and how TLS connections end."""

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.running_server import REQUEST, answered, connect, everything, pages, serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def port(authority: Authority) -> Iterator[int]:
    """Return the port of a server that requires client certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server").files)
    context.load_verify_locations(authority.cert)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(pages(), lambda: context) as port:
        yield port


def encrypted(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    return context.wrap_socket(connect(port), server_hostname="127.0.0.1")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("stranger", [False, True])
def test_alert_names_the_fault(
    authority: Authority, port: int, tmp_path: Path, version: ssl.TLSVersion, *, stranger: bool
) -> None:
    """A client without a certificate, or with one of an unknown authority, gets the TLS alert for that error."""
    context = authority.client_context()
    context.minimum_version = context.maximum_version = version
    if stranger:
        context.load_cert_chain(*Authority(tmp_path, "stranger").issue("strange").files)
    with pytest.raises(ssl.SSLError) as refused, encrypted(port, context) as client:
        client.recv(1)  # in TLS 1.3 the client's handshake ends before the server checks its certificate
    assert refused.value.reason in (
        ("TLSV1_ALERT_UNKNOWN_CA",)
        if stranger
        else ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
    )


def test_plain_http(port: int) -> None:
    """A client that sends plain HTTP gets no response, and the server closes its connection."""
    with connect(port) as client:
        client.sendall(REQUEST)
        assert REQUEST not in everything(client)


def test_close_notify_of_the_server(authority: Authority, port: int) -> None:
    """The server sends close_notify before it closes, so that the client knows that the response is complete."""
    context = authority.client_context()
    context.load_cert_chain(*authority.issue("client").files)
    with context.wrap_socket(connect(port), server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client:
        client.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert everything(client).startswith(b"HTTP/1.1 200 OK")


def test_close_notify_of_the_client(authority: Authority, port: int) -> None:
    """If a client sends close_notify after its response, the server sends close_notify too and closes."""
    context = authority.client_context()
    context.load_cert_chain(*authority.issue("client").files)
    with encrypted(port, context) as client:
        assert answered(client) == b"HTTP/1.1 200 OK"
        assert isinstance(client.unwrap(), socket.socket)  # unwrap waits for the server's close_notify
