"""An outage of Cloudflare, or a wrong server in its place: the last good numbers stay, and the next poll recovers."""

import itertools
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from access_exporter.cloudflare import transport
from access_exporter.simulator import Handler, Request, Simulator
from access_exporter.simulator.server import Fault as Serving
from tests.certificates import Authority
from tests.faults import resets
from tests.middlebox import middlebox
from tests.places import PLACES, Place, Story, cloudflare, fleet, timeout

pytestmark = pytest.mark.usefixtures("short_lists")


@dataclass(frozen=True)
class Outage:
    """An event that replaces the server during a request; `secure` says whether the server used TLS before."""

    name: str
    reason: str
    words: str
    begin: Callable[[Simulator, Path], AbstractContextManager[object]]
    secure: bool = True
    places: tuple[Place, ...] = PLACES


@contextmanager
def no_server(server: Simulator, _certificates: Path) -> Iterator[None]:
    """Stop the server, so that its port refuses connections."""
    server.stop()
    yield
    server.start()


@contextmanager
def silence(server: Simulator, certificates: Path) -> Iterator[None]:
    """Accept connections on the port, but send nothing."""
    address = urlsplit(server.url)
    with no_server(server, certificates), socket.create_server((str(address.hostname), address.port or 0)):
        yield


@contextmanager
def another(server: Simulator, certificates: Path, *, certificate: str | None) -> Iterator[None]:
    """Run another server on the port, with this certificate or without TLS."""
    address = urlsplit(server.url)
    with (
        no_server(server, certificates),
        cloudflare(
            address=(str(address.hostname), address.port or 0),
            ssl_context=None if certificate is None else tls(certificates, certificate),
        ),
    ):
        yield


@contextmanager
def no_names(server: Simulator, certificates: Path) -> Iterator[None]:
    """Stop the server and let all host names fail to resolve."""

    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "planted")

    with no_server(server, certificates), pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        yield


OUTAGES = [
    Outage("connection refused", "network", "connection refused", no_server),
    Outage("connection refused without TLS", "network", "connection refused", no_server, secure=False),
    Outage("DNS failure", "network", "the host name does not resolve", no_names),
    Outage("silence instead of TLS", "timeout", "no complete response", silence, places=PLACES[:2]),
    Outage("expired certificate", "network", "certificate has expired", partial(another, certificate="expired")),
    Outage("self-signed certificate", "network", "not valid: self", partial(another, certificate="self-signed")),
    Outage("certificate of another host", "network", "mismatch", partial(another, certificate="other-host")),
    Outage("HTTP on a TLS port", "network", "the TLS handshake failed", partial(another, certificate=None)),
    Outage(
        "TLS on an HTTP port", "network", "no complete response", partial(another, certificate="good"), secure=False
    ),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate authority, and valid and invalid certificates of the loopback address."""
    folder = tmp_path_factory.mktemp("tls")
    Authority(folder, "self-signed")
    authority = Authority(folder)
    authority.issue("good")
    authority.issue("expired", days=-1)
    authority.issue("other-host", host="planted.example")
    return folder


def tls(certificates: Path, name: str) -> ssl.SSLContext:
    """Return the TLS context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


# If a connection is reset before its handshake, Python leaves it to the garbage collector (ssl.SSLSocket._create).
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_outage(
    outage: Outage, certificates: Path, log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage before or during a poll, or a wrong server, is handled like any other fault."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "authority.pem"))
    for place in outage.places:
        with cloudflare(ssl_context=tls(certificates, "good") if outage.secure else None) as server:
            story = Story(server, (place,), log, timeout(outage.reason))
            with ExitStack() as stack:
                has_begun = Event()
                begin = partial(stack.enter_context, outage.begin(server, certificates))
                server.fault = begins(begin, has_begun, place)
                monkeypatch.setattr(story.clock, "sleep", partial(wait_for, has_begun))
                story.fail(outage.reason, outage.words)
                server.fault = None
            story.recover(outage.reason)


def wait_for(event: Event, seconds: float) -> None:
    """Sleep until the event is set."""
    assert event.wait(10)


def begins(outage: Callable[[], object], has_begun: Event, place: Place) -> Callable[[Request], Serving | None]:
    """Begin an outage at the first request for a place, and reset the connection of that request."""
    requests = itertools.count()

    def begin(handler: Handler) -> None:
        outage()
        has_begun.set()
        resets()(handler)

    return lambda request: begin if place.holds(request) and next(requests) == 0 else None


def test_an_address_that_drops_all_packets() -> None:
    """If one address of a host drops all packets, the exporter tries the next one, and all share the timeout."""
    resolve = socket.getaddrinfo
    with socket.socket() as everywhere, ExitStack() as stack:
        everywhere.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        everywhere.bind(("", 0))  # reserves a port that is free at both addresses
        port = everywhere.getsockname()[1]
        stack.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
        for _ in range(3):  # with a full queue, the system drops new connections
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.2", port))
        addresses = ["127.0.0.2", "127.0.0.2", "127.0.0.1"]

        def several(host: str, *arguments: Any, **more: Any) -> Any:
            hosts = addresses if host == "api.example" else [host]
            return [each for host in hosts for each in resolve(host, *arguments, **more)]

        stack.enter_context(pytest.MonkeyPatch.context()).setattr(socket, "getaddrinfo", several)
        stack.enter_context(cloudflare(address=("127.0.0.1", port)))
        exporter = fleet(f"http://api.example:{port}/client/v4", PLACES[:1], timeout=0.2)
        exporter.poll()
        assert exporter.health("users") == {"success": 1}
        addresses.remove("127.0.0.1")
        exporter = fleet(f"http://api.example:{port}/client/v4", PLACES[:1], timeout=0.2)
        exporter.poll()
        assert exporter.health("users") == {"success": 0, "timeout": 1}
        assert (
            exporter.registry.get_sample_value(
                "cloudflare_access_api_requests_total", {"endpoint": "users", "code": "timeout"}
            )
            == 4
        )


def test_a_firewall_that_drops_idle_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """If a firewall silently drops idle connections, no poll fails or waits for a timeout."""
    with cloudflare() as server, middlebox(server.url) as (between, url):
        exporter = fleet(url, PLACES[:2], timeout=10)
        exporter.poll()
        between.forget()
        later = transport.uptime() + transport.MOST_IDLE_SECONDS + 1
        monkeypatch.setattr(transport, "uptime", lambda: later)
        exporter.poll()
        assert not any("timeout" in exporter.health(place.account_id) for place in PLACES[:2])
        codes = {"endpoint": "users", "code": "timeout"}
        assert exporter.registry.get_sample_value("cloudflare_access_api_requests_total", codes) is None
