"""Optional requests, on a credential that allows one request at a time: their faults delay no poll."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import prometheus_client
import pytest

from access_exporter.background import call
from access_exporter.clock import Clock
from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.collectors import AnyCollector, configured
from access_exporter.config.durations import Duration
from access_exporter.config.model import Account as AccountConfig
from access_exporter.config.model import Api, Config
from access_exporter.config.secrets import Secret
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from access_exporter.simulator import Account, Handler, Request, Simulator, User
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.server import Fault
from tests.faults import answers, refuses, resets, sends

pytestmark = pytest.mark.usefixtures("no_proxy")

OPTIONAL = ("/access/organizations", "/devices/registrations", "/user/tokens/verify", "/tokens/verify")
PATIENCE_SECONDS = 20
PEOPLE = [User(str(number), access_seat=True) for number in range(5)]


@dataclass
class Hang:
    """Holds requests without a response until the end of the test."""

    begun: threading.Semaphore
    end: threading.Event

    def __call__(self, handler: Handler) -> None:
        self.begun.release()
        self.end.wait(PATIENCE_SECONDS)


class Running:
    """An exporter of some accounts, with real threads and a real clock."""

    def __init__(self, url: str, accounts: int) -> None:
        """Prepare the targets, without a poll."""
        configs = tuple(AccountConfig(id=f"a{number}", api_token=Secret("here", TOKEN)) for number in range(accounts))
        api = Api(url=url, concurrency=1, timeout=Duration(PATIENCE_SECONDS), requests_per_second=100, burst=1000)
        config = Config(api=api, accounts=configs)
        self.clock = Clock()
        self._snapshots = Snapshots(self.clock)
        self._poller = Poller(self._snapshots, self.clock)
        clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), self.clock)
        clients.configure(config)
        collectors = [each for account in configs for each in configured(account, clients.of(account))]
        self._users = [each for each in collectors if each.key.collector == "users"]
        self._others = [each for each in collectors if each.key.collector != "users"]
        self._snapshots.configure(collectors)

    def start_all_others(self) -> list[Future[None]]:
        """Start to poll all targets except users, at the same time."""
        return [self._start(each) for each in self._others]

    def poll_users(self) -> None:
        """Poll all users, and return when all polls have ended."""
        for each in self._users:
            self._start(each).result(PATIENCE_SECONDS / 2)

    def _start(self, collector: AnyCollector) -> Future[None]:
        return call(partial(self._poller.poll, collector), collector.key.collector)

    def page(self) -> str:
        """Return the metrics page of the targets."""
        return b"".join(self._snapshots.page(Format.TEXT).text_with(Encoded())).decode()


@contextmanager
def cloudflare(fault: Callable[[Handler], None], accounts: int) -> Iterator[Simulator]:
    """Simulate accounts with one token, and let a fault happen to every optional request."""

    def choose(request: Request) -> Fault | None:
        return fault if request.path.endswith(OPTIONAL) else None

    with Simulator([Account(f"a{number}", PEOPLE) for number in range(accounts)], max_per_page=2) as server:
        server.fault = choose
        yield server


@pytest.mark.parametrize("accounts", [1, 3])
def test_hanging(accounts: int) -> None:
    """Optional requests that hang, of one or more accounts, do not delay the polls of users."""
    hang = Hang(threading.Semaphore(0), threading.Event())
    with cloudflare(hang, accounts) as server:
        exporter = Running(server.url, accounts)
        others = exporter.start_all_others()
        try:
            assert hang.begun.acquire(timeout=PATIENCE_SECONDS)
            exporter.poll_users()
            for number in range(accounts):
                assert f'cloudflare_access_seats_used{{account_id="a{number}"}} 5.0\n' in exporter.page()
        finally:
            exporter.clock.stop.set()
            hang.end.set()
            for each in others:
                each.result(PATIENCE_SECONDS)


@pytest.mark.parametrize(
    "fault",
    [
        *(refuses(status, 10000) for status in (400, 401, 403, 404, 500)),
        *(answers(status) for status in (200, 403, 502)),
        resets(),
        sends(),
        sends("planted"),
    ],
)
def test_refused(fault: Callable[[Handler], None], log: Callable[[], list[str]]) -> None:
    """Failed optional requests fail no poll of users; those without health series are neither logged nor counted."""
    with cloudflare(fault, 1) as server:
        exporter = Running(server.url, 1)
        exporter.poll_users()
        for each in exporter.start_all_others():
            each.result(PATIENCE_SECONDS)
        exporter.poll_users()
        page = exporter.page()
    health = 'account_id="a0",collector="users",target="users"}'
    assert f"cloudflare_access_poll_success{{{health} 1.0\n" in page
    assert "organization" not in page
    assert "credential" not in page
    assert not [line for line in log() if "collector=devices" not in line]
