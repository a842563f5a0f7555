"""The health check finds out whether the exporter works, even behind TLS and basic auth."""

import contextlib
import socket
from threading import Thread

import pytest

from access_exporter.commands import healthcheck
from tests import needs
from tests.processes import Exporter, exporter


def test_health_check_with_auth_and_tls(secured: Exporter) -> None:
    """The health check succeeds behind TLS and basic auth, without a password or a trusted certificate."""
    assert healthcheck.main([str(secured.port)]) == 0


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 0),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 1),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 1),
        (b"garbage\r\n\r\n", 1),
        (b"", 1),
    ],
)
def test_status_codes(answer: bytes, code: int) -> None:
    """Only status 200, 401 (password required) and 429 (rate limit) count as healthy."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = Thread(target=serve, daemon=True)
        thread.start()
        assert healthcheck.main([str(listener.getsockname()[1])]) == code
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@needs.ipv6
def test_ipv6_only() -> None:
    """The health check finds an exporter that listens only on IPv6."""
    with exporter("--demo", "--web.listen-address=[::1]:0") as running:
        assert healthcheck.main([str(running.port)]) == 0


@needs.ipv6
def test_every_listen_address() -> None:
    """With the addresses of --web.listen-address, the check succeeds only if the exporter answers on each of them."""
    with exporter("--demo", "--web.listen-address=127.0.0.2:0", "--web.listen-address=[::1]:0") as running:
        served = [f"127.0.0.2:{running.port}", running.wait_for("serving")["address"]]
        assert healthcheck.main(served) == 0
        assert healthcheck.main([f"0.0.0.0:{running.port}"]) == 1
        assert healthcheck.main([*served, f"127.0.0.1:{running.port}"]) == 1


@pytest.mark.parametrize("address", ["x", "", "70000", "127.0.0.1", "[::1]"])
def test_invalid_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An invalid address is a usage error of one line."""
    assert healthcheck.main([address]) == 2
    assert capsys.readouterr().err.startswith("access_exporter.commands.healthcheck: expected a port or an address; ")


def test_connection_refused() -> None:
    """The health check fails if the connection is refused."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert healthcheck.main([str(port)]) == 1
