"""The exporter from the API's answers to the exposition, without a web server and with the clock in the test's hand."""

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
TOKEN = "a-token-nobody-may-see"
DATA = Path(__file__).parent / "data"
# So fast that the pace never makes the clock move.
API = Api(requests_per_second=10_000, burst=1_000_000)


class Exporter:
    """Polls one account when told to, and shows what `/metrics` would say of its targets."""

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
        # The credential is no target of the account.
        polled = configured(account, clients.of(account))
        self._collectors = [each for each in polled if each.key.collector != "credential"]
        self._snapshots.configure(self._collectors)

    def poll(self) -> None:
        """Poll every target once, to the last request that is still on its way; first what others look at."""
        for collector in sorted(self._collectors, key=lambda each: not each.is_first):
            self._poller.poll(collector)
        for thread in threading.enumerate():
            if thread.name.startswith("page-"):
                thread.join(10)

    def failure(self) -> str:
        """Return reason and message of the last poll's failure, or nothing."""
        failures = (each.failure for each in self._snapshots.all() if not each.collector.is_optional)
        return " ".join(f"{failure.reason}: {failure}" for failure in failures if failure)

    def status(self) -> list[str]:
        """Return what the status page says of the targets, line by line."""
        return [line for each in self._snapshots.all() if each.summary for line in each.collector.status(each.summary)]

    def snapshots(self) -> list[Snapshot]:
        """Return every target after its last poll."""
        return self._snapshots.all()

    def page(self) -> str:
        """Return the whole exposition of the targets, in the text format."""
        return b"".join(self._snapshots.page(Format.TEXT).text_with(Encoded())).decode()

    def polled(self) -> str:
        """Poll once and return the exposition."""
        self.poll()
        return self.page()


def page_of(template: str, **values: float | str | None) -> str:
    """Return tests/data/<template>.prom with these values, which a text gives to the letter.

    Of what is not named, numbers are 0 and the poll went well at once. What is None is absent.
    """
    known: dict[str, float | str | None] = {"success": 1, "interval": 300, "last_success": "1.79e+09"}
    known |= values
    families = (DATA / f"{template}.prom").read_text().split("# HELP ")[1:]
    filled = (_filled(family.splitlines(), known) for family in families)
    page = "".join(f"# HELP {family}" for family in filled if family)
    assert not known, f"{template}.prom has no place for {', '.join(known)}"
    return page


def _filled(lines: list[str], values: dict[str, float | str | None]) -> str:
    samples = []
    for line in lines[2:]:
        sample, _, name = line.partition("$")
        value = values.pop(name, 0) if name else ""
        if value is not None:
            samples.append(f"{sample}{value if isinstance(value, str) else float(value)}")
    return "\n".join([*lines[:2], *samples, ""]) if samples else ""
