"""Simulated accounts, and functions that run the command on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from access_exporter import cli
from access_exporter.clock import Clock
from access_exporter.simulator import Account, Simulator
from tests.commands import checking
from tests.fakes import START, FakeClock
from tests.processes import Outcome, Run


@pytest.fixture
def cloudflare() -> Iterator[Simulator]:
    """Run a simulator with two accounts without users and devices, and ten rows a page."""
    accounts = [Account("first"), Account("second")]
    for account in accounts:
        account.registrations = ()
    with Simulator(accounts, max_per_page=10) as server:
        yield server


@pytest.fixture
def run(
    cloudflare: Simulator,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    own_logging: None,
) -> Run:
    """Return a function that runs the command on both accounts in this process, without pauses before retries."""
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    monkeypatch.setattr(Clock, "time", lambda self: START)
    config = tmp_path / "config.yaml"

    def run(*arguments: str, first: str = "true") -> Outcome:
        accounts = "".join(
            f"  - {{id: {name}, api_token: {cloudflare.accounts[name].token}, users: {users}}}\n"
            for name, users in (("first", first), ("second", "true"))
        )
        api = f"api: {{url: '{cloudflare.url}', requests_per_second: 10000, burst: 1000000}}\n"
        config.write_text(f"{api}accounts:\n{accounts}", encoding="utf-8")
        try:
            code: int | str | None = cli.main([f"--config.file={config}", *arguments])
        except SystemExit as ended:
            code = ended.code
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own_logging: None
) -> Iterator[checking.Check]:
    """Return a function that tests policies on an account with five users and two rows a page."""
    clock = FakeClock()
    monkeypatch.setattr("access_exporter.clock.Clock", lambda: clock)
    with Simulator([checking.account()], max_per_page=2, clock=clock.time) as server:
        yield checking.Check(server, clock, tmp_path, capsys)
