"""The exporter with a fake clock and without a web server: tests give it responses and read the metrics page."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import prometheus_client

from access_exporter.cloudflare.clients import Clients
from access_exporter.cloudflare.metrics import RequestMetrics
from access_exporter.collectors import configured
from access_exporter.config.model import Account, Api, Config, Devices, PolicyTest, Users
from access_exporter.config.secrets import Secret
from access_exporter.exposition.text import Encoded, Format
from access_exporter.polling.poller import Poller
from access_exporter.polling.snapshots import Snapshot, Snapshots
from tests.fakes import FakeClock

ACCOUNT_ID = "023e105f4ecef8ad9ca31a8372d0c353"
TOKEN = "a-token-that-stays-secret"
DATA = Path(__file__).parent / "data"
# High limits, so that the rate limiter never moves the clock.
API = Api(requests_per_second=10_000, burst=1_000_000)


class Exporter:
    """An exporter that polls one account when a test calls it, and returns the metrics page of the targets."""

    def __init__(
        self,
        *,
        name: str | None = "Example",
        users: Users | bool = Users(),  # noqa: B008 – it is frozen
        devices: Devices | bool | Literal["auto"] = False,
        policy_tests: Sequence[PolicyTest] = (),
        seat_limit: int | None = 50,
        api: Api = API,
    ) -> None:
        account = Account(
            id=ACCOUNT_ID,
            name=name,
            api_token=Secret("the test", TOKEN),
            users=users,
            devices=devices,
            policy_tests=tuple(policy_tests),
            seat_limit=seat_limit,
        )
        self.clock = FakeClock()
        self._snapshots = Snapshots(self.clock)
        self._poller = Poller(self._snapshots, self.clock)
        clients = Clients(RequestMetrics(prometheus_client.CollectorRegistry()), self.clock)
        clients.configure(Config(api=api, accounts=(account,)))
        # The credential is not a target of the account, so these tests leave it out.
        polled = configured(account, clients.of(account))
        self._collectors = [each for each in polled if each.key.collector != "credential"]
        self._snapshots.configure(self._collectors)

    def poll(self) -> None:
        """Poll every target once, first the targets that others depend on, and wait for all requests in flight."""
        for collector in sorted(self._collectors, key=lambda each: not each.is_first):
            self._poller.poll(collector)
        for thread in threading.enumerate():
            if thread.name.startswith("page-"):
                thread.join(10)

    def failure(self) -> str:
        """Return reason and message of the failures of the last polls, or an empty string."""
        failures = (each.failure for each in self._snapshots.all() if not each.collector.is_optional)
        return " ".join(f"{failure.reason}: {failure}" for failure in failures if failure)

    def status(self) -> list[str]:
        """Return what the status page shows of the targets, line by line."""
        return [line for each in self._snapshots.all() if each.summary for line in each.collector.status(each.summary)]

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshot of each target."""
        return self._snapshots.all()

    def page(self) -> str:
        """Return the metrics page of the targets, in the text format."""
        return b"".join(self._snapshots.page(Format.TEXT).text_with(Encoded())).decode()

    def polled(self) -> str:
        """Poll once and return the metrics page."""
        self.poll()
        return self.page()


def page_of(template: str, **values: float | str | None) -> str:
    """Return tests/data/<template>.prom with these values; a string is inserted unchanged.

    A number that is not given is 0, and the poll counts as successful. A sample with the value None is left out.
    """
    known: dict[str, float | str | None] = {"success": 1, "interval": 300, "last_success": "1.79e+09"}
    known |= values
    families = (DATA / f"{template}.prom").read_text().split("# HELP ")[1:]
    filled = (_filled(family.splitlines(), known) for family in families)
    page = "".join(f"# HELP {family}" for family in filled if family)
    assert not known, f"{template}.prom has no placeholder for {', '.join(known)}"
    return page


def _filled(lines: list[str], values: dict[str, float | str | None]) -> str:
    samples = []
    for line in lines[2:]:
        sample, _, name = line.partition("$")
        value = values.pop(name, 0) if name else ""
        if value is not None:
            samples.append(f"{sample}{value if isinstance(value, str) else float(value)}")
    return "\n".join([*lines[:2], *samples, ""]) if samples else ""
