"""Whatever Cloudflare or the network does: the last good numbers stay, one line says why, the next poll recovers."""

import itertools
import logging
import signal
import socket
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from access_exporter import simulator
from access_exporter.cloudflare import pagination
from access_exporter.config.durations import Duration, Interval
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config, PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.logs import LogfmtFormatter
from access_exporter.simulator import Account, Handler, PolicyTestUser, Request, Simulator, User
from access_exporter.simulator.account import Life
from access_exporter.simulator.server import Fault as Serving
from tests.certificates import Authority, openssl
from tests.fakes import FakeClock
from tests.fault_table import FAULTS
from tests.faults import ALL, Fault, answers, resets
from tests.fleet import Fleet
from tests.noises import NOISES, Noise
from tests.processes import Exporter, exporter

TEST = "f1a8" * 16
DAY = Duration(86400)


@dataclass(frozen=True)
class Place:
    """Where in a poll something goes wrong. Each place has an account, and an account only one target."""

    account_id: str
    endpoint: str
    page: int = 1

    def holds(self, request: Request, *, and_all_after: bool = False) -> bool:
        """Tell whether this is the request for this page, or for one after it."""
        page = request.page or 0
        there = page >= self.page if and_all_after else page == self.page
        return self.account_id == request.account_id and self.endpoint == request.endpoint and there

    @property
    def config(self) -> AccountConfig:
        """The account, with a credential of its own."""
        return AccountConfig(
            id=self.account_id,
            api_token=Secret(self.account_id, f"token-{self.account_id}"),
            users=self.endpoint == "users" and Users(stale_after=DAY),
            policy_tests=() if self.endpoint == "users" else (PolicyTest(id=TEST, name="wiki", stale_after=DAY),),
        )


PLACES = (
    Place("users", "users"),
    Place("users-middle", "users", page=2),
    Place("test", "policy_test"),
    Place("results", "policy_test_users"),
    Place("results-middle", "policy_test_users", page=2),
)
PEOPLE = [User(str(number), access_seat=number < 3) for number in range(5)]
RESULTS = [PolicyTestUser(str(number), status="approved" if number else "blocked") for number in range(5)]
RUNNING = simulator.PolicyTest(TEST, "processing", RESULTS, processed=2)
SEATS_USED = 'cloudflare_access_seats_used{{account_id="{}"}} {}.0'
RATIO = 'cloudflare_access_policy_test_processed_ratio{{account_id="{}",policy_test="wiki"}} {}'
APPROVED = 'cloudflare_access_policy_test_users{{account_id="{}",policy_test="wiki",status="approved"}} {}.0'


def cloudflare(**options: Any) -> Simulator:
    """An account for each place, its lists on three pages, its policy test still running."""
    accounts = [Account(place.account_id, PEOPLE, [RUNNING], token=f"token-{place.account_id}") for place in PLACES]
    return Simulator(accounts, max_per_page=2, **options)


def fleet(url: str, places: tuple[Place, ...] = PLACES, timeout: float = 10) -> Fleet:
    """An exporter that polls one target of each account, as fast as it can."""
    api = Api(url=url, timeout=Duration(timeout), requests_per_second=10_000, burst=1_000_000)
    return Fleet(Config(api=api, accounts=tuple(place.config for place in places)))


def time_passes(account: Account) -> None:
    """Let one more user take a seat, and the policy test finish."""
    account.users = (*account.users, User("new", gateway_seat=True))
    account.policy_tests[TEST] = simulator.PolicyTest(TEST, "complete", RESULTS)


def is_as_before(numbers: str, place: Place) -> bool:
    """Tell whether the numbers are those of an account before time passed."""
    expected = (
        SEATS_USED.format(place.account_id, 3) if place.endpoint == "users" else RATIO.format(place.account_id, 0.4)
    )
    return f"{expected}\n" in numbers


def is_up_to_date(numbers: str, place: Place) -> bool:
    """Tell whether the numbers are those of an account after time passed."""
    expected = (
        SEATS_USED.format(place.account_id, 4) if place.endpoint == "users" else APPROVED.format(place.account_id, 4)
    )
    return f"{expected}\n" in numbers


def happening(fault: Fault | Noise, places: tuple[Place, ...] = PLACES) -> Callable[[Request], Serving | None]:
    """Let a fault happen at all places, or a noise to every request."""

    def choose(request: Request) -> Serving | None:
        if isinstance(fault, Noise) or any(place.holds(request, and_all_after=fault.from_there_on) for place in places):
            return fault.happen
        return None

    return choose


@pytest.fixture(autouse=True)
def _short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list without end is told from others after thousands of rows, not millions."""
    monkeypatch.setattr(pagination, "MAX_ROWS", 5_000)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged since the last look, as it is written, but for what is merely informative."""
    caplog.set_level(logging.INFO)
    formatter = LogfmtFormatter()

    def lines() -> list[str]:
        found = [record for record in caplog.records if record.name.startswith("access_exporter")]
        caplog.clear()
        return [formatter.format(record) for record in found if record.levelno >= logging.WARNING]

    return lines


class Story:
    """An exporter before, during and after something goes wrong at some places."""

    def __init__(self, server: Simulator, places: tuple[Place, ...], log: Callable[[], list[str]], timeout: float):
        """Poll for the first time; then time passes at Cloudflare."""
        self._exporter = fleet(server.url, places, timeout)
        self.clock = self._exporter.clock
        self._places = places
        self._log = log
        self._exporter.poll()
        self._before = {place: self._exporter.numbers(place.account_id) for place in places}
        assert all(is_as_before(self._before[place], place) for place in places)
        assert log() == []
        for place in places:
            time_passes(server.accounts[place.account_id])
        self.clock.now += 300

    def fail(self, reason: str, words: str) -> None:
        """Poll in vain."""
        self._exporter.poll()
        said = self._log()
        for place in self._places:
            assert self._exporter.health(place.account_id) == {"success": 0, reason: 1}
            assert self._exporter.numbers(place.account_id) == self._before[place]
            (line,) = [line for line in said if f"account_id={place.account_id} " in line]
            assert f'level=warn msg="poll failed" account_id={place.account_id}' in line
            assert f"reason={reason} " in line
            assert words in line
            assert "planted" not in line
        assert len(said) == len(self._places)
        self.clock.now += 300

    def recover(self, reason: str) -> None:
        """Poll as if nothing had happened, but for the counter."""
        self._exporter.poll()
        for place in self._places:
            assert self._exporter.health(place.account_id) == {"success": 1, reason: 1}
            assert is_up_to_date(self._exporter.numbers(place.account_id), place)
        assert self._log() == []


def timeout(reason: str) -> float:
    """Return the timeout of a request: short only where it is what ends one."""
    return 0.5 if reason == "timeout" else 10


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_fault(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault on a first or a middle page leaves the numbers, is counted and told once, and is over when it is over."""
    places = tuple(place for place in PLACES if place.endpoint in fault.endpoints)
    with cloudflare() as server:
        story = Story(server, places, log, timeout(fault.reason))
        server.fault = happening(fault)
        story.fail(fault.reason, fault.words)
        server.fault = None
        story.recover(fault.reason)


@pytest.mark.parametrize("fault", [each for each in FAULTS if each.endpoints == ALL], ids=lambda fault: fault.name)
def test_start(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault of the one POST that starts a test leaves the numbers, is told, and the POST is not sent again."""
    policies = PolicyTest(name="wiki", policies=("policy",), refresh=Interval(3600))
    account = Account("start", token="token-start")
    account.lives["policy",] = lambda: Life(RESULTS)
    secret = Secret("start", "token-start")
    clock = FakeClock()
    with Simulator([account], clock=clock.time) as server:
        api = Api(url=server.url, timeout=Duration(timeout(fault.reason)), requests_per_second=10_000, burst=1_000_000)
        configured = AccountConfig(id="start", api_token=secret, users=False, policy_tests=(policies,))
        exporter = Fleet(Config(api=api, accounts=(configured,)), clock)
        exporter.run(1)
        before = [line for line in exporter.page().splitlines() if "policy_test_users" in line]
        assert log() == []
        server.fault = lambda request: fault.happen if request.endpoint == "policy_tests" else None
        exporter.run(3700)
        assert exporter.health("start") == {"success": 0, fault.reason: 1}
        assert [line for line in exporter.page().splitlines() if "policy_test_users" in line] == before
        (line,) = log()
        assert f"reason={fault.reason} " in line
        assert fault.words in line
        assert "planted" not in line
        exporter.run(1000)
        assert [arrival.method for arrival in server.arrivals].count("POST") == 2
        server.fault = None
        exporter.run(3000)
        assert [arrival.method for arrival in server.arrivals].count("POST") == 3
        assert exporter.health("start")["success"] == 1


EXPIRATION = 'cloudflare_access_seat_expiration_seconds{{account_id="users"}} {}\n'
REDIRECT = Fault("redirect", "invalid_response", "", answers(302, Location="http://planted.example/"))
MAY_NOT_ASK = ("auth", "permission", "not_found")


@pytest.mark.parametrize(
    "fault", [*(fault for fault in FAULTS if fault.endpoints == ALL), REDIRECT], ids=lambda fault: fault.name
)
def test_fault_beside_a_poll(fault: Fault, log: Callable[[], list[str]]) -> None:
    """A fault of what is merely nice to know fails no poll, costs one request and no wait, and is told nobody."""
    with cloudflare() as server:
        account = server.accounts["users"]
        account.seat_expiration = "730h"
        exporter = fleet(server.url, PLACES[:1], timeout(fault.reason))
        exporter.poll()
        assert EXPIRATION.format("2.628e+06") in exporter.numbers("users")
        time_passes(account)
        account.seat_expiration = "1h0m1s"
        server.fault = lambda request: fault.happen if request.endpoint == "organization" else None
        server.arrivals.clear()
        exporter.clock.now += 3600
        exporter.poll()
        assert is_up_to_date(exporter.numbers("users"), PLACES[0])
        assert (EXPIRATION.format("2.628e+06") in exporter.numbers("users")) is (fault.reason not in MAY_NOT_ASK)
        assert [arrival.endpoint for arrival in server.arrivals].count("organization") == 1
        server.fault = None
        exporter.clock.now += 3600
        exporter.poll()
        assert EXPIRATION.format(3601.0) in exporter.numbers("users")
        assert exporter.health("users") == {"success": 1}
        assert exporter.clock.slept == []
    assert log() == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect(status: int, log: Callable[[], list[str]]) -> None:
    """A redirect to another host is an error, and that host sees no request."""
    with cloudflare() as server, cloudflare() as other:
        story = Story(server, PLACES, log, timeout=10)
        location = server.url.replace("127.0.0.1", "planted") if status == 307 else f"{other.url}/planted"
        server.fault = happening(Fault("redirect", "", "", answers(status, Location=location)))
        story.fail("invalid_response", f"{status} from /access/")
        server.fault = None
        story.recover("invalid_response")
        assert not other.arrivals


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: noise.name)
def test_noise(noise: Noise, log: Callable[[], list[str]]) -> None:
    """What is odd about a good answer, but not wrong, changes no number, in the next answer neither."""
    with cloudflare(fault=happening(noise)) as server:
        exporter = fleet(server.url)
        for account in server.accounts.values():
            time_passes(account)
        for _ in range(2):
            exporter.poll()
            for place in PLACES:
                assert exporter.health(place.account_id) == {"success": 1}
                assert is_up_to_date(exporter.numbers(place.account_id), place)
    assert log() == []


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if "200 MB" in fault.name or "bomb" in fault.name or "rows" in fault.name]
)
def test_memory(fault: Fault) -> None:
    """However much is sent, little of it is in memory at any time, and nothing when the poll has ended."""
    with cloudflare() as server:
        exporter = fleet(server.url, PLACES[:1])
        exporter.poll()
        server.fault = happening(fault)
        tracemalloc.start()
        try:
            exporter.poll()
            kept, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert exporter.health("users") == {"success": 0, fault.reason: 1}
    assert peak < 100 << 20
    assert kept < 1 << 20


@dataclass(frozen=True)
class Outage:
    """Something that takes the place of the server, from a request on; `secure` tells whether the server spoke TLS."""

    name: str
    reason: str
    words: str
    begin: Callable[[Simulator, Path], AbstractContextManager[object]]
    secure: bool = True
    places: tuple[Place, ...] = PLACES


@contextmanager
def nobody(server: Simulator, _certificates: Path) -> Iterator[None]:
    """Nobody listens on the port."""
    server.stop()
    yield
    server.start()


@contextmanager
def silence(server: Simulator, certificates: Path) -> Iterator[None]:
    """Connections are accepted, and that is all."""
    address = urlsplit(server.url)
    with nobody(server, certificates), socket.create_server((str(address.hostname), address.port or 0)):
        yield


@contextmanager
def another(server: Simulator, certificates: Path, *, certificate: str | None) -> Iterator[None]:
    """Another server listens on the port, with this certificate or without TLS."""
    address = urlsplit(server.url)
    with (
        nobody(server, certificates),
        cloudflare(
            address=(str(address.hostname), address.port or 0),
            ssl_context=None if certificate is None else tls(certificates, certificate),
        ),
    ):
        yield


@contextmanager
def no_names(server: Simulator, certificates: Path) -> Iterator[None]:
    """No name resolves, and no connection is left."""

    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "planted")

    with nobody(server, certificates), pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", unknown)
        yield


OUTAGES = [
    Outage("connection refused", "network", "the connection was refused", nobody),
    Outage("connection refused without TLS", "network", "the connection was refused", nobody, secure=False),
    Outage("DNS failure", "network", "the name of the host does not resolve", no_names),
    Outage("silence instead of TLS", "timeout", "no whole answer", silence, places=PLACES[:2]),
    Outage("expired certificate", "network", "certificate has expired", partial(another, certificate="expired")),
    Outage("self-signed certificate", "network", "not valid: self", partial(another, certificate="self-signed")),
    Outage("certificate of another host", "network", "mismatch", partial(another, certificate="other-host")),
    Outage("HTTP on a TLS port", "network", "TLS could not be agreed", partial(another, certificate=None)),
    Outage("TLS on an HTTP port", "network", "no whole answer", partial(another, certificate="good"), secure=False),
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an authority, and good and bad certificates of the loopback address."""
    folder = tmp_path_factory.mktemp("tls")
    Authority(folder, "self-signed")
    Authority(folder).issue("good")
    for name, days, host in (("expired", "-1", "IP:127.0.0.1"), ("other-host", "2", "DNS:planted.example")):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={host}\n", encoding="utf-8")
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{folder}/{name}.key")
        openssl("req", *key, "-config", f"{folder}/openssl.cnf", "-subj", f"/CN={name}", "-out", str(request))
        signed = ("-CA", f"{folder}/authority.pem", "-CAkey", f"{folder}/authority.key", "-CAcreateserial")
        out = ("-days", days, "-extfile", str(extensions), "-out", f"{folder}/{name}.pem")
        openssl("x509", "-req", "-in", str(request), *signed, *out)
    return folder


def tls(certificates: Path, name: str) -> ssl.SSLContext:
    """Return what a server with this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


# Python leaves a connection that is reset before its handshake to the garbage collector (ssl.SSLSocket._create).
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_outage(
    outage: Outage, certificates: Path, log: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that goes away, before a poll or in its middle, is a fault like any other, and so is a wrong one."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "authority.pem"))
    for place in outage.places:
        with cloudflare(ssl_context=tls(certificates, "good") if outage.secure else None) as server:
            story = Story(server, (place,), log, timeout(outage.reason))
            with ExitStack() as stack:
                has_begun = Event()
                begin = partial(stack.enter_context, outage.begin(server, certificates))
                server.fault = begins(begin, has_begun, place)
                monkeypatch.setattr(story.clock, "sleep", partial(is_patient, has_begun))
                story.fail(outage.reason, outage.words)
                server.fault = None
            story.recover(outage.reason)


def is_patient(event: Event, seconds: float) -> None:
    """Sleep until something has happened."""
    assert event.wait(10)


def begins(outage: Callable[[], object], has_begun: Event, place: Place) -> Callable[[Request], Serving | None]:
    """Begin an outage at the first request for a place, and break that request off; the exporter waits for it."""
    requests = itertools.count()

    def begin(handler: Handler) -> None:
        outage()
        has_begun.set()
        resets()(handler)

    return lambda request: begin if place.holds(request) and next(requests) == 0 else None


def test_an_address_that_drops_everything() -> None:
    """Of the addresses of a host one that drops everything leaves time for the next, and all share the timeout."""
    resolve = socket.getaddrinfo
    with socket.socket() as hole, ExitStack() as stack:
        hole.bind(("127.0.0.2", 0))
        hole.listen(0)
        port = hole.getsockname()[1]
        for _ in range(3):  # a full queue lets the system drop what comes
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


# What is over within seconds by a real clock, and does not list millions of rows.
QUICK = [
    (fault, Place(f"fault-{number}", fault.endpoints[number % len(fault.endpoints)]))
    for number, fault in enumerate(FAULTS)
    if fault.name not in ("429 for seconds", "429 for ages") and not fault.from_there_on
]


def test_the_real_process(tmp_path: Path) -> None:
    """All faults at once, each on an account of its own, neither end the process nor fill its memory."""
    config = tmp_path / "config.yaml"
    by_account = {place.account_id: (fault, place) for fault, place in QUICK}

    def choose(request: Request) -> Serving | None:
        fault, place = by_account[request.account_id]
        return fault.happen if place.holds(request) else None

    def poll(running: Exporter, message: str, interval: int) -> list[dict[str, Any]]:
        write(config, server.url, interval)
        running.process.send_signal(signal.SIGHUP)
        return [running.wait_for(message, account_id=account_id) for account_id in by_account]

    accounts = [Account(account_id, PEOPLE, [RUNNING], token=f"token-{account_id}") for account_id in by_account]
    with Simulator(accounts, max_per_page=2) as server:
        write(config, server.url, interval=600)
        with exporter(f"--config.file={config}") as running:
            for account in accounts:
                running.wait_for("poll succeeded", account_id=account.id)
                time_passes(account)
            before, size = numbers_of(running), most_memory(running)
            server.fault = choose
            failures = poll(running, "poll failed", interval=601)
            expected = [(fault.reason, fault.words) for fault, _ in QUICK]
            told = [(failure["reason"], failure["error"]) for failure in failures]
            assert [pair for pair in zip(told, expected, strict=True) if not is_told(*pair)] == []
            assert numbers_of(running) == before
            assert most_memory(running) - size < 300 << 20
            server.fault = None
            poll(running, "poll succeeded", interval=602)
            after = numbers_of(running)
            assert [place for _, place in QUICK if not is_up_to_date(after, place)] == []
            assert running.process.poll() is None


def write(config: Path, url: str, interval: int) -> None:
    """Write a configuration with the targets of all quick faults."""
    accounts = []
    for _, place in QUICK:
        test = f"policy_tests: [{{id: {TEST}, name: wiki, interval: {interval}s}}]"
        polled = f"users: {{interval: {interval}s}}" if place.endpoint == "users" else f"users: false, {test}"
        accounts.append(f"  - {{id: {place.account_id}, api_token: token-{place.account_id}, {polled}}}")
    api = f"api: {{url: '{url}', timeout: 600ms, requests_per_second: 1000, burst: 1000}}"
    config.write_text("\n".join([api, "accounts:", *accounts, ""]), encoding="utf-8")


def numbers_of(running: Exporter) -> str:
    """Return what the process serves about the accounts, but for how their polls went."""
    lines = requests.get(f"{running.url}/metrics", timeout=10).text.splitlines(keepends=True)
    return "".join(line for line in lines if "{account_id=" in line and not line.startswith("cloudflare_access_poll_"))


def most_memory(running: Exporter) -> int:
    """Return the most memory the process has had so far, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def is_told(told: tuple[str, str], expected: tuple[str, str]) -> bool:
    """Tell whether a failure has the reason, and an error with the words."""
    return told[0] == expected[0] and expected[1] in told[1] and "planted" not in told[1]
