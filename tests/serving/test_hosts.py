"""`--web.allowed-hosts`: which names lead to the pages."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_server import connect, everything, pages, serving, status
from tests.serving.web_files import HASH


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of an exporter that is called two names."""
    with serving(pages(allowed_hosts=["exporter.example.com", "Short"])) as port:
        yield port


def answer(port: int, host: str, target: str = "/", method: str = "GET") -> int:
    """Return the status of an answer to a request with this `Host`."""
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
def test_allowed(port: int, host: str) -> None:
    """Addresses, this machine's names and those that are listed lead to the pages, in any case and with any port."""
    assert [answer(port, host, page) for page in ("/", "/metrics", "/metrics?name[]=x")] == [200] * 3


@pytest.mark.parametrize("host", REFUSED)
def test_refused(port: int, host: str) -> None:
    """Every other name is refused before anything is shown."""
    assert [answer(port, host, page) for page in ("/", "/metrics", "/metrics?name[]=x", "/%6detrics")] == [421] * 4
    assert answer(port, host, "/", "HEAD") == 421


def test_other_paths(port: int) -> None:
    """Probes and a refused reload answer to every name, since they show no number."""
    paths = {"/-/healthy": 200, "/-/ready": 200, "/nowhere": 404}
    assert {path: answer(port, "evil.example.com", path) for path in paths} == paths
    assert answer(port, "evil.example.com", "/-/reload", "POST") == 403


def test_a_whole_address(port: int) -> None:
    """The host of a whole address counts, not the `Host` beside it."""
    assert answer(port, "localhost", "http://evil.example.com/metrics") == 421
    assert answer(port, "evil.example.com", "http://localhost/metrics") == 200


def test_without_the_flag() -> None:
    """Without the flag every name leads to the pages."""
    with serving(pages()) as port:
        assert answer(port, "evil.example.com", "/metrics") == 200


def test_an_empty_list() -> None:
    """An empty list allows addresses and names of this machine."""
    with serving(pages(allowed_hosts=())) as port:
        hosts = ("127.0.0.1", "localhost", OWN, "exporter.example.com")
        assert [answer(port, host) for host in hosts] == [200, 200, 200, 421]


def test_beside_basic_auth(tmp_path: Path) -> None:
    """Beside basic auth, a refused name is not asked for a password, and an allowed one is."""
    web = tmp_path / "web.yaml"
    web.write_text(f"basic_auth_users: {{alice: '{HASH}'}}\n", encoding="utf-8")
    with serving(pages(web, allowed_hosts=())) as port:
        assert [answer(port, host, "/metrics") for host in ("evil.example.com", "localhost")] == [421, 401]
