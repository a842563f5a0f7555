"""The exporter on many accounts, with a fake clock; it polls on schedule or all targets at once."""

import re
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import prometheus_client

from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.collectors import configured
from access_exporter.config.model import Config
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshots
from access_exporter.polling.storage import Storage
from access_exporter.serving.status_page import StatusPage
from tests.exporter import Exporter
from tests.fakes import FakeClock

PATIENCE_SECONDS = 30


class Fleet(Exporter):
    """An exporter that polls the targets of a configuration, and can load another configuration at any time."""

    def __init__(self, config: Config, clock: FakeClock | None = None, folder: Path | None = None) -> None:
        self.clock = clock or FakeClock()
        self.registry = prometheus_client.CollectorRegistry()
        self._started: deque[Callable[[], None]] = deque()
        errors = prometheus_client.Counter("errors", "Errors of the storage.", registry=None)
        self._snapshots = Snapshots(self.clock, Storage(str(folder), errors) if folder else None)
        self._poller = Poller(self._snapshots, self.clock, lambda poll, _: self._started.append(poll))
        self._clients = Clients(RequestMetrics(self.registry), self.clock)
        self.load(config)

    def load(self, config: Config) -> None:
        """Use this configuration from now on."""
        self._clients.configure(config)
        self._collectors = [
            each for account in config.accounts for each in configured(account, self._clients.of(account))
        ]
        self._clients.show(endpoint for each in self._collectors for endpoint in each.endpoints)
        self._poller.configure(self._collectors)
        self.accounts = config.accounts

    def whole_page(self) -> str:
        """Return the metrics page, including the metrics about the exporter's own requests."""
        return self.page() + prometheus_client.generate_latest(self.registry).decode()

    def status_page(self) -> str:
        """Return the status page."""
        page = StatusPage(self._snapshots, "/metrics", demo=False)
        page.accounts = self.accounts
        return page.render()

    def report(self) -> None:
        """Log the progress of long polls, if it is time to."""
        self._snapshots.under_way.report()

    def run(self, seconds: float) -> None:
        """Let this much time pass, or more if the last poll takes longer, and poll one due target after the other."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            wait = self._poller.start_due()
            if self._started:
                self._started.popleft()()
            else:
                # A very short wait can be lost when it is added to the seconds since the epoch.
                self.clock.now = min(end, self.clock.now + max(1e-6, seconds if wait is None else wait))

    def poll(self) -> None:
        """Poll all targets at the same time, then the optional ones, and wait for all requests in flight."""
        polls = []
        for is_optional in (False, True):
            collectors = [each for each in self._collectors if each.is_optional is is_optional]
            polls = [threading.Thread(target=self._poller.poll, args=(each,), daemon=True) for each in collectors]
            for poll in polls:
                poll.start()
            for poll in polls:
                poll.join(PATIENCE_SECONDS)
        for thread in threading.enumerate():
            if thread.name.startswith("page-"):
                thread.join(PATIENCE_SECONDS)
            assert thread not in polls

    def numbers(self, account_id: str) -> str:
        """Return the exact metrics of an account, without the metrics about its polls."""
        return "".join(self._lines(self.page(), account_id, health=False))

    def health(self, account_id: str) -> dict[str, float]:
        """Return the last success of an account's polls, and its number of errors by reason, without zeros."""
        lines = self._lines(self.page(), account_id, health=True)
        samples = [(line, float(line.rpartition(" ")[2])) for line in lines]
        found = {match[1]: value for line, value in samples if (match := re.search('reason="([^"]+)"', line)) and value}
        found["success"] = next(value for line, value in samples if line.startswith("cloudflare_access_poll_success"))
        return found

    @staticmethod
    def _lines(page: str, account_id: str, *, health: bool) -> list[str]:
        lines = [line for line in page.splitlines(keepends=True) if f'account_id="{account_id}"' in line]
        return [line for line in lines if line.startswith("cloudflare_access_poll_") is health]
