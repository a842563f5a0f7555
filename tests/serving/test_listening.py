"""Listen addresses: several addresses, host names, IPv4 and IPv6, and error messages."""

import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
import requests

from access_exporter.addresses import Address
from access_exporter.errors import CommandError
from access_exporter.serving.listening import listen
from tests import needs
from tests.processes import exporter
from tests.running_server import connect

V4, V6 = socket.AF_INET, socket.AF_INET6
Resolve = Callable[[dict[str, Sequence[str]]], None]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """Return a function that maps host names to addresses, as a hosts file does."""
    ask = socket.getaddrinfo

    def resolve(known: dict[str, Sequence[str]]) -> None:
        def answer(host: bytes, port: int, *, type: int) -> list[Any]:  # noqa: A002 – the name of getaddrinfo's parameter
            listed = known.get(host.decode(), [host.decode()])
            return [found for each in listed for found in ask(each, port, type=type)]

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    return resolve


def opened(*texts: str) -> list[tuple[int, str, int]]:
    """Listen on these addresses, stop, and return the family, host and port of each socket."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in listen(map(Address.parse, texts))]
        return [(each.family, *each.getsockname()[:2]) for each in listeners]


def refusal(*texts: str) -> str:
    """Return the error message of an attempt to listen on these addresses."""
    with pytest.raises(CommandError) as error:
        opened(*texts)
    return str(error.value)


def lacking(family: int) -> Callable[..., socket.socket]:
    """Return a replacement of `socket.create_server` for a machine without one family of addresses."""
    create = socket.create_server

    def create_server(*arguments: Any, **options: Any) -> socket.socket:
        if options["family"] == family:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(*arguments, **options)

    return create_server


def test_keep_alive() -> None:
    """After one minute of silence the kernel checks whether the client still exists (TCP keep-alive)."""
    (listener,) = listen([Address("127.0.0.1", 0)])
    with listener, connect(listener.getsockname()[1]), listener.accept()[0] as accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


@needs.ipv6
def test_several_addresses() -> None:
    """Each address gets its own socket."""
    assert [(family, host) for family, host, _ in opened("127.0.0.1:0", "127.0.0.2:0", "[::1]:0")] == [
        (V4, "127.0.0.1"),
        (V4, "127.0.0.2"),
        (V6, "::1"),
    ]


@needs.ipv6
def test_every_address() -> None:
    """Without a host, one socket serves IPv4 and IPv6; `0.0.0.0` serves only IPv4 and `[::]` only IPv6."""
    ((family, host, port),) = opened(":0")
    assert (family, host) == (V6, "::")
    assert opened(f"0.0.0.0:{port}", f"[::]:{port}") == [(V4, "0.0.0.0", port), (V6, "::", port)]  # noqa: S104 – closed at once
    with listen([Address("", 0)])[0] as listener:
        for loopback in ("127.0.0.1", "::1"):
            socket.create_connection((loopback, listener.getsockname()[1]), timeout=10).close()


def test_every_address_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6, an address without a host means every IPv4 address."""
    monkeypatch.setattr(socket, "create_server", lacking(V6))
    assert [place[:2] for place in opened(":0")] == [(V4, "0.0.0.0")]  # noqa: S104 – closed at once
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert [place[:2] for place in opened(":0")] == [(V4, "0.0.0.0")]  # noqa: S104 – closed at once


@needs.ipv6
def test_names(names: Resolve) -> None:
    """The exporter listens on every IPv4 and IPv6 address of a host name."""
    names({"six.example": ["::1"], "both.example": ["::1", "127.0.0.1", "::1"]})
    assert [place[:2] for place in opened("six.example:0")] == [(V6, "::1")]
    assert [place[:2] for place in opened("both.example:0")] == [(V6, "::1"), (V4, "127.0.0.1")]


def test_names_with_addresses_of_other_machines(names: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter skips addresses of a host name that belong to other machines; if none is left, that is an error."""
    names({"some.example": ["192.0.2.1", "127.0.0.1"], "none.example": ["192.0.2.1", "2001:db8::1"]})
    assert [place[:2] for place in opened("some.example:0")] == [(V4, "127.0.0.1")]
    assert refusal("none.example:10060") == (
        "cannot listen on none.example:10060: this machine does not have the address; "
        "--web.listen-address=:10060 serves all its addresses"
    )
    names({"both.example": ["::1", "127.0.0.1"]})
    monkeypatch.setattr(socket, "create_server", lacking(V6))
    assert [place[:2] for place in opened("both.example:0")] == [(V4, "127.0.0.1")]
    assert refusal("[::1]:0").startswith("cannot listen on [::1]:0: this machine does not have the address; ")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (":{}", "127.0.0.1:{}"),
        pytest.param(":{}", "[::1]:{}", marks=needs.ipv6),
        ("127.0.0.1:{}", ":{}"),
        ("localhost:{}", "127.0.0.1:{}"),
        ("0.0.0.0:{}", "127.0.0.1:{}"),
        pytest.param("[::1]:{}", "[0:0:0:0:0:0:0:1]:{}", marks=needs.ipv6),
    ],
)
def test_addresses_that_overlap(first: str, second: str) -> None:
    """If one listen address covers another, the error says so and does not blame another program."""
    ((_, _, port),) = opened(":0")
    assert refusal(first.format(port), second.format(port)) == (
        f"cannot listen on {second.format(port)}: another --web.listen-address serves it already; "
        "leave one of the two out"
    )


def test_a_port_in_use() -> None:
    """If a port is in use, the error names the port and suggests another; the exporter then listens nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ((_, _, free),) = opened("127.0.0.2:0")
        assert refusal(f"127.0.0.2:{free}", f"127.0.0.1:{port}") == (
            f"cannot listen on 127.0.0.1:{port}: the port is in use; "
            f"choose another one, such as --web.listen-address=127.0.0.1:{port + 1}"
        )
        assert opened(f"127.0.0.2:{free}") == [(V4, "127.0.0.2", free)]


@pytest.mark.parametrize(
    ("number", "address", "expected"),
    [
        (errno.EADDRINUSE, ":10060", "the port is in use; choose another one, such as --web.listen-address=:10061"),
        (
            errno.EADDRINUSE,
            "[::1]:65535",
            "the port is in use; choose another one, such as --web.listen-address=[::1]:10060",
        ),
        (
            errno.EACCES,
            ":80",
            "this process may not use the port; choose another one, such as --web.listen-address=:10060",
        ),
        (errno.EINVAL, "[fe80::1]:80", "Invalid argument"),
    ],
)
def test_refusals(monkeypatch: pytest.MonkeyPatch, number: int, address: str, expected: str) -> None:
    """If the system refuses an address, the error says why and may suggest another port."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert refusal(address) == f"cannot listen on {address}: {expected}"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "[::1%nowhere]", "x" * 300, "-"])
def test_unknown_names(host: str) -> None:
    """If a host name cannot be resolved, the error shows the host name."""
    assert refusal(f"{host}:10060").startswith(f"cannot listen on {host}:10060: the host name cannot be resolved (")


@needs.ipv6
def test_one_exporter_on_several_addresses() -> None:
    """The exporter logs each listen address with its port, and answers requests on each."""
    with exporter("--demo", "--web.listen-address=127.0.0.1:0", "--web.listen-address=[::1]:0") as running:
        second = running.wait_for("serving")
        assert second["address"].startswith("[::1]:")
        for url in (running.url, second["status_page"]):
            assert requests.get(url, timeout=10).status_code == 200
