"""The whole monitoring chain, started once for all tests: exporters, Prometheus with every rule, Alertmanager."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from access_exporter import simulator
from access_exporter.simulator import Handler, Simulator, User
from access_exporter.simulator.account import TOKEN
from access_exporter.simulator.answers import error
from tests.deploy.files import ALERTS, DEPLOY, RULES
from tests.deploy.monitoring import Prometheus, Relay, alertmanager, eventually, free_ports, prometheus
from tests.deploy.programs import program
from tests.processes import Exporter, exporter

FAULTY_ACCOUNT = "fa17" * 8
PROMETHEUS = ("prometheus", "prometheus3")
DEMO_LABELS = {"cluster": "demo", "namespace": "access"}  # Prometheus adds such labels in Kubernetes
SECONDS_OF_ALL_TESTS = 1800  # an upper limit
CONFIG = f"""
api:
  url: ${{SIMULATOR_URL}}
accounts:
  - id: {FAULTY_ACCOUNT}
    api_token: {TOKEN}
    seat_limit: 50
    users:
      interval: 10s
"""


@dataclass
class Chain:
    """The running programs: Prometheus, Alertmanager, and two exporters.

    Prometheus scrapes the demo in both formats. Cloudflare refuses the credential of the exporter `faulty`.
    """

    prometheus: Prometheus
    alertmanager: str
    faulty: Exporter
    openmetrics: Relay
    text: Relay


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def in_seconds(config: dict[str, Any], demo: list[str], faulty: str, alertmanager_port: int) -> dict[str, Any]:
    """Return the committed configuration for these targets, with intervals of 1 s instead of 30 s."""
    config = copy.deepcopy(config)
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": demo, "labels": DEMO_LABELS}, {"targets": [faulty]}]
    return config


def without_waits(alerts: dict[str, Any]) -> dict[str, Any]:
    """Return the committed alerts with `for: 1s`, so that each fires after one second."""
    alerts = copy.deepcopy(alerts)
    for group in alerts["groups"]:
        for rule in group["rules"]:
            rule["for"] = "1s"
    return alerts


def at_once(config: dict[str, Any]) -> dict[str, Any]:
    """Return the committed configuration of Alertmanager with `group_wait: 0s`, so that it notifies at once."""
    return config | {"route": config["route"] | {"group_wait": "0s"}}


def refuse(handler: Handler) -> None:
    """Answer as Cloudflare does when a token lacks a permission: 403."""
    handler.send(error(403, 10000, "Authentication error"))


@pytest.fixture(scope="session", params=PROMETHEUS)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Run the whole chain with short intervals, once with Prometheus 2 and once with Prometheus 3.

    From the second poll on, Cloudflare refuses the credential of the exporter `faulty`. Other tests run while its
    alerts become active.
    """
    program(request.param)
    program("prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("monitoring")
    (folder / "exporter.yaml").write_text(CONFIG, "utf-8")
    (folder / RULES.name).write_bytes(RULES.read_bytes())
    (folder / ALERTS.name).write_text(yaml.safe_dump(without_waits(load(ALERTS))), "utf-8")
    users = [User(f"u{number}", access_seat=True, active_device_count=1) for number in range(30)]
    prometheus_port, alertmanager_port = free_ports(2)
    with ExitStack() as stack:
        cloudflare = stack.enter_context(Simulator([simulator.Account(FAULTY_ACCOUNT, users)]))
        demo = stack.enter_context(exporter("--demo", patience=SECONDS_OF_ALL_TESTS))
        flag, environ = f"--config.file={folder / 'exporter.yaml'}", {"SIMULATOR_URL": cloudflare.url}
        faulty = stack.enter_context(exporter(flag, environ=environ, patience=SECONDS_OF_ALL_TESTS))
        for running in (demo, faulty):
            running.drain()
        openmetrics = Relay(demo.url)
        stack.callback(openmetrics.stop)
        text = Relay(demo.url, accept="text/plain;version=0.0.4")
        stack.callback(text.stop)
        targets = ([openmetrics.address, text.address], f"127.0.0.1:{faulty.port}")
        config = in_seconds(load(DEPLOY / "prometheus" / "prometheus.yaml"), *targets, alertmanager_port)
        started = Chain(
            alertmanager=stack.enter_context(
                alertmanager(at_once(load(DEPLOY / "alertmanager" / "alertmanager.yaml")), folder, alertmanager_port)
            ),
            prometheus=stack.enter_context(prometheus(request.param, config, folder, prometheus_port)),
            faulty=faulty,
            openmetrics=openmetrics,
            text=text,
        )
        used = f'cloudflare_access_seats_used{{account_id="{FAULTY_ACCOUNT}"}}'
        eventually("the seats of the faulty account", lambda: started.prometheus.query(used))
        cloudflare.fault = lambda _: refuse
        yield started
