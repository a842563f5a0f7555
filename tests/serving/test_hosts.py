"""`--web.allowed-hosts`: the host names under which the exporter shows its pages."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_server import connect, everything, pages, serving, status
from tests.serving.web_files import HASH


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Return the port of an exporter with two allowed host names."""
    with serving(pages(allowed_hosts=["exporter.example.com", "Short"])) as port:
        yield port


def answer(port: int, host: str, target: str = "/", method: str = "GET") -> int:
    """Return the status of the response to a request with this `Host` header."""
    with connect(port) as client:
        client.sendall(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        return int(status(everything(client)).split()[1])


OWN = socket.gethostname()
ALLOWED = [
    *("127.0.0.1", "127.0.0.1:10060", "192.0.2.7", "[::1]", "[::1]:10060", "[2001:db8::1]:1", "[fe80::1%25eth0]"),
    *("localhost", "LOCALHOST:10060", "localhost.", OWN, f"{OWN.upper()}:10060", OWN.partition(".")[0]),
    *("exporter.example.com", "exporter.example.com:443", "Exporter.Example.COM.", "short", "short:"),
]
REFUSED = [
    *(
        "evil.example.com",
        "evil.example.com:10060",
        "example.com",
        "x.exporter.example.com",
        "exporter.example.com.evil",
    ),
    *(
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::1].evil.example",
        "[localhost]",
        "[127.0.0.1]",
    ),
    *(
        "",
        ":80",
        "127.1",
        "0x7f000001",
        "::1",
        "exporter.example.com:80:80",
        "exporter.example.com@evil.example",
        "a, b",
    ),
]


@pytest.mark.parametrize("host", ALLOWED)
def test_allowed_host(port: int, host: str) -> None:
    """IP addresses, names of this machine and listed names are allowed, in any case and with any port."""
    assert [answer(port, host, page) for page in ("/", "/metrics", "/metrics?name[]=x")] == [200] * 3


@pytest.mark.parametrize("host", REFUSED)
def test_other_host(port: int, host: str) -> None:
    """A request for any other host gets status 421 and sees no page."""
    assert [answer(port, host, page) for page in ("/", "/metrics", "/metrics?name[]=x", "/%6detrics")] == [421] * 4
    assert answer(port, host, "/", "HEAD") == 421


def test_other_paths(port: int) -> None:
    """Health probes, unknown paths and a refused reload are answered for any host, because they show no numbers."""
    paths = {"/-/healthy": 200, "/-/ready": 200, "/nowhere": 404}
    assert {path: answer(port, "evil.example.com", path) for path in paths} == paths
    assert answer(port, "evil.example.com", "/-/reload", "POST") == 403


def test_absolute_url(port: int) -> None:
    """If the request has an absolute URL, the host in the URL counts and not the `Host` header."""
    assert answer(port, "localhost", "http://evil.example.com/metrics") == 421
    assert answer(port, "evil.example.com", "http://localhost/metrics") == 200


def test_without_the_flag() -> None:
    """Without the flag every host name is allowed."""
    with serving(pages()) as port:
        assert answer(port, "evil.example.com", "/metrics") == 200


def test_an_empty_list() -> None:
    """An empty list allows only IP addresses and the names of this machine."""
    with serving(pages(allowed_hosts=())) as port:
        hosts = ("127.0.0.1", "localhost", OWN, "exporter.example.com")
        assert [answer(port, host) for host in hosts] == [200, 200, 200, 421]


def test_with_basic_auth(tmp_path: Path) -> None:
    """With basic auth, a wrong host gets 421 and no request for a password; an allowed host gets 401."""
    web = tmp_path / "web.yaml"
    web.write_text(f"basic_auth_users: {{alice: '{HASH}'}}\n", encoding="utf-8")
    with serving(pages(web, allowed_hosts=())) as port:
        assert [answer(port, host, "/metrics") for host in ("evil.example.com", "localhost")] == [421, 401]
