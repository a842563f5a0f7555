"""Addresses to serve on: several of them, host names, both families, and what is wrong with those that fail."""

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
    """Lets host names mean addresses, as a hosts file does."""
    ask = socket.getaddrinfo

    def resolve(known: dict[str, Sequence[str]]) -> None:
        def answer(host: bytes, port: int, *, type: int) -> list[Any]:  # noqa: A002 – that of getaddrinfo
            listed = known.get(host.decode(), [host.decode()])
            return [found for each in listed for found in ask(each, port, type=type)]

        monkeypatch.setattr(socket, "getaddrinfo", answer)

    return resolve


def opened(*texts: str) -> list[tuple[int, str, int]]:
    """Return the family, the host and the port of each socket that serves these addresses, and close them."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(each) for each in listen(map(Address.parse, texts))]
        return [(each.family, *each.getsockname()[:2]) for each in listeners]


def refusal(*texts: str) -> str:
    """Return why these addresses are not served."""
    with pytest.raises(CommandError) as error:
        opened(*texts)
    return str(error.value)


def lacking(family: int) -> Callable[..., socket.socket]:
    """Return what opens sockets on a machine without a family of addresses."""
    create = socket.create_server

    def create_server(*arguments: Any, **options: Any) -> socket.socket:
        if options["family"] == family:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return create(*arguments, **options)

    return create_server


def test_keep_alive() -> None:
    """The system asks a silent client from a minute on whether it is still there."""
    (listener,) = listen([Address("127.0.0.1", 0)])
    with listener, connect(listener.getsockname()[1]), listener.accept()[0] as accepted:
        assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60


@needs.ipv6
def test_several_addresses() -> None:
    """Each address gets a socket of its own."""
    assert [(family, host) for family, host, _ in opened("127.0.0.1:0", "127.0.0.2:0", "[::1]:0")] == [
        (V4, "127.0.0.1"),
        (V4, "127.0.0.2"),
        (V6, "::1"),
    ]


@needs.ipv6
def test_every_address() -> None:
    """Without a host a single socket serves IPv4 and IPv6; `0.0.0.0` and `[::]` serve one of them each."""
    ((family, host, port),) = opened(":0")
    assert (family, host) == (V6, "::")
    assert opened(f"0.0.0.0:{port}", f"[::]:{port}") == [(V4, "0.0.0.0", port), (V6, "::", port)]  # noqa: S104 – at once closed
    with listen([Address("", 0)])[0] as listener:
        for loopback in ("127.0.0.1", "::1"):
            socket.create_connection((loopback, listener.getsockname()[1]), timeout=10).close()


def test_every_address_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without IPv6, no host means every IPv4 address."""
    monkeypatch.setattr(socket, "create_server", lacking(V6))
    assert [place[:2] for place in opened(":0")] == [(V4, "0.0.0.0")]  # noqa: S104 – at once closed
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert [place[:2] for place in opened(":0")] == [(V4, "0.0.0.0")]  # noqa: S104 – at once closed


@needs.ipv6
def test_names(names: Resolve) -> None:
    """A host name is served at every address it has, of both families."""
    names({"six.example": ["::1"], "both.example": ["::1", "127.0.0.1", "::1"]})
    assert [place[:2] for place in opened("six.example:0")] == [(V6, "::1")]
    assert [place[:2] for place in opened("both.example:0")] == [(V6, "::1"), (V4, "127.0.0.1")]


def test_names_with_addresses_of_other_machines(names: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses of a host name that this machine does not have are left out, unless it has none of them."""
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
    """An address that another one covers is a clear error, which does not speak of other programs."""
    ((_, _, port),) = opened(":0")
    assert refusal(first.format(port), second.format(port)) == (
        f"cannot listen on {second.format(port)}: another --web.listen-address serves it already; "
        "leave one of the two out"
    )


def test_a_port_in_use() -> None:
    """If a port is in use, the error says which one and names another; no other address is served meanwhile."""
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
    """What the system refuses is said in words, with another port to choose."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(socket, "create_server", refuse)
    assert refusal(address) == f"cannot listen on {address}: {expected}"


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "[::1%nowhere]", "x" * 300, "-"])
def test_unknown_names(host: str) -> None:
    """A host that does not exist is an error that names it."""
    assert refusal(f"{host}:10060").startswith(f"cannot listen on {host}:10060: the host name cannot be resolved (")


@needs.ipv6
def test_one_exporter_on_several_addresses() -> None:
    """The exporter logs each address with the port it has, and answers at each."""
    with exporter("--demo", "--web.listen-address=127.0.0.1:0", "--web.listen-address=[::1]:0") as running:
        second = running.wait_for("serving")
        assert second["address"].startswith("[::1]:")
        for url in (running.url, second["status_page"]):
            assert requests.get(url, timeout=10).status_code == 200
