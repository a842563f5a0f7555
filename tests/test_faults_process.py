"""All faults at the same time, on a real process."""

import signal
from pathlib import Path
from typing import Any

import pytest
import requests

from access_exporter.simulator import Request, Simulator
from access_exporter.simulator.server import Fault as Serving
from tests.fault_table import FAULTS
from tests.faults import Fault
from tests.places import TEST, Place, account, is_up_to_date, time_passes
from tests.processes import Exporter, exporter

pytestmark = pytest.mark.usefixtures("short_lists")


def endpoints(fault: Fault) -> list[str]:
    """Return the endpoints of a fault, without `apps` and `policies`, since these lead to more targets."""
    return [each for each in fault.endpoints if each not in ("apps", "policies")]


# Faults that end within seconds of real time, and do not list millions of rows.
QUICK = [
    (fault, Place(f"fault-{number}", endpoints(fault)[number % len(endpoints(fault))]))
    for number, fault in enumerate(FAULTS)
    if endpoints(fault)
    and fault.name not in ("429 with a short Retry-After", "429 with a huge Retry-After")
    and not fault.from_there_on
]


def test_the_real_process(tmp_path: Path) -> None:
    """All faults at the same time, each on its own account, do not end the process and do not fill its memory."""
    config = tmp_path / "config.yaml"
    by_account = {place.account_id: (fault, place) for fault, place in QUICK}

    def choose(request: Request) -> Serving | None:
        if request.account_id not in by_account:  # a request about a token has no account
            return None
        fault, place = by_account[request.account_id]
        return fault.happen if place.holds(request) else None

    def poll(running: Exporter, message: str, interval: int) -> list[dict[str, Any]]:
        write(config, server.url, interval)
        running.process.send_signal(signal.SIGHUP)
        return [running.wait_for(message, account_id=account_id) for account_id in by_account]

    accounts = [account(place) for _, place in QUICK]
    with Simulator(accounts, max_per_page=2) as server:
        write(config, server.url, interval=600)
        with exporter(f"--config.file={config}") as running:
            for each in accounts:
                running.wait_for("poll succeeded", account_id=each.id)
                time_passes(each)
            before, size = numbers_of(running), most_memory(running)
            server.fault = choose
            failures = poll(running, "poll failed", interval=601)
            expected = [(fault.reason, fault.words) for fault, _ in QUICK]
            failed = [(failure["reason"], failure["error"]) for failure in failures]
            assert [pair for pair in zip(failed, expected, strict=True) if not is_expected(*pair)] == []
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
        polled = {
            "users": f"users: {{interval: {interval}s}}, devices: false",
            "devices": f"users: false, devices: {{interval: {interval}s}}",
        }.get(place.endpoint, f"users: false, policy_tests: [{{id: {TEST}, name: wiki, interval: {interval}s}}]")
        accounts.append(f"  - {{id: {place.account_id}, api_token: token-{place.account_id}, {polled}}}")
    api = f"api: {{url: '{url}', timeout: 600ms, requests_per_second: 1000, burst: 1000}}"
    config.write_text("\n".join([api, "accounts:", *accounts, ""]), encoding="utf-8")


def numbers_of(running: Exporter) -> str:
    """Return the metrics of the accounts, without the metrics about polls and optional targets."""
    lines = requests.get(f"{running.url}/metrics", timeout=10).text.splitlines(keepends=True)
    others = ("cloudflare_access_poll_", "cloudflare_access_account_info")
    return "".join(line for line in lines if "{account_id=" in line and not line.startswith(others))


def most_memory(running: Exporter) -> int:
    """Return the peak memory of the process so far, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def is_expected(failed: tuple[str, str], expected: tuple[str, str]) -> bool:
    """Return whether a failure has the expected reason, and the expected words in its error."""
    return failed[0] == expected[0] and expected[1] in failed[1] and "planted" not in failed[1]
